import assert from "node:assert/strict";
import { create, toBinary } from "@bufbuild/protobuf";
import { SynchronizeRequestSchema } from "../src/nri/gen/nri_pb.ts";
import { Link } from "./link.ts";

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
