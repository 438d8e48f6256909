import assert from "node:assert/strict";
import { fromBinary } from "@bufbuild/protobuf";
import { SynchronizeRequestSchema } from "../../../../src/nri/gen/nri_pb.ts";
import { synchronizeWith } from "../../../../tools/bench/reception.ts";
import { population, subjectOf } from "../../../../tools/bench/subjects.ts";

/** What ttrpc allows, with its envelope. */
const MAX_MESSAGE = 4 * 2 ** 20;

Deno.test("a Synchronize of many containers comes in parts that fit, of which only the last has no more", () => {
  const parts = synchronizeWith(population(1200, 64).map(subjectOf));
  const requests = parts.map((part) => fromBinary(SynchronizeRequestSchema, part));
  assert.deepEqual(requests.map(({ more }) => more), [true, true, false]);
  const ids = requests.flatMap(({ pods, containers }) => {
    assert.deepEqual(pods.map(({ id }) => id), containers.map(({ podSandboxId }) => podSandboxId));
    return containers.map(({ id }) => id);
  });
  assert.equal(new Set(ids).size, 1200);
  assert(parts.every(({ length }) => length < MAX_MESSAGE));
  assert.equal(synchronizeWith([]).length, 1);
});
