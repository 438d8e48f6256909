/**
 * The ladder against an oracle that tries every set of CPUs on small machines, and its promises on large ones.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { CpuSet } from "../../../src/cpu/cpu_set.ts";
import { PLACEMENTS } from "../../../src/cpu/placement.ts";
import { take, type TakeRequest } from "../../../src/cpu/take.ts";
import { amd16, bigNode, power8, topologyOf } from "../../kit/sysfs.ts";
import { hybridRequests, isLess, quality, requests, rung, servings, small, some, worth } from "./oracle.ts";

const named = [bigNode, amd16, power8].map((spec) => topologyOf(spec));
const large = requests(fc.constantFrom(...named)).map(({ penalized: _, ...request }) => request);
const placed = fc.tuple(fc.oneof(small, hybridRequests), fc.constantFrom(...PLACEMENTS))
  .map(([request, placement]): TakeRequest => ({ ...request, placement }));

function assertBest(request: TakeRequest): void {
  const cpus = take(request);
  if (cpus === undefined) return;
  const mine = worth(request, cpus);
  for (const other of servings(request)) {
    const theirs = worth(request, other);
    assert(!isLess(theirs, mine), `${other} is better than ${cpus}: ${theirs} < ${mine}`);
  }
}

Deno.test("packed: no other set of CPUs is better by the steps of the ladder", () => {
  fc.assert(fc.property(small, assertBest), { numRuns: 300 });
});

Deno.test("packed, where cores differ in their threads: none is better either", () => {
  fc.assert(fc.property(hybridRequests, assertBest), { numRuns: 100 });
});

for (const placement of ["full-cores", "single-thread"] as const) {
  Deno.test(`${placement}: no other whole cores are better by the steps of the ladder`, () => {
    fc.assert(fc.property(small, (request) => assertBest({ ...request, placement })), { numRuns: 400 });
  });
}

Deno.test("every placement is refused only where no set at all would serve it, and what it gets serves it", () => {
  fc.assert(
    fc.property(placed, (request) => {
      const cpus = take(request);
      const [any] = servings(request);
      assert.equal(cpus === undefined, any === undefined);
      if (cpus !== undefined) {
        assert([...servings(request)].some((serving) => serving.equals(cpus)), `${cpus}`);
      }
    }),
    { numRuns: 300 },
  );
});

Deno.test("full-cores on cores of different widths still reach the earliest rung there is", () => {
  fc.assert(fc.property(hybridRequests, (asked) => {
    const request: TakeRequest = { ...asked, placement: "full-cores" };
    const cpus = take(request);
    if (cpus === undefined) return;
    const [mine = 9] = rung(request, cpus);
    for (const other of servings(request)) {
      assert((rung(request, other)[0] ?? 9) >= mine, `${other}, not ${cpus}`);
    }
  }));
});

Deno.test("where the preferred CPUs hold the claim they alone serve it, else they make no difference", () => {
  const cases = placed.chain((request) => fc.tuple(fc.constant(request), some(request)));
  fc.assert(fc.property(cases, ([request, preferred]) => {
    const within = take({ ...request, free: request.free.intersection(preferred) });
    assert.deepEqual(take({ ...request, preferred }), within ?? take(request));
  }));
});

Deno.test("CPUs to avoid are used only where nothing else is left, and then as few as can be", () => {
  const cases = placed.chain((request) => fc.tuple(fc.constant(request), some(request)));
  fc.assert(
    fc.property(cases, ([request, avoid]) => {
      const cpus = take({ ...request, avoid });
      const without = take({ ...request, free: request.free.difference(avoid) });
      if (without !== undefined) return assert.deepEqual(cpus, without);
      const { topology, placement } = request;
      const used = (set: CpuSet) =>
        (placement === "single-thread" ? CpuSet.unionOf([...set].map((id) => topology.threadsOf(id))) : set)
          .intersection(avoid).size;
      const sets = [...servings(request)];
      if (cpus === undefined) return assert.equal(sets.length, 0);
      assert(sets.some((set) => set.equals(cpus)), `${cpus} doesn't serve the claim`);
      const uniform = new Set(topology.groups.cores.map((core) => core.size)).size === 1;
      const least = Math.min(...sets.map(used));
      // Cores of different widths are put together widest first, which may cost one more.
      assert(used(cpus) === least || (!uniform && placement === "full-cores"), `${cpus}: not ${least}`);
    }),
    { numRuns: 300 },
  );
});

Deno.test("what is taken is free and as much as asked for; none only if less is free", () => {
  fc.assert(fc.property(fc.oneof(small, large), (request) => {
    const cpus = take(request);
    assert.equal(cpus === undefined, request.free.size < request.count);
    assert(cpus === undefined || cpus.isSubsetOf(request.free) && cpus.size === request.count);
  }));
});

Deno.test("what one cache group, one node or one socket can hold isn't split over several", () => {
  fc.assert(fc.property(large, (request) => {
    const cpus = take(request);
    if (cpus === undefined) return;
    const { cacheGroups, numaNodes, sockets } = request.topology.groups;
    for (const level of [cacheGroups, numaNodes, sockets]) {
      const inOne = level.some((group) => cpus.isSubsetOf(group));
      assert.equal(inOne, level.some((group) => group.intersection(request.free).size >= request.count));
    }
  }));
});

Deno.test("no whole core is broken while an orphan in the same place would do", () => {
  fc.assert(fc.property(large, (request) => {
    const cpus = take(request);
    if (cpus === undefined) return;
    const { topology, free, claimed } = request;
    const [, broken = 0] = quality(request, request.free, cpus);
    if (broken === 0) return;
    const left = free.difference(cpus).difference(topology.threadsOf(0)).toArray();
    const here = new Set(cpus.toArray().map((id) => topology.cpu(id)?.cacheGroup));
    const orphans = left.filter((id) =>
      here.has(topology.cpu(id)?.cacheGroup) && topology.threadsOf(id).intersects(claimed)
    );
    assert.deepEqual(orphans, [], `${cpus} breaks a core`);
    assert.equal(broken, 1);
  }));
});

Deno.test("whole cores are given and returned in any order without an SMT machine losing one", () => {
  const [topology] = named;
  assert(topology !== undefined);
  fc.assert(
    fc.property(fc.array(fc.constantFrom(2, 4, 6, 8), { maxLength: 12 }), fc.nat(11), (counts, gone) => {
      let grants = new Array<CpuSet>();
      const grant = (count: number) => {
        const claimed = CpuSet.unionOf(grants);
        const cpus = take({ topology, free: topology.online.difference(claimed), claimed, count });
        if (cpus !== undefined) grants.push(cpus);
      };
      counts.forEach(grant);
      grants = grants.filter((_, i) => i !== gone);
      grant(4);
      for (const cpus of grants) {
        for (const id of cpus) assert(topology.threadsOf(id).isSubsetOf(cpus), `${cpus} has half a core`);
      }
    }),
  );
});
