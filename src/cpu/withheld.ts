import type { CpuSet } from "./cpu_set.ts";

/** CPUs that are online and that containers can't have all the same. */
export interface Withheld {
  readonly cpus: CpuSet;
  /** Who keeps them, in words that go on from "CPU 3 is": `held by the partition /dpdk.slice`. */
  readonly why: string;
}

/** `CPUs 0-3 are kept from containers by /kubepods.slice (4-15)`, one clause for each. */
export function withheldText(withheld: readonly Withheld[]): string {
  return withheld.map(({ cpus, why }) => `${cpus.size === 1 ? "CPU" : "CPUs"} ${cpus} ${be(cpus)} ${why}`)
    .join("; ");
}

/** What of `cpus` somebody keeps, each with who that is. */
export function withheldOf(withheld: readonly Withheld[], cpus: CpuSet): Withheld[] {
  return withheld.map((each) => ({ ...each, cpus: each.cpus.intersection(cpus) })).filter((each) =>
    !each.cpus.isEmpty
  );
}

function be({ size }: CpuSet): string {
  return size === 1 ? "is" : "are";
}
