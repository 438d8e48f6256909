/**
 * The measure of the ladder, written from its description alone: what a set of CPUs is worth, as numbers, and all the
 * sets there are. For machines of a dozen CPUs or so.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { CpuSet } from "../../../src/cpu/cpu_set.ts";
import type { TakeRequest } from "../../../src/cpu/take.ts";
import type { Level, Topology } from "../../../src/cpu/topology.ts";
import { type MachineSpec, topologyOf } from "../../kit/sysfs.ts";

/** The set that a CPU list names. */
export function listed(text = ""): CpuSet {
  const set = CpuSet.parse(text);
  assert(set instanceof CpuSet, text);
  return set;
}

/** At most 16 CPUs and 2 sockets of 2 nodes; the cores are of one kind. */
export const smallSpec: fc.Arbitrary<MachineSpec> = fc.record({
  sockets: fc.constantFrom(1, 2),
  nodesPerSocket: fc.constantFrom(1, 2),
  coresPerNode: fc.constantFrom(1, 2),
  threads: fc.constantFrom(1, 2, 4),
  coresPerCache: fc.constantFrom(0, 1, 2),
  siblings: fc.constantFrom("apart", "adjacent"),
}).map((spec) => spec.threads === 4 && spec.nodesPerSocket === 2 ? { ...spec, coresPerNode: 1 } : spec);

/** At most 14 CPUs, with single-threaded cores beside the others. */
export const hybridSpec: fc.Arbitrary<MachineSpec> = fc.record({
  sockets: fc.constantFrom(1, 2),
  nodesPerSocket: fc.constant(1),
  coresPerNode: fc.constantFrom(1, 2),
  threads: fc.constant(2),
  smallCores: fc.constantFrom(1, 2, 4, 6),
  coresPerCache: fc.constantFrom(0, 1, 2),
  siblings: fc.constant("adjacent" as const),
});

const STATES = ["free", "free", "free", "penalized", "claimed", "claimed", "blocked"] as const;

/** Each CPU of the machine is free, claimed by others, or neither; of the free ones some are penalized. */
export function requests(machine: fc.Arbitrary<Topology>): fc.Arbitrary<TakeRequest> {
  return machine.chain((topology) => {
    const { size } = topology.online;
    const states = fc.array(fc.constantFrom(...STATES), { minLength: size, maxLength: size });
    return fc.tuple(states, fc.boolean(), fc.integer({ min: 1, max: size })).map(
      ([chosen, hasPenalized, count]) => {
        const those = (...wanted: (typeof STATES)[number][]) =>
          CpuSet.from(topology.online.toArray().filter((_, i) => wanted.includes(chosen[i] ?? "blocked")));
        const request = { topology, free: those("free", "penalized"), claimed: those("claimed"), count };
        return hasPenalized ? { ...request, penalized: those("penalized") } : request;
      },
    );
  });
}

export const small = requests(smallSpec.map(topologyOf));
export const hybridRequests = requests(hybridSpec.map(topologyOf));

/** Any subset of the CPUs of a request's machine. */
export function some({ topology }: TakeRequest): fc.Arbitrary<CpuSet> {
  return fc.subarray(topology.online.toArray()).map((ids) => CpuSet.from(ids));
}

/** How many different groups of a level `cpus` touch. */
export function width({ topology }: TakeRequest, cpus: CpuSet, level: Level): number {
  return new Set(cpus.toArray().map((id) => topology.cpu(id)?.[level])).size;
}

/** Step 1 as numbers: the first that differs decides, the lower is better. */
export function rung(request: TakeRequest, cpus: CpuSet): number[] {
  if (width(request, cpus, "cacheGroup") === 1) return [0];
  if (width(request, cpus, "node") === 1) return [1];
  const sockets = width(request, cpus, "socket");
  return [sockets === 1 ? 2 : 3, sockets, width(request, cpus, "node")];
}

/** Steps 2 and 3: loose CPUs; whether whole cores are broken; loose CPUs that aren't orphans. */
export function quality({ topology, claimed }: TakeRequest, free: CpuSet, cpus: CpuSet): number[] {
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

/** What a claim of the placement could have of `cpus`: all, or those on whole cores, or one for each of these. */
function supply({ topology, placement = "packed" }: TakeRequest, free: CpuSet, group: CpuSet): number {
  if (placement === "packed" || placement === "spread") return free.intersection(group).size;
  const whole = topology.groups.cores.filter((core) => core.isSubsetOf(free) && core.intersects(group));
  return whole.reduce((sum, core) => sum + (placement === "single-thread" ? 1 : core.size), 0);
}

/** Everything the ladder promises about one set, as numbers to compare from left to right. */
export function worth(request: TakeRequest, cpus: CpuSet): number[] {
  const { topology, placement = "packed", penalized = CpuSet.empty } = request;
  const zero = topology.threadsOf(0);
  const touched = placement === "single-thread"
    ? CpuSet.unionOf([...cpus].map((id) => topology.threadsOf(id)))
    : cpus;
  const usesPenalized = touched.intersects(penalized);
  const open = request.free.difference(usesPenalized ? CpuSet.empty : penalized)
    .difference(cpus.intersects(zero) ? CpuSet.empty : zero);
  const first = rung(request, cpus);
  const penalty = [usesPenalized ? 1 : 0, cpus.intersects(zero) ? 1 : 0];
  const level = (["cacheGroups", "numaNodes", "sockets"] as const)[first[0] ?? 3];
  if (level === undefined) return [...first, ...penalty];
  const group = topology.groups[level].find((part) => cpus.isSubsetOf(part)) ?? CpuSet.empty;
  const cost = placement === "single-thread" ? [] : quality(request, open, cpus);
  return [...first, ...penalty, ...cost, supply(request, open, group)];
}

/** Every set of CPUs that would serve the request, whatever it is worth. */
export function* servings({ topology, free, count, placement = "packed" }: TakeRequest): Generator<CpuSet> {
  const whole = topology.groups.cores.filter((core) => core.isSubsetOf(free));
  const pieces = placement === "full-cores"
    ? whole
    : placement === "single-thread"
    ? whole.map((core) => CpuSet.of(core.first() ?? 0))
    : free.toArray().map((id) => CpuSet.of(id));
  yield* sums(pieces, count, CpuSet.empty);
}

function* sums(pieces: readonly CpuSet[], count: number, before: CpuSet): Generator<CpuSet> {
  if (count === 0) return yield before;
  for (const [i, piece] of pieces.entries()) {
    if (piece.size <= count) yield* sums(pieces.slice(i + 1), count - piece.size, before.union(piece));
  }
}

export function isLess(a: readonly number[], b: readonly number[]): boolean {
  const at = a.findIndex((value, i) => value !== b[i]);
  return at >= 0 && (a[at] ?? 0) < (b[at] ?? 0);
}
