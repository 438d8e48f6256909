/** The readers: a node's root directory, made of plain files, and what the checks say of it. */
import assert from "node:assert/strict";
import { DEFAULTS } from "../../../src/config/schema.ts";
import { bannedIn } from "../../../src/preflight/host_daemons.ts";
import { readSettings } from "../../../src/preflight/kubelet.ts";
import { HostFiles } from "../../../src/preflight/host_files.ts";
import { findingsOf, readNode } from "../../../src/preflight/preflight.ts";
import { versionIn } from "../../../src/preflight/versions.ts";
import { readerOf } from "../../../src/platform/sysfs.ts";
import { FileTree } from "../../kit/file_tree.ts";
import { machine } from "../../kit/machines/tree.ts";

// Loads libc, once for the process.
readerOf("/sys")("devices/system/cpu/online");

const KUBELET = {
  "proc/30/comm": "kubelet\n",
  "proc/30/cmdline":
    "kubelet\0--config=/etc/kubelet.yaml\0--config-dir=/etc/kubelet.d\0--system-reserved=cpu=500m,memory=1Gi\0",
  "etc/kubelet.yaml": "cgroupDriver: systemd\ncpuManagerPolicy: static\nkubeReserved: {cpu: 500m}\n",
  "etc/kubelet.d/10-cpu.conf": "cpuManagerPolicy: none\n",
  "etc/kubelet.d/notes.txt": "- no mapping",
  "var/lib/kubelet/memory_manager_state": '{"policyName":"Static"}',
};

/** A node with two CPUs, containerd 1.7's configuration and cgroup v2. */
const NODE = {
  ...KUBELET,
  ...Object.fromEntries([...machine("vm-2")].map(([path, content]) => [`sys/${path}`, content])),
  "sys/fs/cgroup/cgroup.controllers": "cpuset cpu\n",
  "sys/fs/cgroup/cgroup.procs": "",
  "sys/fs/cgroup/system.slice/cpuset.cpus.effective": "0\n",
  "proc/1/status": "Name:\tsystemd\nCpus_allowed_list:\t0-1\n",
  "proc/41/comm": "irqbalance\n",
  "proc/sys/kernel/osrelease": "6.12.48\n",
  "run/nri": "->/nowhere",
  "var/run": "->/run",
  "etc/default/irqbalance": '# IRQBALANCE_BANNED_CPULIST=0\nIRQBALANCE_BANNED_CPUS="00000000,00000002"\n',
  "etc/containerd/config.toml":
    '[plugins."io.containerd.nri.v1.nri"]\nplugin_path = "/plugins"\ndisable = true\n',
  "plugins/10-balloons": "",
  "lib64/libc.so.6": "->libc-2.17.so",
  "lib64/libc-2.17.so": "\0\x7fELF GNU C Library (GNU libc) stable release version 2.17, by Roland McGrath\n",
};

Deno.test("what the files of a node say", async () => {
  using tree = new FileTree(NODE);
  Deno.chmodSync(`${tree.root}/plugins/10-balloons`, 0o755);
  Deno.chmodSync(`${tree.root}/plugins`, 0o775);
  const facts = await readNode(DEFAULTS, tree.root);
  const said = new Map(findingsOf(facts).map((finding) => [finding.check, finding]));
  const expected: readonly [check: string, result: string, found: RegExp][] = [
    ["runtime", "fail", /no container runtime answers/],
    ["nri", "fail", /no such socket/],
    ["plugin-directory", "fail", /others than root can write \/plugins/],
    ["other-plugins", "fail", /\/plugins\/10-balloons/],
    ["cpu-manager", "pass", /\/etc\/kubelet\.yaml: cpuManagerPolicy is none/],
    ["memory-manager", "warn", /is Static/],
    ["allocatable", "pass", /offers 1 of 2 CPUs, and 1 of them/],
    ["cgroup-version", "pass", /^cgroup v2/],
    ["cgroup-tree", "pass", /can be written/],
    ["fence", "warn", /there is no system bus at .*\/run\/dbus/],
    ["sysfs", "pass", /CPUs 0-1 in 2 cores/],
    ["host-daemons", "warn", /may use CPUs 0, of which 0 can be/],
    ["irqbalance", "warn", /banned: 1\)/],
    ["glibc", "fail", /has glibc 2\.17/],
  ];
  for (const [check, result, found] of expected) {
    assert.equal(said.get(check)?.result, result, check);
    assert.match(said.get(check)?.found ?? "", found);
  }
});

