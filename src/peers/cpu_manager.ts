import { CpuSet, MAX_CPU_ID } from "../cpu/cpu_set.ts";
import { printable } from "../platform/printable.ts";

/** More holders than these aren't kept. kubelet takes 110 pods unless told otherwise, and few have CPUs of their own. */
const MAX_HOLDERS = 1000;

/** A container that kubelet has given CPUs which no other container of its may use. */
export interface Holder {
  /** `ns/pod container c`; where only that is told, a pod's uid or a container's id. */
  readonly name: string;
  readonly cpus: CpuSet;
}

/** What kubelet's CPU manager does, as far as it tells. All texts are fit to be printed. */
export type CpuManager =
  | {
    readonly kind: "told";
    /** `none`: it leaves CPUs alone. With any other, `static` mostly, it decides about them. */
    readonly policy: string;
    /** Which file or socket told it. */
    readonly source: string;
    /** Those that have exclusive CPUs: {@link MAX_HOLDERS} at most. */
    readonly holders: readonly Holder[];
  }
  | {
    readonly kind: "untold";
    /** One sentence. */
    readonly why: string;
  };

export function untold(why: string): CpuManager {
  return { kind: "untold", why };
}

/** `holders` may be endless: it is read no further than needed. Those without CPUs are left out. */
export function told(policy: string, source: string, holders: Iterable<Holder>): CpuManager {
  const kept: Holder[] = [];
  for (const { name, cpus } of holders) {
    if (!cpus.isEmpty) kept.push({ name: printable(name), cpus });
    if (kept.length === MAX_HOLDERS) break;
  }
  return { kind: "told", policy: printable(policy), source, holders: kept };
}

/** The CPUs of a list of ids. What is no CPU's id is left out: the list is somebody else's. */
export function cpusOf(ids: readonly (bigint | number)[]): CpuSet {
  return CpuSet.from(
    ids.map(Number).filter((id) => Number.isInteger(id) && id >= 0 && id <= MAX_CPU_ID),
  );
}
