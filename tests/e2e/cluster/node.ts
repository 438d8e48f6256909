/**
 * A node: a mount and a PID namespace of this machine, held by PID 1 in them, with whose end all of it ends, as at a power
 * failure. /etc, /opt, /run and /var are its own, so that everything is at its usual place on every node.
 */
import { eventually } from "../../system/node/eventually.ts";
import { connectCri } from "../../system/node/cri.ts";
import { cgroupMounts, online } from "../../system/node/machine.ts";
import { containerdToml, kubeletConfiguration } from "./node_files.ts";
import { ask } from "./control_plane.ts";
import { CPUS, makeUpMachine, MEMS, pidsOf, pidsRoot } from "./made_up_machine.ts";
import {
  CONTROL,
  IMAGE,
  KUBERNETES,
  MADE_UP_CGROUP,
  nodeCgroup,
  nodeFolder,
  nodeNames,
  nodeRoot,
  repository,
  UNPACKED,
} from "./places.ts";
import { pidOf, run, startDaemon, stopDaemon, untilServes, writeIdentity } from "./processes.ts";
import { existsSync } from "node:fs";

/** What a node is to be. */
export interface NodeOptions {
  /** 64 made-up CPUs on 4 NUMA nodes, instead of this machine's. */
  readonly big: boolean;
  /** The folder of `.tools/node` whose containerd runs there. */
  readonly containerd: string;
}

/** As a node was started; kept in its folder. */
export function optionsOf(name: string): NodeOptions {
  return JSON.parse(Deno.readTextFileSync(`${nodeFolder(name)}/options.json`)) as NodeOptions;
}

/** Starts what of the node doesn't run, and waits until containerd answers. */
export async function startNode(name: string, options: NodeOptions): Promise<void> {
  const folder = nodeFolder(name);
  Deno.mkdirSync(folder, { recursive: true });
  Deno.writeTextFileSync(`${folder}/options.json`, JSON.stringify(options));
  if (pidOf(folder, "init") === undefined) {
    await makeRoot(name, options);
    await enterNamespaces(name, options);
  }
  makeCgroups(name);
  await startContainerd(name);
}

/** Words that run a program on the node. */
export function onNode(name: string): string[] {
  const pid = pidOf(nodeFolder(name), "init");
  if (pid === undefined) throw new Error(`node ${name} doesn't run`);
  return ["nsenter", "-t", `${pid}`, "-m", "-p", "sh", "-c", 'cd / && exec "$@"', "sh"];
}

