/** kubelet: its managers of CPUs, memory and topology, and what it keeps for the system. */
import { parse } from "yaml";
import type { Config } from "../config/schema.ts";
import type { CpuManager } from "../peers/cpu_manager.ts";
import { kubeletIn } from "../peers/kubelet.ts";
import { describePeers } from "../peers/peers.ts";
import { at, parseJson, textAt } from "../platform/json_at.ts";
import { printable } from "../platform/printable.ts";
import { flagIn, type HostFiles, type HostProcess, processesCalled } from "./host_files.ts";
import { fail, pass, textOf, type Verdict, warn } from "./verdict.ts";

/** What is known of kubelet. */
export interface KubeletFacts {
  readonly cpuManager: CpuManager;
  /** The policy in the memory manager's state file. */
  readonly memoryPolicy?: string;
  readonly settings: KubeletSettings;
}

/** Its configuration: file, drop-ins and flags, the last of which that has a key decides. */
export type KubeletSettings =
  | {
    readonly kind: "read";
    readonly file: string;
    /** Keys as in the file (kubelet.config.k8s.io/v1beta1); values as they are written there, or on the command line. */
    readonly values: Readonly<Record<string, unknown>>;
  }
  /** `reason` is a clause. */
  | { readonly kind: "unknown"; readonly file: string; readonly reason: string };

/** The flags that are older than the configuration file, and their keys in it (pkg: k8s.io/kubelet/config/v1beta1). */
const FLAGS: Readonly<Record<string, string>> = {
  "cgroup-driver": "cgroupDriver",
  "cpu-cfs-quota": "cpuCFSQuota",
  "cpu-manager-policy": "cpuManagerPolicy",
  "memory-manager-policy": "memoryManagerPolicy",
  "topology-manager-policy": "topologyManagerPolicy",
  "reserved-cpus": "reservedSystemCPUs",
  "kube-reserved": "kubeReserved",
  "system-reserved": "systemReserved",
};

/** Throws nothing; takes 4 s at most. */
export async function readKubelet(
  files: HostFiles,
  { kubeletRoot, procRoot }: Config,
  root: string,
): Promise<KubeletFacts> {
  const kubelet = processesCalled(procRoot, ["kubelet"]).get("kubelet");
  const state = files.text(`${root}/memory_manager_state`);
  const memoryPolicy = textAt(parseJson(state.kind === "text" ? state.text : ""), "policyName");
  return {
    cpuManager: await kubeletIn(kubeletRoot)(),
    ...(memoryPolicy === "" ? {} : { memoryPolicy: printable(memoryPolicy) }),
    settings: readSettings(files, kubelet, `${root}/config.yaml`),
  };
}

/** @param usual the file where nothing else is known, kubeadm's */
export function readSettings(
  files: Pick<HostFiles, "text" | "names">,
  kubelet: HostProcess | undefined,
  usual: string,
): KubeletSettings {
  const words = kubelet?.words ?? [];
  const named = flagIn(words, "config");
  const file = named ?? usual;
  const folder = flagIn(words, "config-dir");
  const dropIns = folder === undefined
    ? []
    : (files.names(folder) ?? []).filter((name) => name.endsWith(".conf")).map((name) => `${folder}/${name}`);
  let values: Record<string, unknown> = {};
  for (const path of [file, ...dropIns]) {
    const read = files.text(path);
    // A kubelet that names none has its defaults.
    if (read.kind === "absent" && (kubelet === undefined || path === named)) {
      return { kind: "unknown", file: printable(path), reason: "there is no such file" };
    }
    if (read.kind === "unusable") return { kind: "unknown", file: printable(path), reason: read.reason };
    const parsed = read.kind === "text" ? mappingIn(read.text) : {};
    if (parsed === undefined) {
      return { kind: "unknown", file: printable(path), reason: "it is no YAML mapping" };
    }
    values = { ...values, ...parsed };
  }
  const flags = Object.entries(FLAGS).flatMap(([flag, key]) => {
    const value = flagIn(words, flag);
    if (value === undefined) return [];
    return [[key, key === "kubeReserved" || key === "systemReserved" ? pairsIn(value) : value]];
  });
  return { kind: "read", file: printable(file), values: { ...values, ...Object.fromEntries(flags) } };
}

