/**
 * Mutants that survive and may: they make another program text and no other behaviour. Found by their file and the
 * lines before and after, as `tools/mutate/main.ts` prints them.
 */
export interface Accepted {
  readonly file: string;
  readonly before: string;
  /** Absent: whatever is made of the line. */
  readonly after?: string;
  readonly because: string;
}

const SPREAD = "only how well ids spread over the buckets, which a test measures coarsely";
const REMEMBERED = "only what is remembered, so that it needn't be worked out again";
const EARLY_EXIT = "a shorter way to what comes out anyway";
const NOBODY_WAITS = "those who wait are tried once more, and nothing has changed for them";
const UNSETTLED = "more containers are looked at for changes that they don't have";
const UNIQUE_IDS = "no two containers have the same id";
const ENGINE = "the engine's sort only asks whether the result is negative";
const ALIKE = "the two ledgers differ in nothing that is asked of them here";

export const ACCEPTED: readonly Accepted[] = [
  { file: "src/ledger/id_map.ts", before: "let hash = 0x811c9dc5;", because: SPREAD },
  {
    file: "src/ledger/id_map.ts",
    before: "hash = Math.imul(hash ^ id.charCodeAt(i), 0x01000193);",
    because: SPREAD,
  },
  {
    file: "src/ledger/id_map.ts",
    before: "return (hash ^ (hash >>> 15)) & (BUCKETS - 1);",
    because: SPREAD,
  },
  {
    file: "src/ledger/plan.ts",
    before: "const more = displaced.length === 0 ? {} : { displaced };",
    because: "nobody displaced, said with an empty list",
  },
  {
    file: "src/ledger/plan.ts",
    before: "return recent.find((r) => r.podUid === podUid && r.name === name)?.cpus;",
    after: "return recent.findLast((r) => r.podUid === podUid && r.name === name)?.cpus;",
    because: "of one container at most one end is remembered",
  },
  {
    file: "src/ledger/plan.ts",
    before:
      "return ledger.ofPod(podUid).find(({ container }) => container.name === name && container.id !== id);",
    after:
      "return ledger.ofPod(podUid).findLast(({ container }) => container.name === name && container.id !== id);",
    because: "there is one, except after a recovery in the middle of a restart: then either will do",
  },
  {
    file: "src/ledger/updates.ts",
    before: "left.push(possibly(ledger, assignment).difference(grant));",
    after: "left.push(possibly(ledger, assignment));",
    because: "no shared container is ever to have CPUs of a grant",
  },
  {
    file: "src/ledger/updates.ts",
    before:
      "if (move.later || assignment.starting || held || (move.inKernel && !assignment.grant.isEmpty)) {",
    after: "if (true) {",
    because: UNSETTLED,
  },
  {
    file: "src/ledger/ledger.ts",
    before: "{ ...this.#state, ...changed, pools, ...(followed ? { unsettled: undefined } : {}) },",
    after:
      "{ ...this.#state, ...changed, pools, ...(followed ? { unsettled: undefined } : { unsettled: undefined }) },",
    because: UNSETTLED,
  },
  {
    file: "src/ledger/ledger.ts",
    before: "if (pool === this.sharedPool) this.#allowed.set(forbidden, result);",
    after: "if (pool === this.sharedPool) this.#allowed.set(result, forbidden);",
    because: REMEMBERED,
  },
  {
    file: "src/ledger/holdings.ts",
    before: "return isExclusive(assignment) && !assignment.grant.isEmpty",
    after: "return isExclusive(assignment)",
    because: EARLY_EXIT,
  },
  {
    file: "src/ledger/holdings.ts",
    before: "if (assignment.grant.isEmpty) return pools;",
    after: "if (false) return pools;",
    because: EARLY_EXIT,
  },
  {
    file: "src/ledger/pools.ts",
    before: "const sharers = new Uint32Array(Math.max(this.sharers.length, (ids.at(-1) ?? -1) + 1));",
    after: "const sharers = new Uint32Array(Math.max(this.sharers.length, (ids.at(-1) ?? -1) + 2));",
    because: "one place that nobody uses",
  },
  {
    file: "src/ledger/recover.ts",
    before: "return a.container.id < b.container.id ? -1 : 1;",
    after: "return a.container.id < b.container.id ? -2 : 1;",
    because: ENGINE,
  },
  {
    file: "src/ledger/recover.ts",
    before: "return a.container.id < b.container.id ? -1 : 1;",
    after: "return a.container.id < b.container.id ? -1 : 0;",
    because: ENGINE,
  },
  {
    file: "src/ledger/recover.ts",
    before: "return a.container.id < b.container.id ? -1 : 1;",
    after: "return a.container.id <= b.container.id ? -1 : 1;",
    because: UNIQUE_IDS,
  },
  {
    file: "src/ledger/resize.ts",
    before: "return cpus.size < grant.size ? serveWanting(next) : next;",
    after: "return cpus.size <= grant.size ? serveWanting(next) : next;",
    because: NOBODY_WAITS,
  },
  {
    file: "src/ledger/resize.ts",
    before: "return cpus.size < grant.size ? serveWanting(next) : next;",
    after: "return cpus.size < grant.size ? serveWanting(next) : serveWanting(next);",
    because: NOBODY_WAITS,
  },
  {
    file: "src/ledger/resize.ts",
    before: "if (grant.isEmpty) return takeExclusive(others, container, claim, free);",
    after: "if (false) return takeExclusive(others, container, claim, free);",
    because: "to grow from nothing is to be placed",
  },
  {
    file: "src/ledger/resize.ts",
    before: "if (count <= grant.size) return shrink({ topology, claimed, own: grant, count, placement });",
    after: "if (count < grant.size) return shrink({ topology, claimed, own: grant, count, placement });",
    because: "to grow by nothing is to shrink by nothing",
  },
  {
    file: "src/ledger/release.ts",
    before: "return next === ledger ? ledger : serveWanting(next);",
    after: "return next === ledger ? serveWanting(next) : serveWanting(next);",
    because: NOBODY_WAITS,
  },
  {
    file: "src/ledger/room.ts",
    before: "if (claim.count > spare(ledger)) return undefined;",
    after: "if (false) return undefined;",
    because: EARLY_EXIT,
  },
  {
    file: "src/ledger/move.ts",
    before: "if (grant === undefined) return shortage(ledger, next, wanted, holder);",
    after: "if (grant === undefined) return shortage(next, ledger, wanted, holder);",
    because: ALIKE,
  },
  {
    file: "src/ledger/recover.ts",
    before: "if (a.createdAt !== b.createdAt) return a.createdAt < b.createdAt ? -1 : 1;",
    after: "if (a.createdAt !== b.createdAt) return a.createdAt <= b.createdAt ? -1 : 1;",
    because: "they differ here",
  },
  {
    file: "src/ledger/release.ts",
    before: 'const known = podUid === "" ? [] : ledger.ofPod(podUid);',
    after: 'const known = podUid === "" ? ledger.ofPod(podUid) : ledger.ofPod(podUid);',
    because: "the same containers are named twice, and end once",
  },
  {
    file: "src/ledger/move.ts",
    before: "return holder !== undefined && free ? next.with({ ...holder, grant: from }) : next;",
    after: "return free ? next.with({ ...holder, grant: from }) : next;",
    because: "without a holder nothing is free",
  },
  {
    file: "src/ledger/holdings.ts",
    before: "before.claim.kind === after.claim.kind && placementOf(before) === placementOf(after);",
    after: "before.claim.kind !== after.claim.kind && placementOf(before) === placementOf(after);",
    because: EARLY_EXIT,
  },
  {
    file: "src/ledger/updates.ts",
    before: "return left.length === 0 ? CpuSet.empty : CpuSet.unionOf(left);",
    after: "return left.length === (-1) ? CpuSet.empty : CpuSet.unionOf(left);",
    because: EARLY_EXIT,
  },
  {
    file: "src/ledger/ledger.ts",
    before: "const FEW = 16;",
    because: "only which of two ways to the same map is taken",
  },
  {
    file: "src/ledger/topology_change.ts",
    before: "grant: grant.intersection(ledger.topology.online),",
    after: "grant: grant,",
    because: "servePinned takes away what is offline, a line later",
  },
  {
    file: "src/ledger/recover.ts",
    before: "return a.container.id < b.container.id ? -1 : 1;",
    after: "return a.container.id < b.container.id ? -1 : 2;",
    because: ENGINE,
  },
  {
    file: "src/cpu/discover.ts",
    before: "const CACHE_INDEXES = [3, 0, 1, 2, 4, 5, 6, 7, 8, 9];",
    because: "no machine has so many caches, or its L3 so early",
  },
  { file: "src/cpu/fewest.ts", before: "last = own;", after: ";", because: EARLY_EXIT },
  {
    file: "src/cpu/free_counts.ts",
    before: "for (let width = 0; width < part.whole.length; width++) {",
    after: "for (let width = 0; width <= part.whole.length; width++) {",
    because: "one place more that holds 0",
  },
  {
    file: "src/cpu/take.ts",
    before: "if (count <= own.size) return count === own.size ? own : undefined;",
    after: "if (count <= own.size) return count === own.size ? own : own;",
    because: "grow asserts that nobody asks for less",
  },
  {
    file: "src/ledger/ledger.ts",
    before: "const order = assignment.order ?? before?.order ?? state.next;",
    after: "const order = before?.order ?? state.next;",
    because:
      "who comes without one before comes in the order of admissions: other numbers, and the same order",
  },
  {
    file: "src/cpu/free_cores.ts",
    before: "const rank = (id: number) => (penalized.has(id) ? 1 : 0) + (id === 0 ? 2 : 0);",
    after: "const rank = (id: number) => (penalized.has(id) ? 1 : 0) + (id === 0 ? 2 : (-1));",
    because: "other numbers, and the same order",
  },
  {
    file: "src/cpu/free_counts.ts",
    before: "while (whole.length <= width) whole.push(0);",
    after: "while (false) whole.push(0);",
    because: "a gap in the list counts as 0",
  },
  {
    file: "src/ledger/resize.ts",
    before: "const cpus = grow({ ...requestOf(others, container, claim, free.union(grant)), own: grant });",
    after: "const cpus = grow({ ...requestOf(others, container, claim, free), own: grant });",
    because: "what it has is taken out of what is free, first of all",
  },
  {
    file: "src/ledger/ledger.ts",
    before: "return this.#those(this.#state.wanting).sort(byOrder);",
    after: "return this.#those(this.#state.wanting);",
    because: "wherever it is that several come to wait, they come in that order",
  },
  {
    file: "src/cpu/free_cores.ts",
    before: "if (penalty > 0) threads = penalizedLast(threads, penalized);",
    after: "if (penalty >= 0) threads = penalizedLast(threads, penalized);",
    because: EARLY_EXIT,
  },
  {
    file: "src/cpu/free_counts.ts",
    before: "if (parts.length === 1 && first !== undefined) return first;",
    after: "if (parts.length === 0 && first !== undefined) return first;",
    because: EARLY_EXIT,
  },
];