Deno.test("who listens is known without a connection, by the kernel's list", async () => {
  const list = (flags: string) =>
    "Num       RefCount Protocol Flags    Type St Inode Path\n" +
    `0000000000000000: 00000002 00000000 ${flags} 0001 01 32023 /var/run/nri/nri.sock\n`;
  for (const [flags, isOn] of [["00010000", true], ["00000000", false]] as const) {
    using tree = new FileTree({ "proc/1/net/unix": list(flags), "var/run": "->/run", "run/nri/kept": "" });
    const path = `${tree.root}/run/nri/nri.sock`;
    // A socket file that nobody can connect to: closing removes it by its first name only.
    const listener = Deno.listen({ transport: "unix", path: `${path}.first` });
    Deno.renameSync(`${path}.first`, path);
    listener.close();
    const { nri } = await readNode({ ...DEFAULTS, systemBus: "" }, tree.root);
    assert.equal(nri.unreachable === undefined, isOn, flags);
    assert.equal(nri.socket, "/var/run/nri/nri.sock");
    Deno.removeSync(path);
    assert.notEqual((await readNode({ ...DEFAULTS, systemBus: "" }, tree.root)).nri.unreachable, undefined);
  }
});

Deno.test("a node without anything is said to have nothing, check by check, and nothing throws", async () => {
  using tree = new FileTree({ "etc/hostname": "bare" });
  const findings = findingsOf(await readNode({ ...DEFAULTS, systemBus: "" }, tree.root));
  assert.deepEqual(
    findings.filter(({ result }) => result === "fail").map(({ check }) => check),
    ["runtime", "nri", "cgroup-version", "cgroup-tree", "sysfs"],
  );
});

Deno.test("a configuration that anybody can write isn't believed", async () => {
  using tree = new FileTree(NODE);
  for (const file of ["etc/kubelet.yaml", "etc/containerd/config.toml", "etc/default/irqbalance"]) {
    Deno.chmodSync(`${tree.root}/${file}`, 0o666);
  }
  const { kubelet, nri, host } = await readNode(DEFAULTS, tree.root);
  assert.match(JSON.stringify(kubelet.settings), /"unknown".*world-writable/);
  assert.match(JSON.stringify(nri.config), /"unknown".*world-writable/);
  assert.equal(host.irqbalance?.banned, undefined);
});

Deno.test("kubelet's settings without its process are those of the usual file, if that is there", () => {
  using tree = new FileTree({
    "k.yaml": "cpuManagerPolicy: static\n",
    "odd.yaml": "- a",
    "bad.yaml": "a: [",
  });
  const files = new HostFiles(tree.root);
  assert.deepEqual(readSettings(files, undefined, "/k.yaml"), {
    kind: "read",
    file: "/k.yaml",
    values: { cpuManagerPolicy: "static" },
  });
  for (
    const [file, reason] of [["/none", "there is no such file"], ["/odd.yaml", "no YAML"], [
      "/bad.yaml",
      "no YAML",
    ]]
  ) {
    const settings = readSettings(files, undefined, file ?? "");
    assert(settings.kind === "unknown" && settings.reason.includes(reason ?? ""), `${file}`);
  }
});

Deno.test("a kubelet that names a file which isn't seen here is unknown; one that names none has its defaults", () => {
  using tree = new FileTree({ "other": "" });
  const settings = (...words: string[]) =>
    readSettings(new HostFiles(tree.root), { pid: 1, words }, "/usual.yaml");
  assert.equal(settings("kubelet", "--config", "/etc/k.json").kind, "unknown");
  assert.deepEqual(settings("kubelet", "--reserved-cpus=0-1"), {
    kind: "read",
    file: "/usual.yaml",
    values: { reservedSystemCPUs: "0-1" },
  });
});

Deno.test("irqbalance's banned CPUs, as a list and as a mask", () => {
  const cases: readonly [string, string | undefined][] = [
    ["IRQBALANCE_BANNED_CPULIST=2-3,5", "2-3,5"],
    ["export IRQBALANCE_BANNED_CPULIST='2-3'", "2-3"],
    ["IRQBALANCE_BANNED_CPUS=ff,00000001", "0,32-39"],
    ["IRQBALANCE_BANNED_CPUS=0xf0", "4-7"],
    ["IRQBALANCE_BANNED_CPULIST=", undefined],
    ["#IRQBALANCE_BANNED_CPULIST=1", undefined],
    ["IRQBALANCE_BANNED_CPULIST=many", undefined],
  ];
  for (const [text, banned] of cases) assert.equal(bannedIn(text)?.toString(), banned, text);
});

Deno.test("versions of programs, however they are decorated", () => {
  for (
    const [text, version] of [
      ["1.7.24~ds1", [1, 7, 24]],
      ["v2.1", [2, 1, 0]],
      ["6.12.48-amd64", [6, 12, 48]],
      ["unknown", undefined],
    ]
  ) {
    assert.deepEqual(versionIn(`${text}`), version);
  }
});
