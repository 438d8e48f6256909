/** The keys of the configuration, and the other names that they go by: flags and environment variables. */
import { DEFAULTS, LAUNCHED_LOG_FILE } from "./schema.ts";

export interface Key {
  /** As in the YAML file, sections joined by dots: `log.level`. */
  readonly path: string;
  /** What it means, in one clause, for the help and the documentation. */
  readonly about: string;
  /** The environment variable. */
  readonly variable: string;
  /** The flag as commander knows it: `--log-level <level>`; not every key has one. */
  readonly flag?: string;
  /** Can be changed while the agent runs, as the runtime's own configuration does. */
  readonly live: boolean;
}

/** What variables begin with, except the three that every NRI plugin knows. */
export const VARIABLE_PREFIX = "WEKA_CPUSET_";

export const KEYS: readonly Key[] = [
  key("socket", "the runtime's NRI socket", { flag: "--socket <path>", variable: "NRI_SOCKET" }),
  key("pluginName", "name to register with", { flag: "--plugin-name <name>", variable: "NRI_PLUGIN_NAME" }),
  key("pluginIndex", "place among NRI's plugins, which are called in this order", {
    flag: "--plugin-index <NN>",
    variable: "NRI_PLUGIN_IDX",
  }),
  key("dryRun", "decide and log, but change and refuse nothing", { flag: "--dry-run", live: true }),
  key("systemReserved", "CPUs that are never given exclusively", {
    flag: "--system-reserved <cpus>",
    live: true,
  }),
  key("strictReserved", "reserved CPUs are left out of the shared pool too", { live: true }),
  key("reservedNamespaces", "namespaces whose shared containers may use reserved CPUs all the same", {
    live: true,
  }),
  key("minShared", "how many CPUs always stay in the shared pool", { flag: "--min-shared <n>", live: true }),
  key("placement", "how exclusive CPUs lie: packed, spread, full-cores or single-thread", {
    flag: "--placement <name>",
    live: true,
  }),
  key("exclusiveMems", "memory nodes of exclusive containers: unset, or local to their CPUs", { live: true }),
  key(
    "isolatedCpus",
    "what exclusive containers do with the kernel's isolated CPUs: avoid, prefer or ignore",
    {
      live: true,
    },
  ),
  key("pinnedNamespaces", "namespaces whose pods may use weka.io/cores-ids; * is all", { live: true }),
  key("unmanagedNamespaces", "namespaces whose pods may use weka.io/cpuset: unmanaged", { live: true }),
  key("growDelayMs", "milliseconds for which growth of the shared pool may wait", { live: true }),
  key("apply", "how sets reach running containers: auto, runtime or kernel-first", { flag: "--apply <way>" }),
  key("reconcileSeconds", "seconds between two comparisons with what the kernel has; 0 is never"),
  key(
    "onKubeletStatic",
    "when kubelet's CPU manager decides too: warn, or refuse pinned and exclusive containers",
  ),
  key("log.level", "least severity that is logged: debug, info, warn or error", {
    flag: "--log-level <level>",
    live: true,
  }),
  key("log.format", "form of the log's lines: text or json", { flag: "--log-format <format>" }),
  key(
    "log.file",
    `file to log to; empty: standard error, or ${LAUNCHED_LOG_FILE} when the runtime starts the agent`,
    {
      flag: "--log-file <path>",
    },
  ),
  key("log.maxSizeMiB", "MiB after which a new log file is begun"),
  key("log.keep", "how many full log files are kept beside the new one"),
  key("criSockets", "the runtime's CRI sockets, tried in this order", { flag: "--cri-socket <path>" }),
  key("runDir", "directory of the lock that says who decides on this node", { flag: "--run-dir <path>" }),
  key("sysfsRoot", "where sysfs is mounted", { flag: "--sysfs-root <path>" }),
  key("cgroupRoot", "where the cgroup tree is mounted", { flag: "--cgroup-root <path>" }),
  key("procRoot", "where procfs is mounted", { flag: "--proc-root <path>" }),
  key("kubeletRoot", "kubelet's root directory", { flag: "--kubelet-root <path>" }),
];

function key(path: string, about: string, more: Partial<Key> = {}): Key {
  return { path, about, variable: variableOf(path), live: false, ...more };
}

/** `log.maxSizeMiB` → `WEKA_CPUSET_LOG_MAX_SIZE_MIB`: upper case, an underscore before each word. */
function variableOf(path: string): string {
  const words = path.replaceAll(".", "_").replace(/([a-z])(?=[A-Z][a-z])/g, "$1_");
  return VARIABLE_PREFIX + words.toUpperCase();
}

/** The value at `path` in a configuration or in what a source gave; undefined where there is none. */
export function valueAt(tree: unknown, path: string): unknown {
  return path.split(".").reduce(
    (node, name) =>
      typeof node === "object" && node !== null && Object.hasOwn(node, name)
        ? (node as Record<string, unknown>)[name]
        : undefined,
    tree,
  );
}

/** The default of a key as one text, as help and documentation show it. */
export function defaultText(path: string): string {
  const value = valueAt(DEFAULTS, path);
  return Array.isArray(value) ? value.join(",") : String(value);
}
