/**
 * The machines here that the generator makes, and what each is. `deno run -A tests/kit/machines/made.ts` writes
 * their files anew; with the name of a machine after it, it writes that of the machine it runs on.
 */
import { readerOf } from "../../../src/platform/sysfs.ts";
import {
  amd16,
  armServer,
  filesMissing,
  huge,
  hybrid,
  type MachineSpec,
  memoryLess,
  power8,
  smtOff,
  sparse1920,
  subNuma,
  sysfsTree,
  twoCpuVm,
} from "../sysfs.ts";
import { formatTree } from "./tree.ts";

export const MADE: Record<string, { readonly spec: MachineSpec; readonly comment: readonly string[] }> = {
  "vm-2": { spec: twoCpuVm, comment: ["A small cloud VM: 2 CPUs without SMT."] },
  "hybrid-20": {
    spec: hybrid,
    comment: ["A hybrid laptop: 6 large cores of 2 threads, then 8 small ones, four to an L2."],
  },
  "subnuma-128": {
    spec: subNuma,
    comment: ["2 sockets of 32 cores of 2 threads with sub-NUMA clusters: two nodes under one L3."],
  },
  "amd-256": { spec: amd16, comment: ["2 sockets with 8 L3 groups of 8 cores of 2 threads each."] },
  "arm-128": {
    spec: armServer,
    comment: ["An ARM server without SMT: 2 sockets of 2 dies of 32 cores, clusters of 4."],
  },
  "power-160": {
    spec: power8,
    comment: ["POWER: 2 sockets of 10 cores of 8 threads, NUMA nodes 0 and 8."],
  },
  "nodes-512": { spec: huge, comment: ["2 sockets, 8 NUMA nodes of 64 CPUs, 4 L3 groups in each."] },
  "memoryless-64": {
    spec: memoryLess,
    comment: ["One socket of four NUMA nodes, of which 1 and 3 have no memory."],
  },
  "smt-off-64": {
    spec: smtOff,
    comment: ["SMT switched off at run time: 32 of 64 CPUs are offline, node 3 is isolated."],
  },
  "sparse-1920": {
    spec: sparse1920,
    comment: ["16 sockets of 15 cores of 8 threads; ids begin at a multiple of 1024 in each."],
  },
  "files-missing-64": {
    spec: filesMissing,
    comment: ["A sandbox on an old kernel: no nodes, no caches, only the old names of files."],
  },
};

/** The text of the file of one of them. */
export function textOf(name: string): string {
  const { spec, comment = [] } = MADE[name] ?? {};
  if (spec === undefined) throw new Error(`${name} is not made by the generator`);
  return formatTree([...comment, "Made by made.ts."], sysfsTree(spec));
}

/** The files of a real machine that this project reads, or that are there beside them and help a person. */
function recorded(): Map<string, string> {
  const read = readerOf("/sys");
  const cpu = "devices/system/cpu";
  const node = "devices/system/node";
  const ids = [...(Deno.readDirSync(`/sys/${cpu}`))].map(({ name }) => /^cpu(\d+)$/.exec(name)?.[1])
    .filter((id) => id !== undefined).map(Number).sort((a, b) => a - b);
  const nodes = [...(Deno.readDirSync(`/sys/${node}`))].map(({ name }) => name).filter((name) =>
    /^node\d+$/.test(name)
  );
  const topology = [
    "core_id",
    "core_cpus_list",
    "thread_siblings_list",
    "physical_package_id",
    "package_cpus_list",
    "core_siblings_list",
    "cluster_id",
    "cluster_cpus_list",
    "die_id",
    "die_cpus_list",
  ];
  const caches = [0, 1, 2, 3, 4].flatMap((index) =>
    ["level", "type", "shared_cpu_list"].map((file) => `cache/index${index}/${file}`)
  );
  const paths = [
    ...["possible", "present", "online", "offline", "isolated", "nohz_full"].map((file) => `${cpu}/${file}`),
    ...["online", "has_memory"].map((file) => `${node}/${file}`),
    ...nodes.flatMap((name) => [`${node}/${name}/cpulist`, `${node}/${name}/distance`]),
    ...ids.flatMap((id) =>
      [...topology.map((file) => `topology/${file}`), ...caches].map((file) => `${cpu}/cpu${id}/${file}`)
    ),
  ];
  const found = paths.map((path): [string, string | undefined] => [path, read(path)]);
  return new Map(found.flatMap(([path, content]) => content === undefined ? [] : [[path, content]]));
}

if (import.meta.main) {
  const [own] = Deno.args;
  const write = (name: string, text: string) =>
    Deno.writeTextFileSync(new URL(`${name}.tree`, import.meta.url), text);
  if (own === undefined) { for (const name of Object.keys(MADE)) write(name, textOf(name)); }
  else {write(
      own,
      formatTree(
        [`Recorded on a real machine, ${Deno.build.arch}, Linux ${/^\d+\.\d+/.exec(Deno.osRelease())}.`],
        recorded(),
      ),
    );}
}
