/**
 * The schema: every key with its check and its default, and the only place that defines them. All sources give texts
 * (YAML scalars as written, environment variables, flags), lists of texts and mappings of these; so `05` stays `05`, and
 * a value means the same in every source.
 */
// The small variant of zod: the same checks, a third of the start-up time.
import * as z from "zod/mini";
import { CpuSet } from "../cpu/cpu_set.ts";
import { PLACEMENTS } from "../cpu/placement.ts";

const LIST = "must be a list of absolute paths, as in /run/containerd/containerd.sock";
const NAMESPACES = 'must be a list of namespaces, as in kube-system, or "*" for all';
const HANDLERS = "must be a list of RuntimeClass handlers, or of what they begin with, as in kata";
const CPUS = "must be a CPU list, as in 0,2-3";

const OCTET = "(25[0-5]|2[0-4]\\d|1?\\d?\\d)";
const PORT = "([1-9]\\d{0,3}|[1-5]\\d{4}|6[0-4]\\d{3}|65[0-4]\\d{2}|655[0-2]\\d|6553[0-5])";
/** IPv4, or IPv6 in brackets, and a port that isn't 0; or nothing. */
const ADDRESS = new RegExp(`^((${OCTET}(\\.${OCTET}){3}|\\[[0-9a-fA-F:.]{2,45}\\]):${PORT})?$`);

/** At most PATH_MAX characters, and no control characters, which would garble a log or a terminal. */
const PATH = /^\/\P{Cc}{0,4094}$/u;

const path = text(PATH, "must be an absolute path, as in /sys");
const pathOrNone = text(/^(\/\P{Cc}{0,4094})?$/u, "must be an absolute path, or empty");
const address = text(
  ADDRESS,
  "must be an IP address and a port, as in 127.0.0.1:9753 or [::]:9753, or empty",
);

function text(pattern: RegExp, message: string) {
  return z.string(message).check(z.regex(pattern, message));
}

function wholeNumber(least: number, most: number) {
  const message = `must be a whole number from ${least} to ${most}`;
  return z.pipe(
    text(/^\d{1,9}$/, message),
    z.pipe(z.transform(Number), z.number().check(z.gte(least, message), z.lte(most, message))),
  );
}

/** A list, or one text with commas, which fits into a variable. */
const paths = z.pipe(
  z.union([z.array(z.string()), z.pipe(z.string(), z.transform((list) => list.split(",")))], LIST),
  z.array(text(PATH, LIST)).check(
    z.minLength(1, LIST),
    z.maxLength(16, "must be 16 paths at most"),
  ),
);

/** A list of names, or one text with commas; an empty text for none. */
function names(pattern: RegExp, message: string, tooMany: string, most: number) {
  const texts = z.pipe(
    z.string(),
    z.transform((list) => list.trim() === "" ? [] : list.split(",").map((name) => name.trim())),
  );
  return z.pipe(
    z.union([z.array(z.string()), texts], message),
    z.array(text(pattern, message)).check(z.maxLength(most, tooMany)),
  );
}

