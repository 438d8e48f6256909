import type { Placement } from "../cpu/placement.ts";

/** The administrator's rules: which pods may claim what, and how their annotations are read. */
export interface Rules {
  /** What an exclusive container gets whose pod has no such annotation. */
  readonly placement: Placement;
  /** Namespaces whose pods may use `weka.io/cores-ids`; elsewhere it is refused. `*` is all. */
  readonly pinnedNamespaces: readonly string[];
  /**
   * What a pinned container gets that names CPU 0, which can't be taken offline and has timers and interrupts of the boot:
   * nothing special, a warning, or a refusal.
   */
  readonly pinnedCpu0: "allow" | "warn" | "refuse";
  /** Namespaces whose pods may use `weka.io/cpuset: unmanaged`; elsewhere it is ignored. */
  readonly unmanagedNamespaces: readonly string[];
  /** Namespaces whose pods may use `weka.io/isolation`; elsewhere it is ignored. */
  readonly isolationNamespaces: readonly string[];
  /** Namespaces whose shared containers may use reserved CPUs where the reservation is strict. */
  readonly reservedNamespaces: readonly string[];
}

/** Whether `namespaces` names this one. */
export function lists(namespaces: readonly string[], namespace: string): boolean {
  return namespaces.includes(namespace) || namespaces.includes("*");
}
