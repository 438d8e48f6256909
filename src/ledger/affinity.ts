/**
 * What was seen of the masks of a container's threads (sched_setaffinity(2)). A mask that leaves less than the container's
 * set is either *inherited* from the runtime, which is a fault of the node, or its program's *own*, which is its layout.
 * Only before the program runs the two can be distinguished for certain.
 */
import { CpuSet } from "../cpu/cpu_set.ts";

export interface Affinity {
  /**
   * The mask that its first process was given, where that left less than its set: since Linux 6.2 it does so for good, and
   * all that the process starts has it too.
   */
  readonly inherited?: CpuSet;
  /** It was seen only later, of all threads alike: they may have it from their program. */
  readonly isPresumed?: true;
  /** The CPUs of the masks of its own, and of the sets of cgroups inside, that were seen last. It isn't forgotten any more. */
  readonly own?: CpuSet;
  /** The set in which that was seen. */
  readonly within?: CpuSet;
  /** CPUs of such masks that were taken from it, or which the kernel has reset with its set. */
  readonly lost?: CpuSet;
}

/** All of its threads may use all of its set. */
export const WHOLE: Affinity = {};

/** A look at a container's threads: what is in force of its set, and the different masks and sets that leave less. */
export interface Seen {
  readonly cpus: CpuSet;
  readonly masks: readonly CpuSet[];
  /** Of cgroups inside. */
  readonly sets: readonly CpuSet[];
  /** Some thread may use all of it. */
  readonly hasWhole: boolean;
}

/** By a look at its first process before its program runs. */
export function seenAtStart({ cpus, masks: [inherited] }: Seen): Affinity {
  return inherited === undefined ? WHOLE : { inherited, within: cpus };
}

/** By a look at its threads while it runs. The same value where that shows nothing new. */
export function seenRunning(before: Affinity = WHOLE, seen: Seen): Affinity {
  return same(before, before.own === undefined ? withoutOwn(before, seen) : withOwn(before, seen));
}

/** No mask of its own has been seen so far. */
function withoutOwn(before: Affinity, seen: Seen): Affinity {
  const { cpus, masks, sets, hasWhole } = seen;
  const { inherited, within } = before;
  const [mask] = masks;
  if (mask === undefined && sets.length === 0) {
    // Somebody has given it a mask that leaves all.
    return inherited === undefined || (hasWhole && narrowedTo(before, cpus) !== undefined) ? WHOLE : before;
  }
  if (mask === undefined || masks.length > 1 || sets.length > 0 || hasWhole) return withOwn(before, seen);
  if (inherited === undefined) return { inherited: mask, within: cpus, isPresumed: true };
  // In another set more is seen of the same mask.
  return within?.equals(cpus) === false
    ? { ...before, inherited: inherited.union(mask), within: cpus }
    : withOwn(before, seen);
}

function withOwn(before: Affinity, { cpus, masks, sets }: Seen): Affinity {
  const { isPresumed: _, ...known } = before;
  const inherited = before.inherited && (narrowedTo(before, cpus) ?? cpus);
  const now = CpuSet.unionOf([...masks.filter((mask) => inherited?.equals(mask) !== true), ...sets]);
  const own = now.isEmpty ? before.own : now;
  if (own === undefined) return before;
  const all = lost(before, cpus, now.isEmpty);
  return { ...known, own, within: cpus, ...(all.isEmpty ? {} : { lost: all }) };
}

/** What is lost of its masks, now that its set is this one. Where it is another and no mask is left, it is all of them. */
function lost(
  { own = CpuSet.empty, lost = CpuSet.empty, within }: Affinity,
  cpus: CpuSet,
  isReset: boolean,
): CpuSet {
  return lost.union(isReset && within?.equals(cpus) === false ? own : own.difference(cpus));
}

function same(before: Affinity, after: Affinity): Affinity {
  const keys = ["inherited", "own", "within", "lost"] as const;
  const isSame = before.isPresumed === after.isPresumed &&
    keys.every((key) => `${before[key] ?? ""}` === `${after[key] ?? ""}`);
  return isSame ? before : after;
}

/** Whether its threads have masks of their own, as far as is known. */
export function pinsItself(affinity: Affinity | undefined): boolean {
  return affinity?.own !== undefined || affinity?.isPresumed === true;
}

/** What an inherited mask leaves of these CPUs, where that is less: with nothing in common the kernel takes all. */
export function narrowedTo({ inherited }: Affinity, cpus: CpuSet): CpuSet | undefined {
  const left = inherited?.intersection(cpus);
  return left === undefined || left.isEmpty || left.equals(cpus) ? undefined : left;
}