function mappingIn(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = parse(text, { logLevel: "error" }) ?? {};
    return typeof value === "object" && !Array.isArray(value)
      ? value as Readonly<Record<string, unknown>>
      : undefined;
  } catch {
    return undefined;
  }
}

/** `cpu=500m,memory=1Gi` */
function pairsIn(text: string): Readonly<Record<string, string>> {
  return Object.fromEntries(
    text.split(",").map((pair) => pair.split("=", 2)).filter(({ length }) => length === 2),
  );
}

/** A setting as a text; `otherwise` where it isn't given, undefined where that isn't known. */
export function settingOf(settings: KubeletSettings, key: string, otherwise: string): string | undefined {
  if (settings.kind === "unknown") return undefined;
  const value = at(settings.values, key);
  return value === undefined || value === null ? otherwise : textOf(value);
}

const RESTART = "systemctl restart kubelet";

/** How to say where kubelet's settings are missing. */
export function unknownSettings(settings: KubeletSettings & { kind: "unknown" }): Verdict {
  return warn(
    `kubelet's configuration is unknown: ${settings.file}: ${settings.reason}`,
    "run preflight as root on the node, or in a pod with the node's root directory: --host-root DIR",
  );
}

export function checkCpuManager({ cpuManager, settings }: KubeletFacts): Verdict {
  const [peer] = describePeers({ cpuManager, plugins: [] });
  if (peer !== undefined) return fail(`${peer.found}; ${peer.problem}`, peer.remedy);
  if (cpuManager.kind === "known") {
    return pass(`${cpuManager.source}: cpuManagerPolicy is ${cpuManager.policy}`);
  }
  const policy = settingOf(settings, "cpuManagerPolicy", "none");
  if (policy === "none") return pass(`${settings.file}: cpuManagerPolicy is none`);
  return policy === undefined
    ? warn(
      `kubelet's CPU manager is unknown: ${cpuManager.reason}`,
      "run preflight as root on a node with a kubelet",
    )
    : fail(
      `${settings.file}: cpuManagerPolicy is ${policy}, so that a CPU may have two owners`,
      `in ${settings.file}: cpuManagerPolicy: none; rm /var/lib/kubelet/cpu_manager_state; ${RESTART}`,
    );
}

export function checkMemoryManager({ memoryPolicy, settings }: KubeletFacts): Verdict {
  if (memoryPolicy === undefined && settings.kind === "unknown") return unknownSettings(settings);
  const policy = memoryPolicy ?? settingOf(settings, "memoryManagerPolicy", "None");
  if (policy === "None") {
    return pass("memoryManagerPolicy is None: kubelet binds no container to memory nodes");
  }
  return warn(
    `memoryManagerPolicy is ${policy}: kubelet binds Guaranteed containers to memory nodes, without knowing their CPUs`,
    `in ${settings.file}: memoryManagerPolicy: None; rm /var/lib/kubelet/memory_manager_state; ${RESTART}`,
  );
}

export function checkTopologyManager({ settings }: Pick<KubeletFacts, "settings">): Verdict {
  if (settings.kind === "unknown") return unknownSettings(settings);
  const policy = settingOf(settings, "topologyManagerPolicy", "none");
  if (policy === "none") {
    return pass("topologyManagerPolicy is none: kubelet refuses no pod for its NUMA nodes");
  }
  return warn(
    `topologyManagerPolicy is ${policy}: kubelet aligns devices with CPUs that it doesn't assign, and may refuse pods for it`,
    `in ${settings.file}: topologyManagerPolicy: none; ${RESTART}`,
  );
}
