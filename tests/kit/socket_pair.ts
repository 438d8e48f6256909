import assert from "node:assert/strict";
import { LIBC_PATHS } from "../../src/platform/libc.ts";

const path = LIBC_PATHS.find((path) => {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
});
assert(path !== undefined, "no glibc");
const { socketpair } = Deno.dlopen(path, {
  socketpair: { parameters: ["i32", "i32", "i32", "buffer"], result: "i32" },
}).symbols;

const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;

/** Two descriptors joined with each other, as a runtime makes them for a plugin; child processes inherit them. */
export function socketPair(type: "stream" | "datagram" = "stream"): [number, number] {
  const pair = new Int32Array(2);
  assert.equal(socketpair(AF_UNIX, type === "stream" ? SOCK_STREAM : SOCK_DGRAM, 0, pair), 0);
  const [a, b] = pair;
  assert(a !== undefined && b !== undefined);
  return [a, b];
}
