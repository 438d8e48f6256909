/** Others on the node that decide about the same CPUs: what was seen of them, what that means, and what to do. */
import { CpuSet } from "../cpu/cpu_set.ts";
import type { LogRecord } from "../log_record.ts";
import type { CpuManager } from "./cpu_manager.ts";

/** What was seen. */
export interface PeerFacts {
  readonly cpuManager: CpuManager;
  /** Files in the runtime's plugin folder whose names are those of plugins that write cpusets. */
  readonly plugins: readonly string[];
  /** Containers (`ns/pod container c`) whose CPUs were found changed by somebody unknown; absent: nobody looks. */
  readonly rewritten?: readonly string[];
}

/** Somebody else who decides about CPUs. The texts are clauses, to be joined by semicolons. */
export interface Peer {
  readonly kind: "kubelet" | "plugin" | "unknown";
  /** Stays the same as long as it is the same peer. */
  readonly name: string;
  /** What was seen of it; may be another each time. */
  readonly found: string;
  readonly problem: string;
  readonly remedy: string;
}

/** How many containers are named in a sentence. */
const MAX_NAMED = 3;

/** Everybody who decides about CPUs beside this agent, by what was seen. */
export function describePeers({ cpuManager, plugins, rewritten = [] }: PeerFacts): Peer[] {
  return [
    ...(decides(cpuManager) ? [kubelet(cpuManager)] : []),
    ...plugins.map(plugin),
    ...(rewritten.length > 0 ? [unknown(rewritten)] : []),
  ];
}

/** Why claims are refused under `onKubeletStatic: refuse`; undefined when kubelet leaves CPUs alone or doesn't tell. */
export function whyRefuse({ cpuManager }: PeerFacts): string | undefined {
  if (!decides(cpuManager)) return undefined;
  return `kubelet's ${cpuManager.policy} CPU manager gives out CPUs on this node too, and two deciders fight; ` +
    "run kubelet with cpuManagerPolicy: none, or set onKubeletStatic: warn";
}

/** The line of the log about a peer that wasn't there before. */
export function peerLog({ name, found, problem, remedy }: Peer): LogRecord {
  const message = `${name} decides about CPUs on this node too: ${problem}; ${remedy}`;
  return { level: "error", message, fields: { found } };
}

type Told = Extract<CpuManager, { kind: "told" }>;

function decides(cpuManager: CpuManager): cpuManager is Told {
  return cpuManager.kind === "told" && cpuManager.policy !== "none";
}

function kubelet({ policy, source, holders }: Told): Peer {
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
      "two owners, and it writes its sets over ours",
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

function unknown(rewritten: readonly string[]): Peer {
  return {
    kind: "unknown",
    name: "somebody",
    found: `CPUs rewritten of ${named(rewritten)}`,
    problem: "cpusets that this agent had written were found changed",
    remedy:
      "look for an agent that runs as a DaemonSet (koordlet, nri-resource-policy, dra-driver-cpu), for " +
      "scripts that write to cpuset.cpus, and for systemctl daemon-reload",
  };
}

/** `3 containers (a, b, c)`, `5 containers (a, b, c, ...)`. */
function named(names: readonly string[]): string {
  const count = `${names.length} ${names.length === 1 ? "container" : "containers"}`;
  const more = names.length > MAX_NAMED ? ", ..." : "";
  return `${count} (${names.slice(0, MAX_NAMED).join(", ")}${more})`;
}
