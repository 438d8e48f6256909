import { CpuSet } from "../../src/cpu/cpu_set.ts";

const MAX_KNOWN = 50_000;
const known = new Map<string, CpuSet>();

/** The set of a CPU list, remembered: the same few lists come again and again. Throws where it is none. */
export function setOf(list: string): CpuSet {
  const before = known.get(list);
  if (before !== undefined) return before;
  const set = CpuSet.parse(list);
  if (!(set instanceof CpuSet)) throw new Error(`not a CPU list: ${list}`);
  if (known.size >= MAX_KNOWN) known.clear();
  known.set(list, set);
  return set;
}
