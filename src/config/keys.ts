/** The keys of the configuration, with their flags and environment variables. */
import { DEFAULTS, LAUNCHED_LOG_FILE } from "./schema.ts";

export interface Key {
  /** As in the YAML file, sections joined by dots: `log.level`. */
  readonly path: string;
  /** One clause for the help and the documentation. */
  readonly description: string;
  /** The environment variable. */
  readonly variable: string;
  /** The flag as commander knows it: `--log-level <level>`; not every key has one. */
  readonly flag?: string;
  /** Can be changed while the agent runs, by the configuration text from the runtime. */
  readonly live: boolean;
}

/** Of all variables but the three that every NRI plugin has. */
export const VARIABLE_PREFIX = "WEKA_CPUSET_";

export const KEYS: readonly Key[] = [
  key("socket", "NRI socket of the container runtime", { flag: "--socket <path>", variable: "NRI_SOCKET" }),
  key("pluginName", "name under which the plugin registers", {
    flag: "--plugin-name <name>",
    variable: "NRI_PLUGIN_NAME",
  }),
  key("pluginIndex", "index that orders NRI plugins; the lowest is called first", {
    flag: "--plugin-index <NN>",
    variable: "NRI_PLUGIN_IDX",
  }),
  key("dryRun", "log decisions only; change and refuse nothing", { flag: "--dry-run", live: true }),
  key("systemReserved", "CPUs excluded from exclusive allocation", {
    flag: "--system-reserved <cpus>",
    live: true,
  }),
  key("strictReserved", "exclude reserved CPUs from the shared pool too", { live: true }),
  key("reservedNamespaces", "namespaces whose shared containers may use strictly reserved CPUs", {
    live: true,
  }),
  key("minShared", "minimum number of CPUs in the shared pool", { flag: "--min-shared <n>", live: true }),
  key("placement", "placement policy for exclusive CPUs: packed, spread, full-cores or single-thread", {
    flag: "--placement <name>",
    live: true,
  }),
  key(
    "exclusiveMems",
    "memory nodes of exclusive containers: unset, local to their CPUs, or local+cpuless (nearby ones without CPUs too)",
    { live: true },
  ),
  key(
    "pinnedMems",
    "memory nodes of pinned containers: local to their CPUs, local+cpuless (nearby ones without CPUs too), or off",
    { live: true },
  ),
  key(
    "correctMems",
    "memory nodes of pinned containers that run without them: never written, while they are young (below 256 MiB), or always",
    { live: true },
  ),
  key(
    "isolatedCpus",
    "policy for isolated CPUs (isolcpus) in exclusive allocation: avoid, prefer, exclusive or ignore",
    {
      live: true,
    },
  ),
  key("pinnedNamespaces", "namespaces whose pods may use weka.io/cores-ids; * for all", { live: true }),
  key("pinnedCpu0", "pinned containers that name CPU 0: allow, warn in the log, or refuse", { live: true }),
  key("unmanagedNamespaces", "namespaces whose pods may use weka.io/cpuset: unmanaged", { live: true }),
  key("isolationNamespaces", "namespaces whose pods may use weka.io/isolation: partition", { live: true }),
  key(
    "sandboxedRuntimes",
    "what the RuntimeClass handlers begin with that keep a pod's processes in one cgroup",
    {
      live: true,
    },
  ),
  key("vmRuntimes", "what the RuntimeClass handlers begin with that run a pod in a virtual machine", {
    live: true,
  }),
  key("growDelayMs", "delay before the shared pool grows, in milliseconds", { live: true }),
  key("apply", "how CPU changes are applied to running containers: auto, runtime or kernel-first", {
    flag: "--apply <way>",
  }),
  key("fence", "keep the cgroups of QoS classes off exclusive CPUs: auto (cgroup v2), on (v1 too) or off"),
  key(
    "hostFence",
    "keep the host's own slices (cgroup v2) on the reserved CPUs, or on the pool: off, reserved or pool",
  ),
  key("exclusiveQuota", "CFS quota of exclusive and pinned containers, and of their pods: keep or off"),
  key("reconcileSeconds", "reconcile interval in seconds; 0 disables it"),
  key(
    "http",
    "address and port of metrics and health by HTTP; with the page where it is a loopback one; empty: off",
    {
      flag: "--http <address>",
    },
  ),
  key("httpAll", "serve the page and the API, which name pods, at any address of http", {
    flag: "--http-all",
  }),
  key(
    "probeSocket",
    "unix socket on which this process alone, on standby too, says whether it is ready, for probes in its container; empty: none",
  ),
  key(
    "onKubeletStatic",
    "on conflict with kubelet's static CPU manager: warn, or refuse pinned and exclusive containers",
  ),
  key("log.level", "log level: debug, info, warn or error", {
    flag: "--log-level <level>",
    live: true,
  }),
  key("log.format", "log format: text or json", { flag: "--log-format <format>" }),
  key(
    "log.file",
    `log file; empty for standard error (${LAUNCHED_LOG_FILE} when launched by the runtime)`,
    {
      flag: "--log-file <path>",
    },
  ),
  key("log.maxSizeMiB", "log file size in MiB at which it is rotated"),
  key("log.keep", "number of rotated log files to keep"),
  key("criSockets", "CRI sockets of the container runtime, tried in order", { flag: "--cri-socket <path>" }),
  key(
    "systemBus",
    "socket of the D-Bus system bus, by which systemd is asked to keep fences; empty for none",
  ),
  key("runDir", "directory of the leader lock, shared by all agents of the node", {
    flag: "--run-dir <path>",
  }),
  key("sysfsRoot", "mount point of sysfs", { flag: "--sysfs-root <path>" }),
  key("cgroupRoot", "mount point of the cgroup tree", { flag: "--cgroup-root <path>" }),
  key("procRoot", "mount point of procfs", { flag: "--proc-root <path>" }),
  key("kubeletRoot", "kubelet's root directory", { flag: "--kubelet-root <path>" }),
];

function key(path: string, description: string, more: Partial<Key> = {}): Key {
  return { path, description, variable: variableOf(path), live: false, ...more };
}

/** `log.maxSizeMiB` → `WEKA_CPUSET_LOG_MAX_SIZE_MIB`: upper case, an underscore before each word. */
function variableOf(path: string): string {
  const words = path.replaceAll(".", "_").replace(/([a-z])(?=[A-Z][a-z])/g, "$1_");
  return VARIABLE_PREFIX + words.toUpperCase();
}

/** The value at `path` in a configuration or in the tree of one source; undefined where there is none. */
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
