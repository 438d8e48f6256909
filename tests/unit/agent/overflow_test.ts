import assert from "node:assert/strict";
import { create, toBinary } from "@bufbuild/protobuf";
import { SynchronizeRequestSchema } from "../../../src/nri/gen/nri_pb.ts";
import { Link } from "../../kit/link.ts";

Deno.test("a Synchronize without an end closes the connection: it isn't answered as if it were a bug", () => {
  const link = new Link();
  link.register();
  link.configure();
  const part = create(SynchronizeRequestSchema, { more: true, pods: Array(60_000).fill({}) });
  const payload = toBinary(SynchronizeRequestSchema, part);
  assert.equal(link.call("Synchronize", payload)?.kind, "answered");
  link.call("Synchronize", payload);
  assert(link.closed);
  assert.match(
    link.logged("error").join(),
    /^the connection is closed: the runtime broke the protocol \(overflow\): Synchronize has more than 65536/,
  );
});

Deno.test("parts of 64 MiB together, however few they name, close the connection and are let go", () => {
  const link = new Link();
  link.register();
  link.configure();
  const args = Array(4).fill("x".repeat(2 ** 20 - 64));
  const part = toBinary(SynchronizeRequestSchema, create(SynchronizeRequestSchema, { more: true }));
  // Field 2, a container; its field 7, the arguments, is one of those that are skipped.
  const container = args.flatMap((
    text: string,
  ) => [0x3a, ...varint(text.length), ...new TextEncoder().encode(text)]);
  const payload = Uint8Array.from([...part, 0x12, ...varint(container.length), ...container]);
  let answered = 0;
  while (answered < 20 && link.call("Synchronize", payload)?.kind === "answered") answered++;
  assert.equal(answered, 16);
  assert.equal(link.agent.state.parts.length, 0);
  assert.match(link.logged("error").join(), /\(overflow\): Synchronize has more than 64 MiB/);
});

function varint(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(value >>> 7)];
}
