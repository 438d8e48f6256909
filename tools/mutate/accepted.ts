/** Mutants that survive and may: they make another program text and no other behaviour. */
import type { Anchor } from "./mutants.ts";

export interface Accepted extends Pick<Anchor, "file" | "part"> {
  /** As `make mutate` prints them. */
  readonly edits: readonly string[] | "all";
  readonly because: string;
}

const SPREAD = "only how well ids spread over the buckets, which a test measures coarsely";
const EARLY_EXIT = "a shorter way to what comes out anyway";
const RETRIED_FOR_NOTHING = "degraded containers are retried, and nothing has changed for them";
const ENGINE = "the engine's sort only asks whether the result is negative";

export const ACCEPTED: readonly Accepted[] = [
  {
    file: "src/cpu/discover.ts",
    part: "CACHE_INDEXES",
    edits: "all",
    because: "no machine has so many caches, or its L3 so early",
  },
  { file: "src/cpu/fewest.ts", part: "groupsBy", edits: ["drop statement #5"], because: EARLY_EXIT },
  { file: "src/cpu/free_cores.ts", part: "freeCores", edits: ["> to >="], because: EARLY_EXIT },
  {
    file: "src/cpu/free_cores.ts",
    part: "penalizedLast",
    edits: ["one less #5"],
    because: "other numbers, and the same order",
  },
  { file: "src/cpu/free_counts.ts", part: "countsOf", edits: ["while false"], because: "a gap counts as 0" },
  { file: "src/cpu/free_counts.ts", part: "sumOf", edits: ["one less"], because: EARLY_EXIT },
  {
    file: "src/cpu/free_counts.ts",
    part: "sumOf",
    edits: ["< to <="],
    because: "one place more that holds 0",
  },
  {
    file: "src/cpu/take.ts",
    part: "extend",
    edits: ["first branch twice"],
    because: "grow asserts that the count isn't less",
  },
  { file: "src/ledger/holdings.ts", part: "heldIn", edits: ["drop right of &&"], because: EARLY_EXIT },
  { file: "src/ledger/holdings.ts", part: "poolsAfter", edits: ["=== to !=="], because: EARLY_EXIT },
  { file: "src/ledger/holdings.ts", part: "remove", edits: ["if false"], because: EARLY_EXIT },
  { file: "src/ledger/id_map.ts", part: "HASHED", edits: "all", because: SPREAD },
  {
    file: "src/ledger/id_map.ts",
    part: "bucketOf",
    edits: [
      ...["one more", "one less", "one more #3", "one less #3", "one more #4", "one less #4"],
      ...["one more #5", "one less #5", "drop statement", "^ to |", "^ to | #2", ">>> to <<", "& to |"],
      "- to + #2",
    ],
    because: SPREAD,
  },
  { file: "src/ledger/ledger.ts", part: "FEW", edits: "all", because: "only which of two ways is taken" },
  {
    file: "src/ledger/ledger.ts",
    part: "with",
    edits: ["drop left of ??"],
    because: "one without an order before gets the next: other numbers, and the same order",
  },
  {
    file: "src/ledger/ledger.ts",
    part: "degraded",
    edits: ["drop sort"],
    because: "wherever several become degraded, they do so in that order",
  },
  {
    file: "src/ledger/make_way.ts",
    part: "moveAway",
    edits: ["swap arguments #7"],
    because: "the two ledgers differ in nothing that is asked of them here",
  },
  {
    file: "src/ledger/plan.ts",
    part: "admitPinned",
    edits: ["one less", "second branch twice"],
    because: "no displaced containers, as an empty list",
  },
  {
    file: "src/ledger/claimed_cpus.ts",
    part: "withPinned",
    edits: ["one more #2"],
    because: "one place that isn't used",
  },
  {
    file: "src/ledger/topology_change.ts",
    part: "keepPinned",
    edits: ["drop intersection"],
    because: "what is offline is taken away a line later",
  },
  {
    file: "src/ledger/recover.ts",
    part: "byAge",
    edits: ["one more #3", "one more #4", "one less #4"],
    because: ENGINE,
  },
  { file: "src/ledger/recover.ts", part: "byAge", edits: ["< to <="], because: "the ages differ here" },
  {
    file: "src/ledger/recover.ts",
    part: "byAge",
    edits: ["< to <= #2"],
    because: "no two containers have the same id",
  },
  {
    file: "src/ledger/release.ts",
    part: "releaseSandbox",
    edits: ["second branch twice"],
    because: "the same containers are named twice, and end once",
  },
  {
    file: "src/ledger/release.ts",
    part: "releaseSandbox",
    edits: ["second branch twice #2"],
    because: RETRIED_FOR_NOTHING,
  },
  {
    file: "src/ledger/resize.ts",
    part: "resize",
    edits: ["< to <=", "first branch twice #2"],
    because: RETRIED_FOR_NOTHING,
  },
  {
    file: "src/ledger/resize.ts",
    part: "fromOwn",
    edits: ["<= to <"],
    because: "to grow by nothing is to shrink by nothing",
  },
  {
    file: "src/ledger/resize.ts",
    part: "fromOwn",
    edits: ["drop union"],
    because: "its own CPUs are taken out of the free ones, first of all",
  },
  { file: "src/ledger/room.ts", part: "takeExclusive", edits: ["if false"], because: EARLY_EXIT },
];
