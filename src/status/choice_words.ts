/** A choice of CPUs in sentences for people. */
import type { Closeness, NextChoice, TakeExplained } from "../cpu/explain_take.ts";
import type { TakeRequest } from "../cpu/take.ts";

const PLACES: Readonly<Record<Closeness, string>> = {
  cacheGroup: "one last-level cache",
  node: "one NUMA node",
  socket: "one socket",
  sockets: "several sockets",
};

const NONE: Readonly<Record<Closeness, string>> = {
  cacheGroup: "no last-level cache",
  node: "no NUMA node",
  socket: "no socket",
  sockets: "no number of sockets",
};

/** Why these: how close, and by which rung of the ladder. */
export function sentencesOf(
  { count, free, placement = "packed" }: TakeRequest,
  { level, tooSmall, next }: TakeExplained,
): string[] {
  const closer = tooSmall.map(({ level, most }) =>
    `${NONE[level]} had ${countOf(count, "CPU")} free, at most ${most}`
  );
  return [
    `${countOf(count, "CPU")} of ${free.size} that were free, placement ${placement}`,
    placement === "spread"
      ? `dealt over NUMA nodes, together in ${PLACES[level]}`
      : `all in ${PLACES[level]}`,
    ...placement === "spread" || closer.length === 0 ? [] : [closer.join("; ")],
    ...placement === "spread" ? [] : [next === undefined ? "no other place had as many" : reasonOf(next)],
  ];
}

type Words = (next: NextChoice) => string;

/** By rung: what decided for the one that was chosen, and what the other would have cost. */
const WORDS: Readonly<Record<NextChoice["rung"], readonly [reason: Words, cost: Words]>> = {
  avoided: [
    () => "it has fewer isolated CPUs than any other place",
    ({ chosen, other }) => `${countOf(other - chosen, "more isolated CPU")}`,
  ],
  unpreferred: [
    () => "it has isolated CPUs, which are preferred",
    ({ chosen, other }) =>
      countOf(other - chosen, "more CPU that isn't isolated", "more CPUs that aren't isolated"),
  ],
  level: [
    () => "nowhere else are as many as close together",
    ({ level }) => `it would be in ${PLACES[level]}`,
  ],
  sockets: [() => "it spans fewer sockets", ({ other, chosen }) => `${other} sockets instead of ${chosen}`],
  nodes: [
    () => "it spans fewer NUMA nodes",
    ({ other, chosen }) => `${other} NUMA nodes instead of ${chosen}`,
  ],
  penalty: [
    () => "it keeps off CPU 0's core, and off CPUs that others are likely to get back",
    () => "CPU 0's core, or CPUs that others are likely to get back",
  ],
  loose: [
    () => "it has more whole cores",
    ({ other, chosen }) => `${countOf(other, "CPU")} outside of whole cores instead of ${chosen}`,
  ],
  broken: [() => "it breaks no whole core", () => "a whole core would be broken"],
  unorphaned: [
    () => "what is less than a core completes one that others have broken",
    ({ other, chosen }) =>
      countOf(other - chosen, "more CPU of a core", "more CPUs of cores") + " that nobody has broken",
  ],
  free: [
    ({ chosen, other }) =>
      `best fit: the place with the fewest CPUs to give (${chosen}; the next one ${other}); large ones stay free for ` +
      "large claims",
    ({ other, chosen }) =>
      `a place with ${other} CPUs to give would be broken into, instead of one with ${chosen}`,
  ],
  ...sameForAll(["share", "moved", "foreign", "scarcity"]),
  ids: [
    () => "of equal places the first one by CPU numbers",
    () => "nothing, it only comes later by its CPU numbers",
  ],
};

/** Rungs by which new claims don't differ. */
function sameForAll<R extends string>(rungs: readonly R[]): Record<R, readonly [Words, Words]> {
  const words = [() => "it was better", () => "it was worse"] as const;
  return Object.fromEntries(rungs.map((rung) => [rung, words])) as unknown as Record<
    R,
    readonly [Words, Words]
  >;
}

function reasonOf(next: NextChoice): string {
  return WORDS[next.rung][0](next);
}

/** What the next choice would have cost, a clause. */
export function costOf(next: NextChoice): string {
  return WORDS[next.rung][1](next);
}

function countOf(count: number, one: string, several = `${one}s`): string {
  return `${count} ${count === 1 ? one : several}`;
}
