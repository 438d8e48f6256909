/** Every check, by the facts that it is made from: a node on which all pass, and what turns one of them. */
import assert from "node:assert/strict";
import { DEFAULTS } from "../../../src/config/schema.ts";
import { CpuSet } from "../../../src/cpu/cpu_set.ts";
import { CHECKS, findingsOf, type NodeFacts } from "../../../src/preflight/preflight.ts";
import type { RuntimeProcess } from "../../../src/preflight/runtime.ts";
import { madeMachine } from "../../../src/plan/made_machine.ts";
import { Topology } from "../../../src/cpu/topology.ts";

const MACHINE = madeMachine("1s1n8c2t");
assert(MACHINE instanceof Topology);
const TOPOLOGY = MACHINE;

/** What sysfs shows of a machine as `plan` describes them. */
function machineOf(text: string): NodeFacts["machine"] {
  const topology = madeMachine(text);
  assert(topology instanceof Topology);
  return { kind: "known", topology, warnings: [], online: topology.online };
}

const cpus = (list: string) => CpuSet.parse(list) as CpuSet;

const PROCESS: RuntimeProcess = {
  pid: 7,
  words: ["containerd"],
  cpus: cpus("0-15"),
  unit: "containerd.service",
};
const RUNTIME = {
  kind: "known",
  socket: "/run/c.sock",
  name: "containerd",
  version: "2.1.9",
  systemdCgroup: true,
  runc: "1.3.1",
  process: PROCESS,
} as const;
const FOLDER = {
  path: "/opt/nri/plugins",
  isOpen: false,
  own: ["99-weka-cpuset"],
  unexecutable: [],
  others: [],
} as const;
const CONFIG = { kind: "read", file: "/etc/containerd/config.toml", nri: {}, misplaced: [] } as const;
const NRI = { socket: "/run/nri/nri.sock", config: CONFIG, folder: FOLDER } as const;
const SETTINGS = {
  kind: "read",
  file: "/var/lib/kubelet/config.yaml",
  values: { cgroupDriver: "systemd", reservedSystemCPUs: "0,8" },
} as const;
const KUBELET = {
  cpuManager: { kind: "known", policy: "none", source: "/state", holders: [] },
  memoryPolicy: "None",
  settings: SETTINGS,
} as const;
const CGROUPS = { kind: "known", version: 2, root: "/sys/fs/cgroup" } as const;
const HOST = { daemons: cpus("0,8"), kernel: "6.12.48-amd64" };
const UNKNOWN_SETTINGS = { kind: "unknown", file: "/k.yaml", reason: "there is no such file" } as const;

/** A node with nothing to mend. */
const GOOD: NodeFacts = {
  config: { ...DEFAULTS, systemReserved: cpus("0,8"), exclusiveQuota: "off" },
  runtime: RUNTIME,
  nri: NRI,
  kubelet: KUBELET,
  cgroups: CGROUPS,
  machine: machineOf("1s1n8c2t"),
  host: HOST,
  glibc: [2, 36, 0],
};

const config = (change: Partial<NodeFacts["config"]>) => ({ config: { ...GOOD.config, ...change } });
const runtime = (change: Record<string, unknown>) => ({ runtime: { ...RUNTIME, ...change } });
const nriTable = (nri: Record<string, unknown>, more: Partial<NodeFacts["nri"]> = {}) => ({
  nri: { ...NRI, ...more, config: { ...CONFIG, nri } },
});
const folder = (change: Partial<NodeFacts["nri"]["folder"]>) => ({
  nri: { ...NRI, folder: { ...FOLDER, ...change } },
});
const kubelet = (change: Partial<NodeFacts["kubelet"]>) => ({ kubelet: { ...KUBELET, ...change } });
const settings = (values: Record<string, unknown>) => kubelet({ settings: { ...SETTINGS, values } });
const cgroups = (change: Record<string, unknown>) => ({ cgroups: { ...CGROUPS, ...change } });
const NO_SOCKET = { unreachable: "there is no such socket" };
const OFF_17 = { ...runtime({ version: "1.7.24~ds1" }), nri: { ...NRI, ...NO_SOCKET } };
const UNKNOWN = { kind: "unknown", reason: "nobody answers" } as const;