/** `*` for all. */
const NAMESPACE = /^(\*|[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)$/;
const namespaces = names(NAMESPACE, NAMESPACES, "must be 1000 namespaces at most", 1000);

/** What RuntimeClass handlers begin with. */
const HANDLER = /^[a-z0-9]([-.a-z0-9]{0,61}[a-z0-9])?$/;
const handlers = names(HANDLER, HANDLERS, "must be 100 handlers at most", 100);

/** A text in cpuset(7) list format, or a list of such texts. */
const cpuSet = z.pipe(
  z.union([z.string(), z.array(z.string())], CPUS),
  z.transform((given, context) => {
    const set = CpuSet.parse([given].flat().join(","));
    if (set instanceof CpuSet) return set;
    context.issues.push({ code: "custom", message: CPUS, input: given, params: { because: set.problem } });
    return z.NEVER;
  }),
);

const flag = z.pipe(
  z.enum(["true", "false"], "must be true or false"),
  z.transform((given) => given === "true"),
);

const log = z.strictObject({
  level: z._default(
    z.enum(["debug", "info", "warn", "error"], "must be debug, info, warn or error"),
    "info",
  ),
  format: z._default(z.enum(["text", "json"], "must be text or json"), "text"),
  /** Empty for standard error, or {@link LAUNCHED_LOG_FILE} in launched mode. */
  file: z._default(pathOrNone, ""),
  /** MiB (2^20 bytes) at which the log file is rotated. */
  maxSizeMiB: z._default(wholeNumber(1, 1024), 10),
  /** Number of rotated log files. */
  keep: z._default(wholeNumber(0, 20), 3),
}, "must be a mapping");

export const schema = z.strictObject({
  socket: z._default(path, "/var/run/nri/nri.sock"),
  pluginName: z._default(
    text(/^[A-Za-z0-9_.-]{1,64}$/, "must be 1 to 64 letters, digits, dots, dashes or underscores"),
    "weka-cpuset",
  ),
  pluginIndex: z._default(text(/^[0-9]{2}$/, "must be two digits, as in 99"), "99"),
  dryRun: z._default(flag, false),
  systemReserved: z._default(cpuSet, CpuSet.empty),
  strictReserved: z._default(flag, false),
  reservedNamespaces: z._default(namespaces, ["kube-system"]),
  minShared: z._default(wholeNumber(1, 8192), 1),
  placement: z._default(
    z.enum(PLACEMENTS, "must be packed, spread, full-cores or single-thread"),
    "packed",
  ),
  exclusiveMems: z._default(
    z.enum(["unset", "local", "local+cpuless"], "must be unset, local or local+cpuless"),
    "unset",
  ),
  pinnedMems: z._default(
    z.enum(["local", "local+cpuless", "off"], "must be local, local+cpuless or off"),
    "local+cpuless",
  ),
  /** `young`: while a container uses less than 256 MiB. */
  correctMems: z._default(z.enum(["never", "young", "always"], "must be never, young or always"), "young"),
  isolatedCpus: z._default(
    z.enum(["avoid", "prefer", "exclusive", "ignore"], "must be avoid, prefer, exclusive or ignore"),
    "ignore",
  ),
  pinnedNamespaces: z._default(namespaces, ["*"]),
  pinnedCpu0: z._default(z.enum(["allow", "warn", "refuse"], "must be allow, warn or refuse"), "warn"),
  unmanagedNamespaces: z._default(namespaces, []),
  isolationNamespaces: z._default(namespaces, []),
  /** What the handlers of runtimes begin with that keep all processes of a pod in one cgroup. */
  sandboxedRuntimes: z._default(handlers, ["runsc", "gvisor"]),
  /** And of those that run a pod in a virtual machine. */
  vmRuntimes: z._default(handlers, ["kata"]),
  /** Milliseconds. */
  growDelayMs: z._default(wholeNumber(0, 60_000), 500),
  /** `auto` is `kernel-first` where the cgroup tree is writable, else `runtime`. */
  apply: z._default(
    z.enum(["auto", "runtime", "kernel-first"], "must be auto, runtime or kernel-first"),
    "auto",
  ),
  /** `auto`: QoS classes are kept off exclusive CPUs where cgroup v2 can be written; `on`: where v1 can, too. */
  fence: z._default(z.enum(["auto", "on", "off"], "must be auto, on or off"), "auto"),
  /** On which CPUs the host's slices are kept (cgroup v2). */
  hostFence: z._default(z.enum(["off", "reserved", "pool"], "must be off, reserved or pool"), "off"),
  /** Whether exclusive and pinned containers keep the CFS quota of their limits. */
  exclusiveQuota: z._default(z.enum(["keep", "off"], "must be keep or off"), "keep"),
  /** Seconds; 0 disables it. */
  reconcileSeconds: z._default(wholeNumber(0, 3600), 10),
  /** Address and port at which health and metrics are served by HTTP; empty: none. */
  http: z._default(address, ""),
  /** Whether page and API are served there too where that isn't a loopback address. */
  httpAll: z._default(flag, false),
  /** Where this process alone says whether it is ready, on standby too; empty: nowhere. */
  probeSocket: z._default(pathOrNone, ""),
  onKubeletStatic: z._default(z.enum(["warn", "refuse"], "must be warn or refuse"), "warn"),
  log: z.prefault(log, {}),
  /** In the order in which they are tried. */
  criSockets: z._default(paths, [
    "/run/containerd/containerd.sock",
    "/run/k3s/containerd/containerd.sock",
    "/run/crio/crio.sock",
  ]),
  /** Empty: systemd isn't asked. */
  systemBus: z._default(pathOrNone, "/run/dbus/system_bus_socket"),
  runDir: z._default(path, "/run/weka-cpuset"),
  sysfsRoot: z._default(path, "/sys"),
  cgroupRoot: z._default(path, "/sys/fs/cgroup"),
  procRoot: z._default(path, "/proc"),
  kubeletRoot: z._default(path, "/var/lib/kubelet"),
}, "must be a mapping of keys to values");

/** The configuration, complete and checked. */
export type Config = z.output<typeof schema>;

export const DEFAULTS: Config = schema.parse({});

/** The log file of launched mode, which has no standard error, unless `log.file` names another. */
export const LAUNCHED_LOG_FILE = "/var/log/weka-cpuset.log";
