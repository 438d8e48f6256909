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
  /** Prefixes of the RuntimeClass handlers that keep all processes of a pod in one cgroup, as gVisor does. */
  readonly sandboxedRuntimes: readonly string[];
  /** The same of those that run a pod in a virtual machine, as Kata Containers does. */
  readonly vmRuntimes: readonly string[];
  /** Namespaces whose shared containers may use reserved CPUs where the reservation is strict. */
  readonly reservedNamespaces: readonly string[];
}

/**
 * How a RuntimeClass' handler runs a pod; undefined: each container in a cgroup of its own, as far as is known.
 *
 * @param handler absent: the node's default runtime
 */
export function sandboxingOf(
  { sandboxedRuntimes, vmRuntimes }: Pick<Rules, "sandboxedRuntimes" | "vmRuntimes">,
  handler: string | undefined,
): "sandbox" | "vm" | undefined {
  const isOf = (prefixes: readonly string[]) => prefixes.some((prefix) => handler?.startsWith(prefix));
  return isOf(vmRuntimes) ? "vm" : isOf(sandboxedRuntimes) ? "sandbox" : undefined;
}

/** Whether `namespaces` names this one. */
export function lists(namespaces: readonly string[], namespace: string): boolean {
  return namespaces.includes(namespace) || namespaces.includes("*");
}
