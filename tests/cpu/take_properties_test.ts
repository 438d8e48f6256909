/**
 * The ladder against an oracle that tries every set of CPUs on small machines, and its promises on large ones.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { CpuSet } from "../../src/cpu/cpu_set.ts";
import { take, type TakeRequest } from "../../src/cpu/take.ts";
import type { Level, Topology } from "../../src/cpu/topology.ts";
import { amd16, bigNode, type MachineSpec, power8, topologyOf } from "../fixtures/sysfs.ts";

/** At most 16 CPUs and 2 sockets of 2 nodes. */
const smallSpec: fc.Arbitrary<MachineSpec> = fc.record({
  sockets: fc.constantFrom(1, 2),
  nodesPerSocket: fc.constantFrom(1, 2),
  coresPerNode: fc.constantFrom(1, 2),
  threads: fc.constantFrom(1, 2, 4),
  coresPerCache: fc.constantFrom(0, 1, 2),
  siblings: fc.constantFrom("apart", "adjacent"),
}).map((spec) => spec.threads === 4 && spec.nodesPerSocket === 2 ? { ...spec, coresPerNode: 1 } : spec);

/** Each CPU of the machine is free, claimed by others, or neither; small machines are half free on average. */
function requests(machine: fc.Arbitrary<Topology>): fc.Arbitrary<TakeRequest> {
  return machine.chain((topology) => {
    const state = fc.constantFrom("free", "free", "free", "claimed", "claimed", "barred");
    const states = fc.array(state, { minLength: topology.online.size, maxLength: topology.online.size });
    return fc.tuple(states, fc.integer({ min: 1, max: topology.online.size })).map(([chosen, count]) => {
      const those = (wanted: string) => topology.online.toArray().filter((_, i) => chosen[i] === wanted);
      return { topology, free: CpuSet.from(those("free")), claimed: CpuSet.from(those("claimed")), count };
    });
  });
}

const small = requests(smallSpec.map(topologyOf));
const named = [bigNode, amd16, power8].map(topologyOf);
const large = requests(fc.constantFrom(...named));

/** How many different groups of a level `cpus` touch. */
function spread({ topology }: TakeRequest, cpus: CpuSet, level: Level): number {
  return new Set(cpus.toArray().map((id) => topology.cpu(id)?.[level])).size;
}

/** Step 1 as numbers: the first that differs decides, the lower is better. */
function rung(request: TakeRequest, cpus: CpuSet): number[] {
  if (spread(request, cpus, "cacheGroup") === 1) return [0];
  if (spread(request, cpus, "node") === 1) return [1];
  const sockets = spread(request, cpus, "socket");
  return sockets === 1 ? [2] : [3, sockets, spread(request, cpus, "node")];
}

/** Steps 2 and 3: loose CPUs; whole cores broken; loose CPUs that aren't orphans. */
function quality({ topology, free, claimed }: TakeRequest, cpus: CpuSet): number[] {
  let [loose, broken, unorphaned] = [0, 0, 0];
  for (const threads of topology.groups.cores) {
    const mine = threads.intersection(cpus).size;
    if (mine === 0 || mine === threads.size) continue;
    loose += mine;
    if (threads.isSubsetOf(free)) broken++;
    if (!threads.intersects(claimed)) unorphaned += mine;
  }
  return [loose, broken, unorphaned];
}

/** Step 4 where one group holds everything: its free CPUs, those of CPU 0's core only if that is used. */
function tightness(
  { topology, free }: TakeRequest,
  cpus: CpuSet,
  level: "cacheGroups" | "numaNodes" | "sockets",
): number {
  const group = topology.groups[level].find((part) => cpus.isSubsetOf(part)) ?? CpuSet.empty;
  const zero = topology.threadsOf(0);
  return (cpus.intersects(zero) ? free : free.difference(zero)).intersection(group).size;
}

/** Everything the ladder promises about one set, as numbers to compare from left to right. */
function worth(request: TakeRequest, cpus: CpuSet): number[] {
  const first = rung(request, cpus);
  const zero = cpus.intersects(request.topology.threadsOf(0)) ? 1 : 0;
  const level = (["cacheGroups", "numaNodes", "sockets"] as const)[first[0] ?? 3];
  if (level === undefined) return [...first, zero];
  return [...first, zero, ...quality(request, cpus), tightness(request, cpus, level)];
}

function* subsets(ids: readonly number[], count: number): Generator<number[]> {
  if (count === 0) return yield [];
  for (const [i, id] of ids.entries()) {
    for (const rest of subsets(ids.slice(i + 1), count - 1)) yield [id, ...rest];
  }
}

function isLess(a: readonly number[], b: readonly number[]): boolean {
  const at = a.findIndex((value, i) => value !== b[i]);
  return at >= 0 && (a[at] ?? 0) < (b[at] ?? 0);
}

Deno.test("no other set of CPUs is better by the steps of the ladder", () => {
  fc.assert(
    fc.property(small, (request) => {
      const cpus = take(request);
      if (cpus === undefined) return;
      const mine = worth(request, cpus);
      for (const ids of subsets(request.free.toArray(), request.count)) {
        const other = CpuSet.from(ids);
        assert(
          !isLess(worth(request, other), mine),
          `${other} is better than ${cpus}: ${worth(request, other)} < ${mine}`,
        );
      }
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

Deno.test("the same request takes the same CPUs, however its sets were made", () => {
  fc.assert(fc.property(large, (request) => {
    const again = {
      ...request,
      free: CpuSet.from(request.free.toArray().reverse()),
      claimed: CpuSet.from([...request.claimed]),
    };
    assert.deepEqual(take(again), take(request));
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
    const [, broken = 0] = quality(request, cpus);
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