type Case = readonly [
  what: string,
  check: string,
  Partial<NodeFacts>,
  "pass" | "warn" | "fail",
  ...said: RegExp[],
];

/** The same machine, booted with isolcpus=4-7. */
const ISOLATED: NodeFacts["machine"] = {
  kind: "known",
  warnings: [],
  online: TOPOLOGY.online,
  topology: new Topology(
    TOPOLOGY.cores.flatMap(({ threads, ...core }) => threads.map((id) => ({ ...core, id }))),
    TOPOLOGY.nodes,
    {
      possible: TOPOLOGY.online,
      present: TOPOLOGY.online,
      isolated: cpus("4-7"),
      nohzFull: CpuSet.empty,
      withheld: [],
    },
  ),
};

const CASES: readonly Case[] = [
  ["no runtime", "runtime", { runtime: UNKNOWN }, "fail", /nobody answers/, /--cri-socket/],
  ["an old containerd", "runtime", runtime({ version: "1.6.36" }), "fail", /has no NRI/, /1\.7\.24 or newer/],
  [
    "an untested 1.7",
    "runtime",
    runtime({ version: "1.7.3" }),
    "warn",
    /oldest that the agent is tested with/,
  ],
  ["another runtime", "runtime", runtime({ name: "cri-o", version: "1.31" }), "warn", /containerd only/],
  [
    "1.7's default",
    "nri",
    OFF_17,
    "fail",
    /1\.7 has it off/,
    /config\.toml: .*nri"\] disable = false; then systemctl restart/,
  ],
  [
    "2.x, switched off",
    "nri",
    nriTable({ disable: true }, NO_SOCKET),
    "fail",
    /has disable = true/,
    /disable = false/,
  ],
  [
    "a socket elsewhere",
    "nri",
    nriTable({ socket_path: "/run/x.sock" }, NO_SOCKET),
    "fail",
    /is \/run\/x\.sock/,
    /socket: \/run\/x/,
  ],
  [
    "the same socket, by a link",
    "nri",
    nriTable({ socket_path: "/var/run/nri/nri.sock" }, NO_SOCKET),
    "fail",
    /NRI is on in/,
  ],
  [
    "no connections, and launched",
    "nri",
    nriTable({ disable_connections: true }, NO_SOCKET),
    "pass",
    /99-weka-cpuset/,
  ],
  [
    "no connections, and nobody launched",
    "nri",
    { nri: { ...nriTable({ disable_connections: true }, NO_SOCKET).nri, folder: { ...FOLDER, own: [] } } },
    "fail",
    /takes no connections/,
    /disable_connections = false/,
  ],
  [
    "not restarted",
    "nri",
    nriTable({ disable: false }, NO_SOCKET),
    "fail",
    /NRI is on in/,
    /^systemctl restart containerd$/,
  ],
  [
    "no runtime, no NRI",
    "nri",
    { runtime: UNKNOWN, nri: { ...NRI, ...NO_SOCKET } },
    "fail",
    /no runtime answers/,
  ],
  [
    "an unreadable configuration",
    "nri",
    {
      nri: {
        ...NRI,
        ...NO_SOCKET,
        config: { kind: "unknown", file: "/c.toml", reason: "it is world-writable" },
      },
    },
    "fail",
    /\/c\.toml can't be read: it is world-writable/,
  ],
  [
    "a time-out in the wrong table",
    "nri-timeouts",
    {
      nri: {
        ...NRI,
        config: {
          ...CONFIG,
          misplaced: [{ key: "plugin_request_timeout", table: "[grpc]", file: "/d.toml" }],
        },
      },
    },
    "warn",
    /plugin_request_timeout has no effect in \[grpc\] of \/d\.toml/,
    /move the line plugin_request_timeout to \[plugins/,
  ],
  [
    "a short time-out",
    "nri-timeouts",
    nriTable({ plugin_request_timeout: "500ms" }),
    "warn",
    /is 500ms/,
    /= "2s"$/,
  ],
  [
    "a table for a duration",
    "nri-timeouts",
    nriTable({ plugin_request_timeout: Object.create(null) }),
    "warn",
    /plugin_request_timeout is \{\}/,
  ],
  [
    "a longer one",
    "nri-timeouts",
    nriTable({ plugin_request_timeout: "1m30s" }),
    "pass",
    /plugin_request_timeout is 90 s/,
  ],
  ["no duration", "nri-timeouts", nriTable({ plugin_registration_timeout: 5 }), "warn", /is 5:/, /= "5s"$/],
  [
    "an open plugin directory",
    "plugin-directory",
    folder({ isOpen: true }),
    "fail",
    /is root/,
    /chmod go-w \/opt\/nri\/plugins$/,
  ],
  [
    "a plugin that can't run",
    "plugin-directory",
    folder({ unexecutable: ["99-weka-cpuset"] }),
    "warn",
    /isn't executable/,
    /^chmod 755/,
  ],
  [
    "two of ours",
    "plugin-directory",
    folder({ own: ["10-weka-cpuset", "99-weka-cpuset"] }),
    "warn",
    /standby/,
    /^rm .*99-/,
  ],
  [
    "required",
    "required-plugins",
    {
      ...runtime({ version: "2.2.1" }),
      ...nriTable({ default_validator: { enable: true, required_plugins: ["weka-cpuset"] } }),
    },
    "pass",
  ],
  [
    "required, before 2.2",
    "required-plugins",
    {
      ...runtime({ version: "2.1.9" }),
      ...nriTable({ default_validator: { enable: true, required_plugins: ["x"] } }),
    },
    "warn",
    /no effect before containerd 2\.2/,
  ],
  [
    "required with its index",
    "required-plugins",
    {
      ...runtime({ version: "2.2.0" }),
      ...nriTable({ default_validator: { enable: true, required_plugins: ["99-weka-cpuset"] } }),
    },
    "fail",
    /nothing can be created/,
    /required_plugins = \["weka-cpuset"\]$/,
  ],
  [
    "another CPU plugin",
    "other-plugins",
    folder({ others: ["10-balloons"] }),
    "fail",
    /10-balloons writes cpusets/,
    /^rm .*10-balloons; systemctl/,
  ],
  ["runc unknown", "runc", { runtime: { ...RUNTIME, runc: "?" } }, "warn", /doesn't say/],
  ["an old runc", "runc", runtime({ runc: "1.1.5+ds1" }), "warn", /1\.1\.5\+ds1 leaves/, /1\.2\.7, 1\.3\.1/],
  ["runc 1.3.0", "runc", runtime({ runc: "1.3.0" }), "warn"],
  ["runc 1.2.7", "runc", runtime({ runc: "1.2.7" }), "pass"],
  [
    "a mask, and an old runc",
    "runtime-affinity",
    runtime({ runc: "1.1.5", process: { ...PROCESS, cpus: cpus("0-1") } }),
    "fail",
    /CPUs 0-1 only/,
    /containerd\.service\.d.*CPUAffinity=/,
  ],
  [
    "a mask, and a runc that undoes it",
    "runtime-affinity",
    runtime({ process: { ...PROCESS, cpus: cpus("0-1") } }),
    "pass",
  ],
  [
    "a mask, and a runc that isn't known",
    "runtime-affinity",
    runtime({ runc: "?", process: { ...PROCESS, cpus: cpus("0-1") } }),
    "warn",
    /unless runc/,
    /CPUAffinity=/,
  ],
  [
    "a mask, on an old kernel",
    "runtime-affinity",
    {
      ...runtime({ runc: "1.1.5", process: { ...PROCESS, cpus: cpus("0-1") } }),
      host: { ...HOST, kernel: "6.1.0" },
    },
    "pass",
    /replaces an inherited mask/,
  ],
  ["a process that isn't seen", "runtime-affinity", { runtime: UNKNOWN }, "warn", /unknown/],
  [
    "the static CPU manager",
    "cpu-manager",
    kubelet({ cpuManager: { kind: "known", policy: "static", source: "/state", holders: [] } }),
    "fail",
    /policy static/,
    /cpuManagerPolicy: none/,
  ],
  [
    "the static CPU manager, by its configuration",
    "cpu-manager",
    kubelet({ cpuManager: UNKNOWN, settings: { ...SETTINGS, values: { cpuManagerPolicy: "static" } } }),
    "fail",
    /cpuManagerPolicy is static/,
  ],
  [
    "no kubelet",
    "cpu-manager",
    kubelet({ cpuManager: UNKNOWN, settings: UNKNOWN_SETTINGS }),
    "warn",
    /unknown/,
  ],
  [
    "the static memory manager",
    "memory-manager",
    kubelet({ memoryPolicy: "Static" }),
    "warn",
    /memoryManagerPolicy is Static/,
    /None/,
  ],
  [
    "a topology manager",
    "topology-manager",
    settings({ topologyManagerPolicy: "single-numa-node" }),
    "warn",
    /single-numa-node/,
  ],
  [
    "a mapping for a policy",
    "topology-manager",
    settings({ topologyManagerPolicy: { toString: 1 } }),
    "warn",
    /"toString":1/,
  ],
  [
    "no configuration",
    "topology-manager",
    kubelet({ settings: UNKNOWN_SETTINGS }),
    "warn",
    /there is no such file/,
    /--host-root/,
  ],
  [
    "nothing reserved",
    "allocatable",
    settings({}),
    "fail",
    /offers 16 of 16 CPUs, and 14 of them.*with 16 CPUs would be scheduled here and refused for ever/,
    /reservedSystemCPUs: "0,8"/,
  ],
  [
    "less than one CPU more",
    "allocatable",
    settings({ kubeReserved: { cpu: "1500m" }, systemReserved: { cpu: "100m" } }),
    "pass",
  ],
  [
    "too little reserved",
    "allocatable",
    settings({ kubeReserved: { cpu: "900m" } }),
    "fail",
    /offers 15\.1 of 16/,
  ],
  [
    "a larger shared pool",
    "allocatable",
    config({ systemReserved: CpuSet.empty, minShared: 4 }),
    "fail",
    /offers 14 of 16 CPUs, and 12/,
    /reservedSystemCPUs: "0-3"/,
  ],
  [
    "isolated CPUs that are kept for claims",
    "allocatable",
    { ...settings({}), ...config({ isolatedCpus: "exclusive" }), machine: ISOLATED },
    "fail",
    /offers 16 of 16 CPUs, and 14 of them/,
  ],
  [
    "a pod that fills an empty node with two CPUs",
    "allocatable",
    { ...settings({}), ...config({ systemReserved: CpuSet.empty }), machine: machineOf("1s1n2c1t") },
    "fail",
    /offers 2 of 2 CPUs, and 1 of them.*with 2 CPUs would be scheduled here and refused for ever/,
    /reservedSystemCPUs: "0"/,
  ],
  [
    "CPUs that are none",
    "allocatable",
    settings({ reservedSystemCPUs: { toString: 1 } }),
    "warn",
    /can't be understood/,
  ],
  [
    "what can't be understood",
    "allocatable",
    settings({ kubeReserved: { cpu: "lots" } }),
    "warn",
    /can't be understood/,
  ],
  ["quotas", "cfs-quota", config({ exclusiveQuota: "keep" }), "warn", /throttles/, /exclusiveQuota: off/],
  ["a kubelet without quotas", "cfs-quota", {
    ...config({ exclusiveQuota: "keep" }),
    ...settings({ cpuCFSQuota: false }),
  }, "pass"],
  ["cgroup v1", "cgroup-version", cgroups({ version: 1 }), "warn", /v1/, /unified_cgroup_hierarchy=1/],
  ["no tree", "cgroup-version", { cgroups: UNKNOWN }, "fail", /nobody answers/],
  [
    "two drivers",
    "cgroup-driver",
    settings({ cgroupDriver: "cgroupfs" }),
    "warn",
    /systemd, kubelet's cgroupfs/,
    /cgroupDriver: systemd/,
  ],
  [
    "a read-only tree",
    "cgroup-tree",
    cgroups({ readOnly: "it can't be written (EROFS)" }),
    "warn",
    /EROFS/,
    /remount,rw/,
  ],
  ["apply: runtime", "cgroup-tree", config({ apply: "runtime" }), "warn", /apply is runtime/, /apply: auto/],
  [
    "no bus",
    "fence",
    cgroups({ noBus: "there is no system bus" }),
    "warn",
    /weak.*there is no system bus/,
    /\/run\/dbus/,
  ],
  [
    "no bus, and cgroupfs",
    "fence",
    { ...cgroups({ noBus: "none" }), ...runtime({ systemdCgroup: false }) },
    "pass",
  ],
  ["cgroup v1, by default", "fence", cgroups({ version: 1 }), "warn", /no fence in cgroup v1/, /fence: on/],
  ["cgroup v1, asked for", "fence", { ...cgroups({ version: 1 }), ...config({ fence: "on" }) }, "pass"],
  [
    "a fence in a read-only tree",
    "fence",
    cgroups({ readOnly: "EROFS" }),
    "warn",
    /no fence is possible: EROFS/,
  ],
  [
    "a fence with apply: runtime",
    "fence",
    config({ apply: "runtime" }),
    "warn",
    /no fence is possible: apply is runtime/,
  ],
  ["no fence, as configured", "fence", config({ fence: "off" }), "pass", /as configured/],
  [
    "no sysfs",
    "sysfs",
    { machine: { kind: "unknown", reason: "no online CPUs" } },
    "fail",
    /no online CPUs/,
    /sysfsRoot/,
  ],
  [
    "isolated CPUs in the pool",
    "isolated-cpus",
    { machine: ISOLATED },
    "warn",
    /CPUs 4-7 are isolated/,
    /isolatedCpus: exclusive/,
  ],
  [
    "daemons everywhere",
    "host-daemons",
    { host: { ...HOST, daemons: cpus("0-15") } },
    "warn",
    /of which 1-7,9-15/,
    /hostFence: reserved/,
  ],
  [
    "daemons behind a fence",
    "host-daemons",
    { ...config({ hostFence: "reserved" }), host: { kernel: "" } },
    "pass",
  ],
  ["daemons unknown", "host-daemons", { host: { kernel: "" } }, "warn", /unknown/],
  [
    "irqbalance",
    "irqbalance",
    { host: { ...HOST, irqbalance: { file: "/etc/default/irqbalance", banned: cpus("1-7") } } },
    "warn",
    /CPUs 9-15, which/,
    /IRQBALANCE_BANNED_CPULIST=1-7,9-15;/,
  ],
  [
    "irqbalance, and nothing reserved",
    "irqbalance",
    { ...config({ systemReserved: CpuSet.empty }), host: { ...HOST, irqbalance: { file: "/f" } } },
    "warn",
    /banned: none/,
    /systemReserved: 0,8;/,
  ],
  [
    "irqbalance, which leaves out isolated CPUs",
    "irqbalance",
    { machine: ISOLATED, host: { ...HOST, irqbalance: { file: "/f" } } },
    "warn",
    /CPUs 1-3,9-15, which/,
  ],
  ["irqbalance, tamed", "irqbalance", {
    host: { ...HOST, irqbalance: { file: "/f", banned: cpus("1-7,9-15") } },
  }, "pass"],
  ["an old glibc", "glibc", { glibc: [2, 17, 0] }, "fail", /has glibc 2\.17, .* needs glibc 2\.27/, /image/],
  ["musl", "glibc", { glibc: undefined }, "warn", /no glibc was found/],
];

Deno.test("on a node with nothing to mend every check passes", () => {
  assert.deepEqual(findingsOf(GOOD).filter(({ result }) => result !== "pass"), []);
});

for (const [what, check, change, result, found = /./, mend = /./] of CASES) {
  Deno.test(`${check}: ${what}`, () => {
    const finding = findingsOf({ ...GOOD, ...change }).find((each) => each.check === check);
    assert(finding !== undefined, `there is no check ${check}`);
    assert.equal(finding.result, result, finding.found);
    assert.match(finding.found, found);
    if (finding.result !== "pass") assert.match(finding.mend, mend);
  });
}

Deno.test("every check is seen not to pass", () => {
  const seen = new Set(CASES.filter(([, , , result]) => result !== "pass").map(([, check]) => check));
  assert.deepEqual(Object.keys(CHECKS).filter((check) => !seen.has(check)), []);
});

Deno.test("docs/preflight.md has a section for each check, in their order", () => {
  const docs = Deno.readTextFileSync(new URL("../../../docs/preflight.md", import.meta.url));
  const sections = [...docs.matchAll(/^### `([\w-]+)`$/gm)].map(([, check]) => check);
  assert.deepEqual(sections, Object.keys(CHECKS));
  for (const section of docs.split(/^### /m).slice(1)) {
    assert.match(section, /^\*\*Mend:\*\* /m, `the section ${section.split("\n")[0]} says how to mend it`);
  }
});