/** Starts a program on the node, unless it runs: {@link startDaemon}, of the process itself and not of what starts it. */
export async function startOnNode(
  name: string,
  daemon: string,
  command: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<void> {
  const folder = nodeFolder(name);
  if (pidOf(folder, daemon) !== undefined) return;
  const follow = () => {
    const pid = pidOf(folder, daemon);
    // nsenter stays, and starts the program as a child: only that is in the node's pid namespace.
    const [child = ""] = Deno.readTextFileSync(`/proc/${pid}/task/${pid}/children`).split(" ");
    if (child === "") throw new Error(`${daemon} isn't there yet`);
    writeIdentity(folder, daemon, Number(child));
  };
  startDaemon(folder, daemon, [...onNode(name), ...command], env);
  await untilServes(folder, daemon, follow);
}

/** Starts containerd, for the first time or again, and imports the test image. */
export async function startContainerd(name: string): Promise<void> {
  const folder = nodeFolder(name);
  const bin = `${UNPACKED}/containerd-${optionsOf(name).containerd}`;
  const path = `${bin}:${Deno.env.get("PATH") ?? "/usr/sbin:/usr/bin:/sbin:/bin"}`;
  await startOnNode(name, "containerd", [`${bin}/containerd`], { PATH: path });
  using cri = connectCri(`${nodeRoot(name)}/run/containerd/containerd.sock`);
  // containerd answers before its CRI does, and kubelet ends when that doesn't.
  await untilServes(folder, "containerd", () => cri.version({}));
  await importImage(name, IMAGE, `${UNPACKED}/image.tar`);
}

/** Imports an image from an archive, unless the node has it. */
export async function importImage(name: string, image: string, archive: string): Promise<void> {
  const known = await ctr(name, "--namespace", "k8s.io", "images", "list", "--quiet");
  if (known.split("\n").includes(image)) return;
  await ctr(name, "--namespace", "k8s.io", "images", "import", archive);
}

async function ctr(name: string, ...args: readonly string[]): Promise<string> {
  const bin = `${UNPACKED}/containerd-${optionsOf(name).containerd}`;
  const [program = "", ...words] = [...onNode(name), `${bin}/ctr`, ...args];
  return await run(program, words);
}

/** Keys of kubelet's configuration that are another way than usual. */
export type KubeletChanges = Readonly<Record<string, unknown>>;

/** Starts kubelet, for the first time or again. */
export async function startKubelet(name: string, changes: KubeletChanges = {}): Promise<void> {
  const folder = nodeFolder(name);
  const { big } = optionsOf(name);
  Deno.writeTextFileSync(
    `${nodeRoot(name)}/etc/kubelet.json`,
    JSON.stringify({ ...kubeletConfiguration(name, nodeNames().indexOf(name)), ...changes }),
  );
  const ownSystem = `mount --bind ${folder}/claims/kubelet-sys /sys/devices/system && exec "$@"`;
  // `unchanged`: containerd is to see kubelet's mounts.
  const apart = ["unshare", "--mount", "--propagation", "unchanged", "sh", "-c", ownSystem, "sh"];
  await startOnNode(name, "kubelet", [
    ...big ? apart : [],
    `${KUBERNETES}/kubelet`,
    ...["--config", "/etc/kubelet.json", "--kubeconfig", `${CONTROL}/${name}.conf`],
    ...["--hostname-override", name, "--node-labels", "weka.io/e2e=true"],
  ]);
}

/** Removes a file of kubelet's, as an upgrade from a version without it does. */
export function removeKubeletState(name: string, file: string): void {
  const path = `${nodeRoot(name)}/var/lib/kubelet/${file}`;
  if (existsSync(path)) Deno.removeSync(path);
}

/** What is read of a node of the API's. */
interface NodeStatus {
  readonly status: { readonly conditions?: readonly { type: string; status: string; message: string }[] };
}

export async function untilReady(name: string): Promise<void> {
  await untilServes(nodeFolder(name), "kubelet", async () => {
    const { status: { conditions = [] } } = JSON.parse(await ask(`/api/v1/nodes/${name}`)) as NodeStatus;
    const ready = conditions.find(({ type }) => type === "Ready");
    if (ready?.status !== "True") throw new Error(`node ${name} isn't ready: ${ready?.message}`);
  });
}

/** Ends all of the node at once. What it had on disk stays, for it to be started again. */
export async function crashNode(name: string): Promise<void> {
  const folder = nodeFolder(name);
  await stopDaemon(folder, "init", "SIGKILL");
  for (const daemon of ["holder", "agent", "kubelet", "containerd"]) await stopDaemon(folder, daemon);
  await removeCgroups(name);
}

/** Ends the node, and removes what it had. */
export async function removeNode(name: string): Promise<void> {
  await crashNode(name);
  await eventually(() => Deno.removeSync(nodeFolder(name), { recursive: true }));
}

/** The folders that are the node's own, with what programs look for there. */
async function makeRoot(name: string, { big }: NodeOptions): Promise<void> {
  const root = nodeRoot(name);
  // As after any boot.
  if (existsSync(`${root}/run`)) Deno.removeSync(`${root}/run`, { recursive: true });
  const own = [
    "etc/cni/net.d",
    "etc/nri/conf.d",
    "etc/containerd",
    "opt/nri/plugins",
    MADE_UP_CGROUP.slice(1),
    "run/nri",
    "var/log",
  ];
  for (
    const folder of [
      ...own,
      "var/lib/kubelet",
      "run/weka-cpuset",
      "run/containerd",
      "etc/kubernetes/manifests",
    ]
  ) {
    Deno.mkdirSync(`${root}/${folder}`, { recursive: true });
  }
  for (const file of ["passwd", "group", "nsswitch.conf", "ld.so.cache"]) {
    if (existsSync(`/etc/${file}`)) Deno.copyFileSync(`/etc/${file}`, `${root}/etc/${file}`);
  }
  Deno.writeTextFileSync(`${root}/etc/resolv.conf`, "");
  Deno.copyFileSync(`${CONTROL}/hosts`, `${root}/etc/hosts`);
  if (!existsSync(`${root}/var/run`)) Deno.symlinkSync("/run", `${root}/var/run`);
  // Never run, as the pods use the host's network; but without it the CRI reports that the network isn't ready.
  const network = { cniVersion: "0.4.0", name: "none", plugins: [{ type: "loopback" }] };
  Deno.writeTextFileSync(`${root}/etc/cni/net.d/10-none.conflist`, JSON.stringify(network));
  const runc = big ? await makeClaims(name) : `${UNPACKED}/bin/runc`;
  Deno.writeTextFileSync(`${root}/etc/containerd/config.toml`, containerdToml(runc));
}

/** The files of a machine that isn't there, and a runc that maps it onto this one; where that runc is. */
async function makeClaims(name: string): Promise<string> {
  const claims = `${nodeFolder(name)}/claims`;
  Deno.mkdirSync(`${claims}/cgroup/cpuset`, { recursive: true });
  Deno.mkdirSync(`${claims}/cgroup/pids`, { recursive: true });
  Deno.mkdirSync(`${claims}/cgroup/memory`, { recursive: true });
  Deno.mkdirSync(`${claims}/proc`, { recursive: true });
  makeUpMachine(claims);
  for (const [file, text] of [["cpuset.cpus", CPUS], ["cpuset.mems", MEMS], ["cgroup.procs", ""]]) {
    Deno.writeTextFileSync(`${claims}/cgroup/cpuset/${file}`, `${text}\n`);
  }
  const map = {
    runc: `${UNPACKED}/bin/runc`,
    cpus: CPUS,
    mems: MEMS,
    cgroup: `${claims}/cgroup/cpuset`,
    real: online().length,
  };
  Deno.writeTextFileSync(`${claims}/map.json`, JSON.stringify(map));
  const build = 'cd "$0" && CGO_ENABLED=0 exec go build -trimpath -buildvcs=false -o "$1" .';
  await run("sh", ["-c", build, `${repository}/tests/e2e/runc_map`, `${claims}/runc-map`]);
  return `${claims}/runc-map`;
}

/** Runs as PID 1 of the node. bash: it reaps what is left without a parent. */
function initScript(name: string, { big }: NodeOptions): string {
  const [folder, root] = [nodeFolder(name), nodeRoot(name)];
  const binds = ["etc", "opt", "run", "var"].map((each) => [`${root}/${each}`, `/${each}`]);
  if (big) {
    binds.push([`${folder}/claims/sys`, "/sys/devices/system"], [`${folder}/claims/cgroup`, MADE_UP_CGROUP]);
    binds.push(...pidsOf(name).map((place) => [pidsRoot(), place]));
    for (const file of ["cpuinfo", "meminfo"]) binds.push([`${folder}/claims/${file}`, `/proc/${file}`]);
  }
  return [
    "set -e",
    ...binds.map(([from, to]) => `mount --bind ${from} ${to}`),
    "mount --bind /var/lib/kubelet /var/lib/kubelet",
    "mount --make-shared /var/lib/kubelet",
    `touch ${folder}/entered`,
    "trap 'exit 0' TERM",
    "while :; do sleep 1000000 & wait $!; done",
  ].join("\n");
}

async function enterNamespaces(name: string, options: NodeOptions): Promise<void> {
  const folder = nodeFolder(name);
  if (existsSync(`${folder}/entered`)) Deno.removeSync(`${folder}/entered`);
  Deno.writeTextFileSync(`${folder}/init.sh`, initScript(name, options));
  const unshare = [
    ...["unshare", "--mount", "--pid", "-f", "--mount-proc", "--propagation", "private"],
    ...["bash", `${folder}/init.sh`],
  ];
  startDaemon(folder, "holder", unshare);
  await untilServes(folder, "holder", () => {
    const holder = pidOf(folder, "holder");
    const [child = ""] = Deno.readTextFileSync(`/proc/${holder}/task/${holder}/children`).trim().split(" ");
    // At once: who holds the node ends with it, but not it with who holds it.
    if (child !== "") writeIdentity(folder, "init", Number(child));
    Deno.statSync(`${folder}/entered`);
  });
}

/** Kubelet removes all pods' cgroups that it doesn't know, so each node has its own above them. */
function makeCgroups(name: string): void {
  for (const { root, version } of cgroupMounts()) {
    const own = root + nodeCgroup(name);
    if (version === 2 && cgroupMounts().some((each) => each.version === 1)) continue;
    Deno.mkdirSync(own, { recursive: true });
    if (version === 2) enableControllers(root, own);
    // A cpuset of cgroup v1 begins empty, and nothing can run in it.
    for (const file of ["cpuset.cpus", "cpuset.mems"]) {
      if (version === 1 && existsSync(`${own}/${file}`)) {
        Deno.writeTextFileSync(`${own}/${file}`, Deno.readTextFileSync(`${root}/${file}`));
      }
    }
  }
}

function enableControllers(...cgroups: readonly string[]): void {
  for (const cgroup of cgroups) {
    const controllers = Deno.readTextFileSync(`${cgroup}/cgroup.controllers`).trim().split(" ");
    Deno.writeTextFileSync(
      `${cgroup}/cgroup.subtree_control`,
      controllers.map((each) => `+${each}`).join(" "),
    );
  }
}

/** The kernel takes a moment to give up the cgroup of a process that has just ended. */
async function removeCgroups(name: string): Promise<void> {
  for (const { root } of cgroupMounts()) {
    await eventually(() => removeDeepestFirst(root + nodeCgroup(name)));
  }
}

function removeDeepestFirst(path: string): void {
  if (!existsSync(path)) return;
  for (const { name, isDirectory } of Deno.readDirSync(path)) {
    if (isDirectory) removeDeepestFirst(`${path}/${name}`);
  }
  Deno.removeSync(path);
}
