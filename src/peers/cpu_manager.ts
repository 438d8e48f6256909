import { CpuSet, MAX_CPU_ID } from "../cpu/cpu_set.ts";
import { printable } from "../platform/printable.ts";

/** More holders than these aren't kept. kubelet's default is 110 pods, and few have exclusive CPUs. */
const MAX_HOLDERS = 1000;

/** A container that kubelet has given exclusive CPUs. */
export interface CpuHolder {
  /** `ns/pod container c`; a pod's uid or a container's id where nothing else is known. */
  readonly name: string;
  readonly cpus: CpuSet;
}

/** What is known of kubelet's CPU manager. All texts are safe to print. */
export type CpuManager =
  | {
    readonly kind: "known";
    /** `none`: it assigns no CPUs. With any other, `static` mostly, it does. */
    readonly policy: string;
    /** The file or socket that it was read from. */
    readonly source: string;
    /** At most {@link MAX_HOLDERS}. */
    readonly holders: readonly CpuHolder[];
  }
  | {
    readonly kind: "unknown";
    /** One sentence. */
    readonly reason: string;
  };

export function unknown(reason: string): CpuManager {
  return { kind: "unknown", reason };
}

/** `holders` may be endless: it is read no further than needed. Those without CPUs are left out. */
export function known(policy: string, source: string, holders: Iterable<CpuHolder>): CpuManager {
  const kept: CpuHolder[] = [];
  for (const { name, cpus } of holders) {
    if (!cpus.isEmpty) kept.push({ name: printable(name), cpus });
    if (kept.length === MAX_HOLDERS) break;
  }
  return { kind: "known", policy: printable(policy), source, holders: kept };
}

/** The CPUs of a list of ids. Ids that no CPU can have are left out: the list is kubelet's. */
export function cpusOf(ids: readonly (bigint | number)[]): CpuSet {
  return CpuSet.from(
    ids.map(Number).filter((id) => Number.isInteger(id) && id >= 0 && id <= MAX_CPU_ID),
  );
}
