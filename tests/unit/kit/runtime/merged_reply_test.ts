import assert from "node:assert/strict";
import { create } from "@bufbuild/protobuf";
import { ContainerAdjustmentSchema, ContainerUpdateSchema } from "../../../../src/nri/gen/nri_pb.ts";
import { MergedReply } from "../../../kit/runtime/merged_reply.ts";
import { Refused } from "../../../kit/runtime/plugin_link.ts";

type Cpu = { cpus?: string; mems?: string; shares?: { value: bigint } };

function adjustment(cpu: Cpu) {
  return create(ContainerAdjustmentSchema, { linux: { resources: { cpu } } });
}

function update(containerId: string, cpu: Cpu) {
  return create(ContainerUpdateSchema, { containerId, linux: { resources: { cpu } } });
}

Deno.test("adjustments and updates of different fields add up, over replies too", () => {
  const reply = new MergedReply("new");
  reply.adjust("a", adjustment({ cpus: "1" }));
  reply.adjust("b", adjustment({ mems: "0" }));
  reply.update("a", [update("x", { cpus: "2" }), update("y", { cpus: "3" })]);
  reply.update("b", [update("x", { shares: { value: 512n } })]);
  assert.deepEqual(reply.own, { cpus: "1", mems: "0" });
  assert.deepEqual(reply.others, [
    { id: "x", resources: { cpus: "2", shares: 512 } },
    { id: "y", resources: { cpus: "3" } },
  ]);
});

Deno.test("an empty cpuset is no change, so it is no conflict either", () => {
  const reply = new MergedReply("new");
  reply.adjust("a", adjustment({ cpus: "1" }));
  reply.adjust("b", adjustment({ cpus: "" }));
  reply.adjust("c", undefined);
  assert.deepEqual(reply.own, { cpus: "1" });
});

Deno.test("one field may be set once, by one plugin too", () => {
  for (const second of ["a", "b"]) {
    const reply = new MergedReply("new");
    reply.adjust("a", adjustment({ cpus: "1" }));
    assert.throws(() => reply.adjust(second, adjustment({ cpus: "1" })), Refused);
    reply.update("a", [update("x", { cpus: "1" })]);
    assert.throws(() => reply.update(second, [update("x", { cpus: "2" })]), /both set cpus of container x/);
  }
});

Deno.test("the container being created is not to be updated", () => {
  const reply = new MergedReply("new");
  assert.throws(() => reply.update("a", [update("new", { cpus: "1" })]), /new, which is being created/);
});
