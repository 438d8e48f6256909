/**
 * The files by which a node claims CPUs and NUMA nodes that this machine doesn't have: for agents, and, in another
 * form, for the kubelet.
 */
import type { MachineSpec } from "../../kit/sysfs.ts";
import { bigNode, sysfsTree, writeTree } from "../../kit/sysfs.ts";
import { layOut } from "../../kit/sysfs_layout.ts";
import { cgroupMounts, online } from "../../system/node/machine.ts";
import { MADE_UP_CGROUP, nodeFolder } from "./places.ts";

const GIB = 2 ** 30;
/** Of the whole machine. */
const MEMORY = 256 * GIB;
/** What is left to the system of each node. */
const FREE = 0.9;

/** 2 sockets, 4 NUMA nodes, 64 CPUs: CPU N and N + 32 are a core, node k has the cores 8k to 8k + 7. */
export const MACHINE: MachineSpec = bigNode;

const machine = layOut(MACHINE);
const cpus = [...machine.online];

/** Its CPUs and memory nodes, as the kernel writes them. */
export const CPUS = `${machine.online}`;
export const MEMS = `0-${machine.nodes.length - 1}`;

/** Writes `sys`, `kubelet-sys`, `cpuinfo` and `meminfo` into `folder`. */
export function makeUpMachine(folder: string): void {
  const tree = new Map([...sysfsTree(MACHINE), ...more()]);
  writeTree(`${folder}/sys`, below(tree));
  writeTree(`${folder}/kubelet-sys`, new Map([...below(tree), ...forKubelet()]));
  Deno.writeTextFileSync(`${folder}/cpuinfo`, cpus.map(cpuInfo).join("\n"));
  Deno.writeTextFileSync(`${folder}/meminfo`, memoryInfo(Deno.readTextFileSync("/proc/meminfo")));
}

/** The tree as it is bound over /sys/devices/system. */
function below(tree: ReadonlyMap<string, string>): Map<string, string> {
  return new Map([...tree].map(([path, content]) => [path.replace("devices/system/", ""), content]));
}

/** What cAdvisor, the part of kubelet that counts CPUs, reads besides. */
function more(): Map<string, string> {
  const files: [string, string][] = [[`devices/system/node/has_cpu`, MEMS]];
  const kib = MEMORY / 1024 / machine.nodes.length;
  for (const { id } of machine.nodes) {
    const lines = [["MemTotal", kib], ["MemFree", kib * FREE], ["MemUsed", kib * (1 - FREE)]];
    const text = lines.map(([name, value]) => `Node ${id} ${name}: ${Math.round(Number(value))} kB`).join(
      "\n",
    );
    files.push([`devices/system/node/node${id}/meminfo`, text]);
  }
  for (const cpu of cpus) {
    files.push([`devices/system/cpu/cpu${cpu}/online`, "1"]);
    for (let index = 0; index < 4; index++) {
      const cache = `devices/system/cpu/cpu${cpu}/cache/index${index}`;
      files.push([`${cache}/size`, "1024K"], [`${cache}/id`, `${machine.places.get(cpu)?.core ?? 0}`]);
    }
  }
  return new Map(files.map(([path, text]) => [path, `${text}\n`]));
}

/**
 * Kubelet writes all CPUs that it finds into the cpusets of its own cgroups, and ends when the kernel refuses those
 * that aren't there. cAdvisor counts a NUMA node's folders `cpu*[0-9]`, and takes what follows "cpu" for a decimal
 * number: so it is shown as many folders as there should be CPUs, named cpu0, cpu1, cpu00, cpu01, cpu000 …, and finds
 * 64 CPUs, on as many cores, all of which are 0 or 1.
 */
function forKubelet(): Map<string, string> {
  const real = online().length;
  const files: [string, string][] = [];
  for (const [index, node] of machine.nodes.entries()) {
    const own = cpus.filter((cpu) => machine.places.get(cpu)?.node === index);
    for (const [at, cpu] of own.entries()) {
      const name = `${at % real}`.padStart(Math.floor(at / real) + 1, "0");
      const topology = `node/node${node.id}/cpu${name}/topology`;
      files.push([`${topology}/core_id`, `${cpu}\n`]);
      files.push([`${topology}/physical_package_id`, `${node.socket}\n`]);
    }
  }
  return new Map(files);
}

function cpuInfo(cpu: number): string {
  const { socket = 0, core = 0 } = machine.places.get(cpu) ?? {};
  const fields = {
    "processor": cpu,
    "vendor_id": "GenuineIntel",
    "model name": "made up",
    "cpu MHz": "2500.000",
    "physical id": socket,
    "siblings": cpus.length / MACHINE.sockets,
    "core id": core,
    "cpu cores": cpus.length / MACHINE.sockets / MACHINE.threads,
  };
  return Object.entries(fields).map(([name, value]) => `${name}\t: ${value}\n`).join("");
}

function memoryInfo(real: string): string {
  const kib = MEMORY / 1024;
  return real.replace(/^(MemTotal:\s*)\d+/m, `$1${kib}`)
    .replace(/^(Mem(?:Free|Available):\s*)\d+/gm, `$1${Math.round(kib * FREE)}`);
}

/** Where the tree of cpusets is seen on a node that claims CPUs, the hierarchy with the number of tasks is beside it. */
export function pidsOf(name: string): string[] {
  return [`${nodeFolder(name)}/claims/cgroup`, MADE_UP_CGROUP].map((tree) => `${tree}/pids`);
}

/** How many tasks each cgroup has is the kernel's also where the sets are made up. */
export function pidsRoot(): string {
  const mounts = cgroupMounts();
  const own = mounts.find(({ version, options }) => version === 1 && options.includes("pids"));
  return (own ?? mounts.find(({ version }) => version === 2))?.root ?? "";
}
