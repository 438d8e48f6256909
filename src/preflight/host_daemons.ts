/** What else runs on exclusive CPUs: the host's daemons, and interrupts; and the masks that containers inherit. */
import { findHierarchy } from "../cgroup/hierarchy.ts";
import type { Config } from "../config/schema.ts";
import { CpuSet } from "../cpu/cpu_set.ts";
import type { Policy } from "../ledger/policy.ts";
import { printable } from "../platform/printable.ts";
import { readerOf } from "../platform/sysfs.ts";
import { type HostFiles, processesCalled } from "./host_files.ts";
import { exclusiveRoom, forHost, type MachineFacts } from "./machine.ts";
import { allowedIn, restart, type RuntimeFacts, undoesMasks } from "./runtime.ts";
import { fail, pass, type Verdict, warn } from "./verdict.ts";
import { atLeast, versionIn } from "./versions.ts";

/** What is known of the host besides its containers. */
export interface HostFacts {
  /** The CPUs that daemons may use, by the mask of process 1 and the set of their slice; absent: unknown. */
  readonly daemons?: CpuSet;
  /** Absent: it doesn't run. */
  readonly irqbalance?: Irqbalance;
  /** The kernel's version: `6.12.48-amd64`. */
  readonly kernel: string;
}

interface Irqbalance {
  /** Its configuration, where distributions have it. */
  readonly file: string;
  /** CPUs that it moves no interrupts to; absent: not given. */
  readonly banned?: CpuSet;
}

/** Debian and Ubuntu; Red Hat and SUSE. */
const IRQBALANCE_FILES = ["/etc/default/irqbalance", "/etc/sysconfig/irqbalance"];

/** Throws nothing. */
export function readHost(files: HostFiles, { procRoot, cgroupRoot }: Config): HostFacts {
  const proc = readerOf(procRoot);
  const daemons = daemonCpus(allowedIn(proc("1/status")), sliceCpus(cgroupRoot));
  const runs = processesCalled(procRoot, ["irqbalance"]).size > 0;
  return {
    ...(daemons === undefined ? {} : { daemons }),
    ...(runs ? { irqbalance: readIrqbalance(files) } : {}),
    kernel: proc("sys/kernel/osrelease")?.trim() ?? "",
  };
}

function daemonCpus(mask: CpuSet | undefined, slice: CpuSet | undefined): CpuSet | undefined {
  return mask === undefined || slice === undefined ? mask ?? slice : mask.intersection(slice);
}

/** In force of systemd's slice of all services. */
function sliceCpus(cgroupRoot: string): CpuSet | undefined {
  const hierarchy = findHierarchy(cgroupRoot);
  if (hierarchy.kind === "unverified") return undefined;
  const file = hierarchy.version === 2 ? "cpuset.cpus.effective" : "cpuset.effective_cpus";
  const cpus = CpuSet.parse(readerOf(hierarchy.root)(`system.slice/${file}`) ?? "none");
  return cpus instanceof CpuSet ? cpus : undefined;
}

function readIrqbalance(files: HostFiles): Irqbalance {
  for (const file of IRQBALANCE_FILES) {
    const read = files.text(file);
    if (read.kind === "text") {
      const banned = bannedIn(read.text);
      return { file, ...(banned === undefined ? {} : { banned }) };
    }
  }
  return { file: IRQBALANCE_FILES[0] ?? "" };
}

/** A list, or in versions before 1.8 a mask of hexadecimal digits, 32 CPUs a group (irqbalance(1)). */
export function bannedIn(text: string): CpuSet | undefined {
  const list = valueIn(text, "IRQBALANCE_BANNED_CPULIST");
  if (list !== undefined) {
    const cpus = CpuSet.parse(list);
    return cpus instanceof CpuSet ? cpus : undefined;
  }
  const mask = valueIn(text, "IRQBALANCE_BANNED_CPUS")?.replaceAll(",", "").replace(/^0x/, "");
  if (mask === undefined || !/^[0-9a-f]{1,4096}$/i.test(mask)) return undefined;
  const digits = [...mask].reverse().map((digit) => parseInt(digit, 16));
  return CpuSet.from(
    digits.flatMap((digit, at) => [0, 1, 2, 3].filter((bit) => digit >> bit & 1).map((bit) => 4 * at + bit)),
  );
}

/** Of `NAME=value` or `NAME="value"`, as a shell has it; undefined: not set, or empty. */
function valueIn(text: string, name: string): string | undefined {
  return new RegExp(`^\\s*(?:export\\s+)?${name}=(["']?)([^"'\\n#]+?)\\1\\s*$`, "m").exec(text)?.[2];
}

