import assert from "node:assert/strict";
import fc from "fast-check";
import { CpuSet } from "../../../src/cpu/cpu_set.ts";
import { countProblem, footprint } from "../../../src/cpu/footprint.ts";
import { PLACEMENTS } from "../../../src/cpu/placement.ts";
import { take } from "../../../src/cpu/take.ts";
import { bigNode, hybrid, power8, topologyOf } from "../../kit/sysfs.ts";
import { hybridRequests, small } from "./oracle.ts";

const BIG = topologyOf(bigNode);
const HYBRID = topologyOf(hybrid);

Deno.test("a claim keeps from others what it has; with cores of its own, their other threads too", () => {
  const cpus = CpuSet.of(9, 10, 42);
  assert.equal(footprint(BIG, cpus, "packed"), cpus);
  assert.equal(footprint(BIG, cpus, "spread"), cpus);
  assert.equal(`${footprint(BIG, cpus, "single-thread")}`, "9-10,41-42");
  assert.equal(`${footprint(BIG, cpus, "full-cores")}`, "9-10,41-42");
  assert.equal(`${footprint(BIG, CpuSet.of(9, 200), "full-cores")}`, "9,41,200", "a CPU that went offline");
  assert.equal(`${footprint(topologyOf(power8), CpuSet.of(8), "single-thread")}`, "8-15");
});

Deno.test("any count suits packed and spread", () => {
  for (const count of [1, 3, 500]) {
    assert.equal(countProblem(BIG, "packed", count, BIG.online), undefined);
    assert.equal(countProblem(BIG, "spread", count, BIG.online), undefined);
  }
});

Deno.test("why a count doesn't suit full-cores is said in one clause", () => {
  const why = (count: number, free: CpuSet, topology = BIG) =>
    countProblem(topology, "full-cores", count, free);
  assert.equal(why(4, BIG.online), undefined);
  assert.equal(why(3, BIG.online), "placement full-cores needs a multiple of 2 CPUs");
  assert.equal(
    why(12, topologyOf(power8).online, topologyOf(power8)),
    "placement full-cores needs a multiple of 8 CPUs",
  );
  assert.equal(
    why(6, CpuSet.of(1, 2, 3, 4, 33, 34)),
    "placement full-cores needs 6 CPUs on whole cores, 2 whole cores are free",
  );
  assert.equal(why(3, CpuSet.range(0, 31)), "placement full-cores needs a multiple of 2 CPUs");
  assert.equal(
    why(2, CpuSet.range(0, 31)),
    "placement full-cores needs 2 CPUs on whole cores, no whole core is free",
  );
});

Deno.test("cores of different widths are put together", () => {
  const why = (count: number, free: CpuSet) => countProblem(HYBRID, "full-cores", count, free);
  assert.equal(why(3, HYBRID.online), undefined, "a large core and a small one");
  assert.equal(why(3, CpuSet.range(0, 11)), "placement full-cores needs a multiple of 2 CPUs");
  assert.equal(
    why(5, CpuSet.of(0, 1, 2, 12)),
    "placement full-cores needs 5 CPUs on whole cores, 2 whole cores are free",
  );
  assert.equal(why(3, CpuSet.range(0, 12)), undefined);
});

Deno.test("single-thread needs a whole core for each CPU", () => {
  const why = (count: number, free: CpuSet) => countProblem(BIG, "single-thread", count, free);
  assert.equal(why(32, BIG.online), undefined);
  assert.equal(why(33, BIG.online), "placement single-thread needs 33 whole cores, 32 are free");
  assert.equal(why(2, CpuSet.of(1, 2, 33)), "placement single-thread needs 2 whole cores, 1 is free");
});

Deno.test("a count is a misfit exactly where nothing can be taken though as many are free", () => {
  const requests = fc.tuple(fc.oneof(small, hybridRequests), fc.constantFrom(...PLACEMENTS));
  fc.assert(
    fc.property(requests, ([request, placement]) => {
      const { topology, count, free } = request;
      if (free.size < count) return;
      const clause = countProblem(topology, placement, count, free);
      assert.equal(clause === undefined, take({ ...request, placement }) !== undefined, clause ?? "it suits");
    }),
    { numRuns: 300 },
  );
});
