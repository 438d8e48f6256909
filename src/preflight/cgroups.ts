/** The cgroup tree: its version, its driver, whether it can be written, whether a fence is possible, and CFS quotas. */
import { findHierarchy } from "../cgroup/hierarchy.ts";
import { writeProblem } from "../cgroup/kernel_cpusets.ts";
import type { Config } from "../config/schema.ts";
import { openSystemBus } from "../systemd/system_bus.ts";
import { type KubeletFacts, settingOf } from "./kubelet.ts";
import type { RuntimeFacts } from "./runtime.ts";
import { fail, pass, type Verdict, warn } from "./verdict.ts";

/** What is known of it. */
export type CgroupFacts =
  | {
    readonly kind: "known";
    readonly version: 1 | 2;
    readonly root: string;
    /** Why it can't be written: a clause. */
    readonly readOnly?: string;
    /** Why systemd can't be asked: a sentence. */
    readonly noBus?: string;
  }
  | { readonly kind: "unknown"; readonly reason: string };

/** A slice that every systemd has. */
const SLICE = "system.slice";
/** Milliseconds for systemd's answer. */
const BUS_DEADLINE_MS = 2000;

/** Throws nothing. */
export function readCgroups({ cgroupRoot, systemBus }: Config): CgroupFacts {
  const hierarchy = findHierarchy(cgroupRoot);
  if (hierarchy.kind === "unverified") return { kind: "unknown", reason: hierarchy.reason };
  const readOnly = writeProblem(hierarchy);
  const noBus = busProblem(systemBus);
  return {
    kind: "known",
    version: hierarchy.version,
    root: hierarchy.root,
    ...(readOnly === undefined ? {} : { readOnly }),
    ...(noBus === undefined ? {} : { noBus }),
  };
}

function busProblem(path: string): string | undefined {
  if (path === "") return "systemBus is empty";
  const bus = openSystemBus(path);
  const asked = bus.allowedCpus(SLICE, BUS_DEADLINE_MS);
  bus.close();
  return asked.kind === "failed" ? asked.reason : undefined;
}

const CONFIG = "in /etc/weka-cpuset/config.yaml:";

export function checkCgroupVersion(cgroups: CgroupFacts): Verdict {
  if (cgroups.kind === "unknown") {
    return fail(cgroups.reason, `mount the cgroup tree, or name where it is: ${CONFIG} cgroupRoot`);
  }
  const { version, root } = cgroups;
  return version === 2 ? pass(`cgroup v2 at ${root}`) : warn(
    `cgroup v1 at ${root}: no fence by default, and the kernel takes offline CPUs from every set for good`,
    "boot with cgroup v2: systemd.unified_cgroup_hierarchy=1 on the kernel's command line",
  );
}

export function checkCgroupDriver(
  runtime: RuntimeFacts,
  { settings }: Pick<KubeletFacts, "settings">,
): Verdict {
  const systemd = runtime.kind === "known" ? runtime.systemdCgroup : undefined;
  const kubelet = settingOf(settings, "cgroupDriver", "cgroupfs");
  if (systemd === undefined && kubelet === undefined) {
    return warn("the cgroup driver is unknown", "run preflight as root on the node, beside its runtime");
  }
  const own = systemd === undefined ? undefined : systemd ? "systemd" : "cgroupfs";
  // From 1.31 on kubelet asks the runtime, if that answers (KubeletCgroupDriverFromCRI), whatever is configured.
  if (own === undefined || kubelet === undefined || own === kubelet) {
    return pass(`the cgroup driver is ${own ?? kubelet}`);
  }
  return warn(
    `the runtime's cgroup driver is ${own}, kubelet's ${kubelet}, unless it asks the runtime (containerd 2, Kubernetes 1.31)`,
    `in ${settings.file}: cgroupDriver: ${own}; systemctl restart kubelet`,
  );
}

export function checkCgroupTree(cgroups: CgroupFacts, { apply }: Pick<Config, "apply">): Verdict {
  if (cgroups.kind === "unknown") return fail(cgroups.reason, `${CONFIG} cgroupRoot: /sys/fs/cgroup`);
  if (cgroups.readOnly !== undefined) {
    return warn(
      `${cgroups.readOnly}; updates go through the runtime, which reports no failure`,
      "mount -o remount,rw /sys/fs/cgroup, and run the agent as root",
    );
  }
  return apply === "runtime"
    ? warn("the tree can be written, but apply is runtime, which reports no failure", `${CONFIG} apply: auto`)
    : pass(`${cgroups.root} can be written`);
}

export function checkFence(
  cgroups: CgroupFacts,
  runtime: RuntimeFacts,
  { fence, apply }: Pick<Config, "fence" | "apply">,
): Verdict {
  if (fence === "off") {
    return pass("no fence, as configured: what starts while no agent runs may be on exclusive CPUs");
  }
  if (cgroups.kind === "unknown") {
    return warn(`no fence is possible: ${cgroups.reason}`, "see the check cgroup-version");
  }
  const { version, readOnly, noBus } = cgroups;
  if (readOnly !== undefined || apply === "runtime") {
    return warn(`no fence is possible: ${readOnly ?? "apply is runtime"}`, "see the check cgroup-tree");
  }
  if (version === 1 && fence === "auto") {
    return warn(
      "no fence in cgroup v1 by default: what starts while no agent runs may be on exclusive CPUs",
      `${CONFIG} fence: on`,
    );
  }
  const isSystemd = runtime.kind !== "known" || runtime.systemdCgroup !== false;
  if (version === 2 && isSystemd && noBus !== undefined) {
    return warn(
      `the fence is weak, since systemd empties it when the last pod of a class ends: ${noBus}`,
      "make the system bus reachable: mount /run/dbus, as in deploy/manifests/daemonset.yaml, or name its socket: systemBus",
    );
  }
  return pass(
    version === 2 && isSystemd ? "a fence is possible, and systemd keeps it" : "a fence is possible",
  );
}

export function checkQuota(
  { settings }: Pick<KubeletFacts, "settings">,
  { exclusiveQuota }: Pick<Config, "exclusiveQuota">,
): Verdict {
  if (exclusiveQuota === "off") return pass("exclusive and pinned containers have no CFS quota");
  if (settingOf(settings, "cpuCFSQuota", "true") === "false") {
    return pass("kubelet gives no CFS quotas (cpuCFSQuota)");
  }
  return warn(
    "exclusive containers keep their CFS quota, by which the kernel throttles them now and then on their own CPUs",
    `${CONFIG} exclusiveQuota: off`,
  );
}
