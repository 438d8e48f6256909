import assert from "node:assert/strict";
import { create, fromBinary } from "@bufbuild/protobuf";
import { synchronizePart } from "../../../src/agent/handlers/synchronize.ts";
import { MAX_BYTES, MAX_CONTAINERS, together, whole } from "../../../src/agent/synchronize_parts.ts";
import { SynchronizeRequestSchema, SynchronizeResponseSchema } from "../../../src/nri/gen/nri_pb.ts";
import { type AgentState, initialState, type Part } from "../../../src/agent/state.ts";
import { ProtocolError } from "../../../src/wire/errors.ts";
import { DEFAULT_SETTINGS } from "../../kit/policy.ts";
import { topologyOf, twoCpuVm } from "../../kit/sysfs.ts";

const FRESH = initialState(topologyOf(twoCpuVm), DEFAULT_SETTINGS, false);

function part(names: readonly string[], bytes = 1): Part {
  const request = create(SynchronizeRequestSchema, {
    pods: names.map((name) => ({ name })),
    containers: names.map((name) => ({ name })),
    more: true,
  });
  return { request, bytes };
}

function after(...parts: readonly Part[]): AgentState {
  return parts.reduce((node, each) => ({ ...node, parts: together(node, each) }), FRESH);
}

function refuses(act: () => unknown, message: RegExp): void {
  assert.throws(act, (error) => {
    assert(error instanceof ProtocolError && error.code === "overflow");
    assert.match(error.message, message);
    return true;
  });
}

Deno.test("parts are kept in their order, and answered with `more` and no updates", () => {
  const decision = synchronizePart(FRESH, part(["a"]));
  assert(decision.kind === "response");
  const { state: { parts }, reply, logs } = decision;
  assert.equal(parts.length, 1);
  assert(reply.kind === "answer");
  const { more, update } = fromBinary(SynchronizeResponseSchema, reply.payload);
  assert.deepEqual({ more, update, logs }, { more: true, update: [], logs: [] });
  const { pods, containers } = whole(after(part(["a"]), part(["b", "c"])), part(["d"]));
  assert.deepEqual(pods.map(({ name }) => name), ["a", "b", "c", "d"]);
  assert.deepEqual(containers.map(({ name }) => name), ["a", "b", "c", "d"]);
});

Deno.test("parts of 64 MiB together are taken, the next byte is refused, in a part and in the last one", () => {
  const half = MAX_BYTES / 2;
  const full = after(part(["a"], half), part(["b"], half));
  assert.equal(full.parts.length, 2);
  refuses(() => together(full, part([], 1)), /^Synchronize has more than 64 MiB$/);
  refuses(() => whole(full, part([], 1)), /^Synchronize has more than 64 MiB$/);
  assert.equal(whole(full, part([], 0)).pods.length, 2);
});

Deno.test("more pods and containers than a node can have are refused, in a part and in the last one", () => {
  const full = after(part(Array(MAX_CONTAINERS / 2).fill("x")));
  refuses(() => together(full, part(["one"])), /^Synchronize has more than 65536 pods and containers$/);
  refuses(() => whole(full, part(["one"])), /^Synchronize has more than 65536 pods and containers$/);
});

Deno.test("empty parts are bounded too", () => {
  const empty = part([]);
  const full = { ...FRESH, parts: Array<Part>(MAX_CONTAINERS).fill(empty) };
  refuses(() => together(full, empty), /^Synchronize has more than 65536/);
});
