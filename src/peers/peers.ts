/** Conflicting CPU managers: other programs on the node that write cpusets, and what to do about each. */
import { CpuSet } from "../cpu/cpu_set.ts";
import type { LogRecord } from "../log_record.ts";
import type { CpuManager } from "./cpu_manager.ts";

/** What has been observed of them. */
export interface PeerFacts {
  readonly cpuManager: CpuManager;
  /** Files in the runtime's plugin folder whose names are those of plugins that write cpusets. */
  readonly plugins: readonly string[];
  /** Containers (`ns/pod container c`) whose CPUs an unknown program has changed; absent: not observed. */
  readonly rewritten?: readonly string[];
}

/** A conflicting CPU manager. The texts are clauses. */
export interface Peer {
  readonly kind: "kubelet" | "plugin" | "unknown";
  /** Identifies it. */
  readonly name: string;
  /** What was observed of it; it may change. */
  readonly found: string;
  readonly problem: string;
  readonly remedy: string;
}

/** How many containers are named in a sentence. */
const MAX_NAMED = 3;

/** The conflicting CPU managers among what has been observed. */
export function describePeers({ cpuManager, plugins, rewritten = [] }: PeerFacts): Peer[] {
  return [
    ...(assignsCpus(cpuManager) ? [kubelet(cpuManager)] : []),
    ...plugins.map(plugin),
    ...(rewritten.length > 0 ? [unknownWriter(rewritten)] : []),
  ];
}

/** Why claims are refused under `onKubeletStatic: refuse`; undefined when kubelet assigns no CPUs or is unknown. */
export function whyRefuse({ cpuManager }: PeerFacts): string | undefined {
  if (!assignsCpus(cpuManager)) return undefined;
  return `kubelet's ${cpuManager.policy} CPU manager also assigns CPUs on this node, so a CPU could get two owners; ` +
    "run kubelet with cpuManagerPolicy: none, or set onKubeletStatic: warn";
}

/** The log record about a peer that wasn't there before. */
export function peerLog({ name, found, problem, remedy }: Peer): LogRecord {
  const message = "conflicting CPU manager detected";
  return { level: "error", message, fields: { peer: name, found, problem, remedy } };
}

type KnownCpuManager = Extract<CpuManager, { kind: "known" }>;

function assignsCpus(cpuManager: CpuManager): cpuManager is KnownCpuManager {
  return cpuManager.kind === "known" && cpuManager.policy !== "none";
}

function kubelet({ policy, source, holders }: KnownCpuManager): Peer {
  const cpus = CpuSet.unionOf(holders.map((holder) => holder.cpus));
  const given = holders.length === 0
    ? "no exclusive CPUs given yet"
    : `CPUs ${cpus} given to ${named(holders.map(({ name }) => name))}`;
  return {
    kind: "kubelet",
    name: `kubelet's CPU manager (cpuManagerPolicy: ${policy})`,
    found: `${source}: policy ${policy}, ${given}`,
    problem:
      "it gives CPUs to the same containers without knowing this agent's claims, so that a CPU may have " +
      "two owners, and it overwrites this agent's cpusets",
    remedy:
      "drain the node, stop kubelet, set cpuManagerPolicy: none in its configuration, remove its file " +
      "cpu_manager_state, start it again",
  };
}

function plugin(file: string): Peer {
  return {
    kind: "plugin",
    name: `the NRI plugin ${file}`,
    found: `the runtime starts ${file} from its plugin folder`,
    problem:
      "by its name it writes cpusets as well; where two plugins set a container's CPUs the runtime refuses " +
      "to create it, and neither knows the other's claims",
    remedy: "remove the file and restart the runtime, or don't run this agent on the node",
  };
}

function unknownWriter(rewritten: readonly string[]): Peer {
  return {
    kind: "unknown",
    name: "an unknown program",
    found: `CPUs rewritten of ${named(rewritten)}`,
    problem: "cpusets that this agent had written were found changed",
    remedy:
      "search for an agent that runs as a DaemonSet (koordlet, nri-resource-policy, dra-driver-cpu), for " +
      "scripts that write to cpuset.cpus, and for systemctl daemon-reload",
  };
}

/** `3 containers (a, b, c)`, `5 containers (a, b, c, ...)`. */
function named(names: readonly string[]): string {
  const count = `${names.length} ${names.length === 1 ? "container" : "containers"}`;
  const more = names.length > MAX_NAMED ? ", ..." : "";
  return `${count} (${names.slice(0, MAX_NAMED).join(", ")}${more})`;
}
