import type { Placement } from "../cpu/placement.ts";

/** What the administrator decides about who may claim what, and how it is read. */
export interface Rules {
  /** What an exclusive container gets whose pod doesn't say. */
  readonly placement: Placement;
  /** Namespaces whose pods may use `weka.io/cores-ids`; elsewhere it is refused. `*` is all. */
  readonly pinnedNamespaces: readonly string[];
  /** Namespaces whose pods may use `weka.io/cpuset: unmanaged`; elsewhere it is ignored. */
  readonly unmanagedNamespaces: readonly string[];
  /** Namespaces whose shared containers may use reserved CPUs where the reservation is strict. */
  readonly reservedNamespaces: readonly string[];
}

/** Whether `namespaces` names this one. */
export function lists(namespaces: readonly string[], namespace: string): boolean {
  return namespaces.includes(namespace) || namespaces.includes("*");
}
