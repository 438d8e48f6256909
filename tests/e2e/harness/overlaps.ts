/** Who is where he must not be: pure, so that it is tested by itself. */
import type { Seen } from "./node_cgroups.ts";

/** Two containers on CPUs that they must not share. */
export interface Overlap {
  readonly one: Seen;
  readonly other: Seen;
  readonly cpus: readonly number[];
}

/** Whether the two may run on one CPU: pinned with pinned, shared with shared. */
export function mayShare(one: Seen, other: Seen): boolean {
  return one.wish.kind === other.wish.kind && one.wish.kind !== "exclusive";
}

/** Of every two containers that must not share CPUs and do. */
export function overlapsOf(all: readonly Seen[]): Overlap[] {
  const claimants = all.filter(({ wish }) => wish.kind !== "shared");
  return claimants.flatMap((one, at) => {
    const others = [...claimants.slice(at + 1), ...all.filter(({ wish }) => wish.kind === "shared")];
    const own = new Set(one.cpus);
    return others.filter((other) => !mayShare(one, other)).flatMap((other) => {
      const cpus = other.cpus.filter((cpu) => own.has(cpu));
      return cpus.length > 0 ? [{ one, other, cpus }] : [];
    });
  });
}

/**
 * One that has its pod's own figures (`spec.resources`), as kubelet gives them to a container without any: where others of the
 * pod have CPUs for themselves, it has the rest.
 *
 * @param others with figures of their own, of any pod
 */
export function withRest(seen: Seen, others: readonly Seen[]): Seen {
  const { wish } = seen;
  if (wish.kind !== "exclusive") return seen;
  const pod = ({ name }: Seen) => name.slice(0, name.lastIndexOf("/"));
  const counts = others.flatMap((other) =>
    pod(other) === pod(seen) && other.wish.kind === "exclusive" ? [other.wish.count] : []
  );
  return { ...seen, wish: { ...wish, count: counts.reduce((left, count) => left - count, wish.count) } };
}

/** Whether it has other CPUs than it asked for: a pinned one not exactly its own, an exclusive one more or fewer. */
export function isUnplaced({ wish, cpus }: Seen): boolean {
  if (wish.kind === "pinned") return `${[...wish.cpus].sort(byNumber)}` !== `${cpus}`;
  return wish.kind === "exclusive" && cpus.length !== wish.count;
}

export function byNumber(a: number, b: number): number {
  return a - b;
}

/** Of the CPUs of one who pins or has them for itself. */
export function claimed(all: readonly Seen[]): Set<number> {
  return new Set(all.filter(({ wish }) => wish.kind !== "shared").flatMap(({ cpus }) => cpus));
}

/** As the kernel writes it: `0-2,5`. */
export function listText(cpus: readonly number[]): string {
  const runs: [number, number][] = [];
  for (const cpu of [...cpus].sort(byNumber)) {
    const last = runs.at(-1);
    if (last !== undefined && last[1] === cpu - 1) last[1] = cpu;
    else runs.push([cpu, cpu]);
  }
  return runs.map(([first, last]) => first === last ? `${first}` : `${first}-${last}`).join(",");
}

/** For people. */
export function overlapText({ one, other, cpus }: Overlap): string {
  const words = (seen: Seen) => `${seen.name} (${seen.wish.kind}, ${listText(seen.cpus)})`;
  return `CPUs ${listText(cpus)}: ${words(one)} and ${words(other)}`;
}