/** The CPUs that exclusive containers may have; none where the machine is unknown. */
function exclusiveCpus(machine: MachineFacts, policy: Policy): CpuSet {
  return machine.kind === "known" ? exclusiveRoom(machine.topology, policy).cpus : CpuSet.empty;
}

function hiddenFrom(machine: MachineFacts): CpuSet {
  return machine.kind === "known" ? machine.topology.isolated.union(machine.topology.nohzFull) : CpuSet.empty;
}

const CONFIG = "in /etc/weka-cpuset/config.yaml:";

export function checkHostDaemons(
  host: HostFacts,
  machine: MachineFacts,
  config: Policy & Pick<Config, "hostFence">,
): Verdict {
  const { daemons } = host;
  if (config.hostFence !== "off") {
    return pass(`hostFence is ${config.hostFence}: the agent keeps the host's slices off exclusive CPUs`);
  }
  if (daemons === undefined) {
    return warn(
      "the CPUs of the host's daemons are unknown",
      "run preflight with the node's /proc: --host-root DIR",
    );
  }
  const both = daemons.intersection(exclusiveCpus(machine, config));
  if (both.isEmpty) {
    return pass(`daemons of the host may use CPUs ${daemons}, none of which can be exclusive`);
  }
  const reserved = config.systemReserved.isEmpty ? `systemReserved: ${forHost(machine)} and ` : "";
  return warn(
    `daemons of the host may use CPUs ${daemons}, of which ${both} can be exclusive`,
    `${CONFIG} ${reserved}hostFence: reserved (cgroup v2)`,
  );
}

export function checkIrqbalance({ irqbalance }: HostFacts, machine: MachineFacts, policy: Policy): Verdict {
  if (irqbalance === undefined) return pass("irqbalance doesn't run: no interrupts are moved");
  // It leaves out isolated and tickless CPUs by itself, unless it is given others (irqbalance(1)).
  const { file, banned = hiddenFrom(machine) } = irqbalance;
  const open = exclusiveCpus(machine, policy).difference(banned);
  if (open.isEmpty) {
    return pass(
      `irqbalance moves no interrupts to CPUs that can be exclusive (banned: ${printable(`${banned}`)})`,
    );
  }
  return policy.systemReserved.isEmpty
    ? warn(
      `irqbalance may move interrupts to exclusive CPUs (banned: ${
        banned.isEmpty ? "none" : printable(`${banned}`)
      })`,
      `${CONFIG} systemReserved: ${forHost(machine)}; then run preflight again for the list to ban`,
    )
    : warn(
      `irqbalance may move interrupts to CPUs ${open}, which can be exclusive`,
      `in ${file}: IRQBALANCE_BANNED_CPULIST=${exclusiveCpus(machine, policy)}; systemctl restart irqbalance`,
    );
}

/** The first kernel on which a mask outlives a move to another cgroup (sched: Always preserve the user requested cpumask). */
const KEEPS_MASKS = [6, 2, 0] as const;

/** A mask of the runtime's process, `CPUAffinity=` of its unit, is inherited by every container. */
export function checkRuntimeAffinity(
  runtime: RuntimeFacts,
  machine: MachineFacts,
  { kernel }: HostFacts,
): Verdict {
  const cpus = runtime.kind === "known" ? runtime.process?.cpus : undefined;
  if (cpus === undefined || machine.kind === "unknown") {
    return warn(
      "the CPUs of the runtime's process are unknown",
      "run preflight with the node's /proc and PID namespace: --host-root DIR",
    );
  }
  const lost = machine.online.difference(cpus);
  if (lost.isEmpty) return pass("the runtime may use all CPUs, so containers inherit no mask");
  const said = `the runtime may use CPUs ${cpus} only (CPUAffinity= of its unit, or a set of its cgroup)`;
  const version = versionIn(kernel);
  if (version !== undefined && !atLeast(version, KEEPS_MASKS)) {
    return pass(`${said}; Linux ${kernel} replaces an inherited mask by the container's set`);
  }
  const runc = versionIn(runtime.kind === "known" ? runtime.runc ?? "" : "");
  if (runc !== undefined && undoesMasks(runc)) {
    return pass(`${said}; runc ${runc.join(".")} undoes that for containers`);
  }
  const unit = runtime.kind === "known" ? runtime.process?.unit ?? "containerd.service" : "";
  const why =
    `${said}, and its containers inherit that from Linux 6.2 on, unless runc (1.2.7, 1.3.1) or crun (1.9.2) undoes it`;
  const mend =
    `in /etc/systemd/system/${unit}.d/affinity.conf: [Service] CPUAffinity= (empty); systemctl daemon-reload; ${
      restart(runtime)
    }`;
  return runc === undefined ? warn(why, mend) : fail(why, mend);
}
