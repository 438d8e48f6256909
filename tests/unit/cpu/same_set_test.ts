/** Sets that are the same are the same object where that costs nothing: comparing them is then free. */
import assert from "node:assert/strict";
import { CpuSet } from "../../../src/cpu/cpu_set.ts";

Deno.test("union and intersection give back the larger and the smaller of two where one holds the other", () => {
  const [small, large] = [CpuSet.of(1, 40), CpuSet.of(1, 2, 40, 41)];
  assert.equal(small.union(large), large);
  assert.equal(large.union(small), large);
  assert.equal(small.intersection(large), small);
  assert.equal(large.intersection(small), small);
});

Deno.test("a difference that takes nothing away is the set itself, and what makes a set of one is that one", () => {
  const set = CpuSet.of(1, 40);
  assert.equal(set.difference(CpuSet.of(2, 41)), set);
  assert.equal(set.difference(CpuSet.empty), set);
  assert.equal(CpuSet.from(set), set);
  assert.equal(CpuSet.from([]), CpuSet.empty);
  assert(!set.equals(CpuSet.of(1, 41)) && !set.equals(CpuSet.of(1)) && set.equals(CpuSet.of(40, 1)));
});
