// What Deno itself can't do: a descriptor that is inherited, and another process' CPU clock.

import assert from "node:assert/strict";
import { LIBC_PATHS } from "../../src/platform/libc.ts";

// Of socket(2) and unix(7).
const AF_UNIX = 1;
const SOCK_STREAM = 1;
const MAX_PATH = 107;
/** The kind of clock in the last three bits of a clock's number (the kernel's posix-timers.h): scheduled CPU time. */
const CPUCLOCK_SCHED = 2;

/**
 * A descriptor that is connected to a listening unix socket and that child processes inherit, which Deno's own aren't;
 * `close` gives it back here.
 */
export function connectedDescriptor(path: string): { descriptor: number; close: () => void } {
  const { socket, connect, close } = libc();
  const name = new TextEncoder().encode(path);
  assert(name.length <= MAX_PATH, `${path} is too long for a unix socket`);
  // struct sockaddr_un: unsigned short sun_family, char sun_path[108].
  const address = new Uint8Array(2 + MAX_PATH + 1);
  address.set([AF_UNIX]);
  address.set(name, 2);
  const descriptor = socket(AF_UNIX, SOCK_STREAM, 0);
  assert.equal(connect(descriptor, address, address.length), 0, `can't connect to ${path}`);
  return { descriptor, close: () => close(descriptor) };
}

/** CPU time of a process and all of its threads, also of those that have ended, in ms; see clock_getcpuclockid(3). */
export function cpuTimeOf(pid: number): number {
  const time = new BigInt64Array(2);
  assert.equal(libc().clock_gettime((~pid << 3) | CPUCLOCK_SCHED, time), 0, `process ${pid} is gone`);
  return Number(time[0]) * 1000 + Number(time[1]) / 1e6;
}

let loaded: ReturnType<typeof load> | undefined;

function libc() {
  return loaded ??= load();
}

function load() {
  const path = LIBC_PATHS.find(isFile);
  assert(path !== undefined, "no glibc");
  return Deno.dlopen(path, {
    socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
    connect: { parameters: ["i32", "buffer", "u32"], result: "i32" },
    close: { parameters: ["i32"], result: "i32" },
    clock_gettime: { parameters: ["i32", "buffer"], result: "i32" },
  }).symbols;
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
