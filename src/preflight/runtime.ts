/** The container runtime: what it says of itself by the CRI, and what is seen of its process. */
import type { Config } from "../config/schema.ts";
import { CpuSet } from "../cpu/cpu_set.ts";
import { Cri } from "../cri/cri.ts";
import { BlockingSocket } from "../platform/blocking_socket.ts";
import { at, parseJson, textAt } from "../platform/json_at.ts";
import { printable } from "../platform/printable.ts";
import { readerOf } from "../platform/sysfs.ts";
import { flagIn, type HostProcess, processAt, processesCalled } from "./host_files.ts";
import { atLeast, type Version, versionIn } from "./versions.ts";
import { fail, pass, type Verdict, warn } from "./verdict.ts";

/** What is known of the runtime. */
export type RuntimeFacts =
  | {
    readonly kind: "known";
    readonly socket: string;
    readonly name: string;
    /** As it says it. */
    readonly version: string;
    /** Whether runc makes cgroups by systemd; absent: it doesn't say. */
    readonly systemdCgroup?: boolean;
    /** The version of its runc; absent: it doesn't say (containerd 1.7), or has another program in its place. */
    readonly runc?: string;
    /** Absent: it can't be seen from here. */
    readonly process?: RuntimeProcess;
  }
  /** `reason` is a clause. */
  | { readonly kind: "unknown"; readonly reason: string };

export interface RuntimeProcess extends HostProcess {
  /** The CPUs that it may use: a mask, which containers may inherit, and the set of its cgroup. */
  readonly cpus?: CpuSet;
  /** Its unit, where systemd runs it. */
  readonly unit?: string;
}

/** Asks the first runtime of `criSockets` that answers; takes some seconds at most, and throws nothing. */
export async function readRuntime({ criSockets, procRoot }: Config): Promise<RuntimeFacts> {
  try {
    const cri = await Cri.connect(criSockets);
    try {
      const { name, version, config } = await cri.about();
      const { driver, binary } = runcIn(config);
      const { runcVersion } = await import("../cri/runc_version.ts");
      const runc = name === "containerd" ? await runcVersion(cri.socket, binary) : undefined;
      return {
        kind: "known",
        socket: cri.socket,
        name: printable(name),
        version: printable(version),
        ...driver,
        ...(runc === undefined ? {} : { runc: printable(runc) }),
        ...processOf(cri.socket, procRoot),
      };
    } finally {
      cri.close();
    }
  } catch (error) {
    return { kind: "unknown", reason: printableReason(error) };
  }
}

/** What is longer than a name: a sentence with several sockets in it. */
function printableReason(error: unknown): string {
  return (error as Error).message.replace(/[^\x20-\x7e]/g, "?").slice(0, 500);
}

/** Of its default runtime's options (containerd, pkg/cri/config): the driver, and what stands for runc, empty by default. */
function runcIn(
  config: string,
): { readonly driver: { readonly systemdCgroup?: boolean }; readonly binary: string } {
  const containerd = at(parseJson(config), "containerd");
  const options = at(containerd, "runtimes", textAt(containerd, "defaultRuntimeName"), "options");
  const systemd = at(options, "SystemdCgroup");
  return {
    driver: typeof systemd === "boolean" ? { systemdCgroup: systemd } : {},
    binary: textAt(options, "BinaryName"),
  };
}

/** Who listens on the socket; where that can't be seen, a process with the name of a runtime. */
function processOf(socket: string, procRoot: string): { readonly process?: RuntimeProcess } {
  const pid = listenerOf(socket);
  const found = pid === 0
    ? [...processesCalled(procRoot, ["containerd", "crio"]).values()][0]
    : processAt(procRoot, pid);
  if (found === undefined || found.words.length === 0) return {};
  const read = readerOf(procRoot);
  const cpus = allowedIn(read(`${found.pid}/status`));
  const unit = /\/([^/\n]+\.service)$/m.exec(read(`${found.pid}/cgroup`) ?? "")?.[1];
  return {
    process: {
      ...found,
      ...(cpus === undefined ? {} : { cpus }),
      ...(unit === undefined ? {} : { unit: printable(unit) }),
    },
  };
}

function listenerOf(socket: string): number {
  try {
    const connection = BlockingSocket.connect(socket);
    const pid = connection.peerPid;
    connection.close();
    return pid;
  } catch {
    return 0;
  }
}

/** Of /proc/PID/status. */
export function allowedIn(status: string | undefined): CpuSet | undefined {
  const list = /^Cpus_allowed_list:\s*(\S*)$/m.exec(status ?? "")?.[1];
  const cpus = list === undefined ? undefined : CpuSet.parse(list);
  return cpus instanceof CpuSet ? cpus : undefined;
}

/** The configuration file that containerd was started with. */
export function configFileOf(runtime: RuntimeFacts): string {
  const words = runtime.kind === "known" ? runtime.process?.words ?? [] : [];
  const named = flagIn(words, "config", "c");
  return named?.startsWith("/") ? named : "/etc/containerd/config.toml";
}

/** How the runtime is restarted. */
export function restart(runtime: RuntimeFacts): string {
  const unit = runtime.kind === "known" ? runtime.process?.unit : undefined;
  return `systemctl restart ${unit?.replace(/\.service$/, "") ?? "containerd"}`;
}

/** Of containerd; undefined for another runtime. */
export function containerdVersion(runtime: RuntimeFacts): Version | undefined {
  return runtime.kind === "known" && runtime.name === "containerd" ? versionIn(runtime.version) : undefined;
}

/** The first with NRI, and the oldest that the agent is tested with. */
const FIRST: Version = [1, 7, 0];
const TESTED: Version = [1, 7, 24];

export function checkRuntime(runtime: RuntimeFacts): Verdict {
  if (runtime.kind === "unknown") {
    return fail(runtime.reason, "start the runtime, as root, or name its CRI socket: --cri-socket PATH");
  }
  const { name, version, socket } = runtime;
  const said = `${name} ${version} answers at ${socket}`;
  const number = containerdVersion(runtime);
  if (number === undefined) {
    return warn(`${said}; the agent is tested with containerd only`, "use containerd 1.7.24 or newer");
  }
  if (!atLeast(number, FIRST)) {
    return fail(`${said}, which has no NRI`, "update containerd to 1.7.24 or newer");
  }
  if (!atLeast(number, TESTED)) {
    return warn(
      `${said}; 1.7.24 is the oldest that the agent is tested with`,
      "update containerd to 1.7.24 or newer",
    );
  }
  return pass(said);
}

/** Whether this runc gives a container's processes the CPUs of its set, whatever mask it has itself. */
export function undoesMasks(runc: Version): boolean {
  return atLeast(runc, [1, 3, 1]) || (atLeast(runc, [1, 2, 7]) && !atLeast(runc, [1, 3, 0]));
}

export function checkRunc(runtime: RuntimeFacts): Verdict {
  const runc = runtime.kind === "known" ? runtime.runc : undefined;
  const version = versionIn(runc ?? "");
  const update = "update runc to 1.2.7, 1.3.1 or newer";
  if (version === undefined) {
    return warn(
      "the runtime doesn't say its runc's version (containerd 2.0 or newer does)",
      `runc --version; then, where older: ${update}`,
    );
  }
  return undoesMasks(version) ? pass(`runc ${runc}`) : warn(
    `runc ${runc} leaves containers the mask that its caller has (CPUAffinity= of the runtime's unit)`,
    update,
  );
}
