import assert from "node:assert/strict";
import { CpuSet } from "../../../src/cpu/cpu_set.ts";
import { discover, DiscoverError, type Discovery } from "../../../src/cpu/discover.ts";
import {
  amd16,
  arm,
  bigNode,
  huge,
  type MachineSpec,
  power8,
  reader,
  sysfsTree,
  twoCpuVm,
  writeTree,
} from "../../kit/sysfs.ts";

/** Discovers the machine with some of its files replaced; `undefined` takes one away. */
function seen(spec: MachineSpec, changes: Record<string, string | undefined> = {}): Discovery {
  const tree = sysfsTree(spec);
  for (const [path, content] of Object.entries(changes)) {
    if (content === undefined) tree.delete(`devices/system/${path}`);
    else tree.set(`devices/system/${path}`, content);
  }
  return discover(reader(tree));
}

function without(spec: MachineSpec, pattern: RegExp): Discovery {
  return seen({ ...spec, omit: (path) => pattern.test(path) });
}

const lists = (sets: readonly CpuSet[]) => sets.map(String);

Deno.test("the named machines are seen as they are, without a warning", () => {
  const cases: [
    name: string,
    spec: MachineSpec,
    cpus: number,
    cores: number,
    caches: number,
    nodes: number[],
    sockets: number,
  ][] = [
    ["twoCpuVm", twoCpuVm, 2, 2, 1, [0], 1],
    ["bigNode", bigNode, 64, 32, 4, [0, 1, 2, 3], 2],
    ["amd16", amd16, 256, 128, 16, [0, 1], 2],
    ["power8", power8, 160, 20, 20, [0, 8], 2],
    ["huge", huge, 512, 256, 32, [0, 1, 2, 3, 4, 5, 6, 7], 2],
  ];
  for (const [name, spec, cpus, cores, caches, nodes, sockets] of cases) {
    const { topology, warnings } = seen(spec);
    assert.deepEqual(warnings, [], name);
    assert.equal(topology.online.size, cpus, name);
    assert.equal(topology.groups.cores.length, cores, name);
    assert.equal(topology.groups.cacheGroups.length, caches, name);
    assert.deepEqual(topology.nodes.map((node) => node.id), nodes, name);
    assert.equal(topology.groups.sockets.length, sockets, name);
  }
});

Deno.test("siblings are found where Intel and where POWER number them", () => {
  assert.equal(`${seen(bigNode).topology.threadsOf(33)}`, "1,33");
  assert.equal(`${seen(power8).topology.threadsOf(33)}`, "32-39");
});

Deno.test("sparse node ids keep their CPUs and their distances", () => {
  const { topology } = seen(power8);
  assert.deepEqual(lists(topology.groups.numaNodes), ["0-79", "80-159"]);
  assert.equal(topology.cpu(80)?.node, 8);
  assert.deepEqual(topology.nodes[1]?.distances, new Map([[0, 21], [8, 10]]));
});

Deno.test("offline CPUs are nowhere, and a core is named after the lowest thread that is left", () => {
  const { topology, warnings } = seen({ ...bigNode, offline: "0,8-15,40-47" });
  assert.deepEqual(warnings, []);
  assert.equal(`${topology.online}`, "1-7,16-39,48-63");
  assert.equal(topology.cpu(0), undefined);
  assert.equal(topology.cpu(32)?.core, 32);
  assert.equal(topology.cpu(32)?.cacheGroup, 1);
  assert.equal(topology.nodes[1]?.cpus.size, 0, "node 1 is still a node, with memory and without CPUs");
  assert.equal(topology.nodes[1]?.hasMemory, true);
});

Deno.test("CPUs that older kernels still list though they are offline are left out", () => {
  const { topology } = seen({ ...bigNode, offline: "33" }, {
    "node/node0/cpulist": "0-7,32-39\n",
    "cpu/cpu1/topology/core_cpus_list": "1,33\n",
    "cpu/cpu0/cache/index3/shared_cpu_list": "0-7,32-39\n",
  });
  assert.equal(topology.cpu(33), undefined);
  assert.equal(`${topology.threadsOf(1)}`, "1");
  assert.equal(`${topology.groups.numaNodes[0]}`, "0-7,32,34-39");
});

Deno.test("the names that kernels before 5.3 use are read too", () => {
  const { topology, warnings } = without(bigNode, /core_cpus_list|package_cpus_list/);
  assert.deepEqual(warnings, []);
  assert.deepEqual(topology, seen(bigNode).topology);
});

Deno.test("an L3 that spans NUMA nodes, as with sub-NUMA clusters, ends at their borders", () => {
  const { topology } = seen({ ...bigNode, coresPerCache: 16 });
  assert.deepEqual(lists(topology.groups.cacheGroups), lists(topology.groups.numaNodes));
  assert.equal(topology.groups.cacheGroups.length, 4);
});

Deno.test("without the list of online CPUs there is nothing to decide about", () => {
  for (
    const [content, found] of [[undefined, /is missing or can't be read/], ["zero\n", /holds "zero"/], [
      "\n",
      /holds ""/,
    ]] as const
  ) {
    assert.throws(() => seen(bigNode, { "cpu/online": content }), (error) => {
      assert(error instanceof DiscoverError);
      assert.equal(error.path, "devices/system/cpu/online");
      assert.match(error.message, /^failed to read which CPUs are online: devices\/system\/cpu\/online /);
      assert.match(error.found, found);
      return true;
    });
  }
});

Deno.test("a machine that shows nothing but its online CPUs is flat: one node, one socket, no SMT", () => {
  const { topology, warnings } = without(bigNode, /node|topology|cache/);
  assert.deepEqual(lists(topology.groups.numaNodes), ["0-63"]);
  assert.deepEqual(lists(topology.groups.cacheGroups), ["0-63"]);
  assert.deepEqual(lists(topology.groups.sockets), ["0-63"]);
  assert.equal(topology.groups.cores.length, 64);
  assert.equal(topology.memoryNodesOf(topology.online).size, 0, "memory nodes are left alone");
  assert.equal(warnings.length, 4);
});

Deno.test("each kind of missing file degrades by itself, with one warning", () => {
  const cpu0 = "devices/system/cpu/cpu0";
  const missing = "is missing or can't be read";
  const cases: [
    files: RegExp,
    warning: string,
    check: (discovery: Discovery) => unknown,
    expected: unknown,
  ][] = [
    [
      /system\/node\/online/,
      `NUMA nodes are unknown (devices/system/node/online ${missing}): all CPUs count as one node, and memory nodes are left alone`,
      (
        { topology },
      ) => [topology.nodes.length, `${topology.groups.cacheGroups[1]}`, topology.nodes[0]?.hasMemory],
      [1, "8-15,40-47", false],
    ],
    [
      /has_memory/,
      `it is unknown which NUMA nodes have memory (devices/system/node/has_memory ${missing}): memory nodes are left alone`,
      ({ topology }) => [topology.nodes.length, `${topology.memoryNodesOf(topology.online)}`],
      [4, ""],
    ],
    [
      /distance/,
      `NUMA distances are unknown (devices/system/node/node0/distance ${missing}): the lowest node counts as nearest`,
      ({ topology }) => topology.nodes[0]?.distances.size,
      0,
    ],
    [
      /siblings_list|cpus_list/,
      `thread siblings of CPUs 0-63 unknown (${cpu0}/topology/core_cpus_list ${missing}): each of them counts as a core of its own`,
      ({ topology }) => [topology.groups.cores.length, topology.groups.sockets.length],
      [64, 2],
    ],
    [
      /physical_package_id/,
      `socket of CPUs 0-63 unknown (${cpu0}/topology/physical_package_id ${missing}): socket 0 is assumed`,
      ({ topology }) => [topology.groups.sockets.length, topology.groups.cores.length],
      [1, 32],
    ],
    [
      /index3/,
      `L3 cache of CPUs 0-63 unknown (${cpu0}/cache has no cache of level 3): their NUMA node stands for it`,
      ({ topology }) => lists(topology.groups.cacheGroups),
      ["0-7,32-39", "8-15,40-47", "16-23,48-55", "24-31,56-63"],
    ],
  ];
  for (const [files, warning, check, expected] of cases) {
    const discovery = without(bigNode, files);
    assert.deepEqual(discovery.warnings, [warning]);
    assert.deepEqual(check(discovery), expected);
  }
});

Deno.test("garbage in a file counts as if it were missing, and is quoted", () => {
  const cases: [path: string, content: string, warning: RegExp][] = [
    ["node/online", "\u0000\u0001", /^NUMA nodes are unknown \(.*node\/online holds "\\u0000\\u0001"\)/],
    [
      "node/node1/cpulist",
      "8-",
      /^NUMA node of CPUs 8-15,40-47 unknown \(.*holds "8-"\): node 0 is assumed$/,
    ],
    ["node/node1/cpulist", "\n", /^NUMA node of CPUs 8-15,40-47 unknown \(no node lists them\)/],
    ["node/has_memory", "all", /^it is unknown which NUMA nodes have memory \(.*holds "all"\)/],
    ["node/has_memory", "77", /^it is unknown which NUMA nodes have memory \(.*holds "77"\)/],
    ["node/node2/distance", "21 21 10", /^NUMA distances are unknown \(.*node2\/distance holds "21 21 10"\)/],
    ["node/node2/distance", "near far", /^NUMA distances are unknown \(.*node2\/distance holds "near far"\)/],
    ["cpu/cpu4/topology/physical_package_id", "-1", /./],
    [
      "cpu/cpu0/topology/physical_package_id",
      "-1",
      /^socket of CPUs 0-15,32-47 unknown \(.*holds "-1"\)/,
    ],
    ["cpu/cpu0/cache/index3/level", "three", /^L3 cache of CPUs 0 unknown/],
    [
      "cpu/cpu0/cache/index3/shared_cpu_list",
      "1-7",
      /^L3 cache of CPUs 0 unknown \(.*holds "1-7"\)/,
    ],
  ];
  for (const [path, content, warning] of cases) {
    const { topology, warnings } = seen(bigNode, { [path]: content });
    assert.equal(topology.online.size, 64);
    // CPU 4's package is known from CPU 0's files, so its own file isn't even read.
    if (path.includes("cpu4")) assert.deepEqual(warnings, []);
    else assert.match(warnings.join("\n"), warning);
    assert(warnings.length <= 1, warnings.join("\n"));
  }
});

Deno.test("a siblings list without the CPU itself is not used; the older file is read next", () => {
  const { topology, warnings } = seen(bigNode, { "cpu/cpu5/topology/core_cpus_list": "6,38\n" });
  assert.equal(`${topology.threadsOf(5)}`, "5,37");
  assert.deepEqual(warnings, []);
});

Deno.test("lists that contradict each other still part the CPUs", () => {
  const { topology } = seen(twoCpuVm, {
    "cpu/cpu0/topology/core_cpus_list": "0\n",
    "cpu/cpu1/topology/core_cpus_list": "0-1\n",
  });
  assert.deepEqual(lists(topology.groups.cores), ["0", "1"]);
});

Deno.test("a CPU that two nodes list belongs to the lower one", () => {
  const { topology, warnings } = seen(bigNode, { "node/node1/cpulist": "0-15,40-47" });
  assert.deepEqual(warnings, []);
  assert.equal(topology.cpu(0)?.node, 0);
  assert.equal(`${topology.nodes[1]?.cpus}`, "8-15,40-47");
});

Deno.test("a core whose threads are on different NUMA nodes is seen as two", () => {
  const { topology } = seen(bigNode, {
    "node/node0/cpulist": "0-7,33-39",
    "node/node1/cpulist": "8-15,32,40-47",
  });
  assert.deepEqual([topology.cpu(0)?.core, topology.cpu(32)?.core], [0, 32]);
});

Deno.test("cores without an L3 beside others that have one are a group of their own", () => {
  const { topology, warnings } = without(bigNode, /cpu(6|7|38|39)\/cache\/index3/);
  assert.deepEqual(
    lists(topology.groups.cacheGroups.slice(0, 2)),
    ["0-7,32-39", "8-15,40-47"],
    "CPU 0's file lists all",
  );
  assert.deepEqual(warnings, []);
  const hybrid = seen(bigNode, {
    "cpu/cpu0/cache/index3/shared_cpu_list": "0-5,32-37",
    ...Object.fromEntries([6, 7, 38, 39].map((id) => [`cpu/cpu${id}/cache/index3/level`, undefined])),
  });
  assert.deepEqual(lists(hybrid.topology.groups.cacheGroups.slice(0, 2)), ["0-5,32-37", "6-7,38-39"]);
  assert.match(hybrid.warnings.join(), /^L3 cache of CPUs 6-7,38-39 unknown/);
});

Deno.test("a core stays together where the cache of one of its threads is unknown", () => {
  const { topology } = seen(bigNode, { "cpu/cpu0/cache/index3/level": "three" });
  assert.deepEqual(lists(topology.groups.cacheGroups.slice(0, 2)), ["0,32", "1-7,33-39"]);
  assert.equal(`${topology.threadsOf(0)}`, "0,32");
});

Deno.test("an L3 that isn't index3 is found by looking at the others in turn", () => {
  const tree = new Map(
    [...sysfsTree(bigNode)].filter(([path]) => !path.includes("index1"))
      .map(([path, content]) => [path.replace("index2", "index1").replace("index3", "index2"), content]),
  );
  const { topology, warnings } = discover(reader(tree));
  assert.deepEqual(warnings, []);
  assert.equal(topology.groups.cacheGroups.length, 4);
});

Deno.test("ARM firmware without L3 facts costs one warning", () => {
  const { topology, warnings } = seen(arm);
  assert.equal(warnings.length, 1);
  assert.deepEqual(lists(topology.groups.cacheGroups), ["0-63"]);
  assert.equal(topology.groups.cores.length, 64);
});

Deno.test("groups are read once and not once a CPU", () => {
  const tree = sysfsTree(huge);
  let reads = 0;
  discover((path) => {
    reads++;
    return tree.get(path);
  });
  assert(reads <= 256 + 256 + 2 * 32 + 2 + 2 * 2 + 2 * 8 + 3 + 6, `${reads} files were read for 512 CPUs`);
});

Deno.test("a tree written as files is the machine it was made from", () => {
  const root = Deno.makeTempDirSync();
  try {
    writeTree(root, sysfsTree(power8));
    assert.deepEqual(discover(filesBelow(root)), seen(power8));
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
});

Deno.test("the machine that this test runs on is understood", () => {
  const read = filesBelow("/sys");
  const { topology } = discover(read);
  assert.equal(`${topology.online}`, read("devices/system/cpu/online")?.trim());
  for (const cpu of topology.cpus) assert(topology.threadsOf(cpu.id).has(cpu.id));
  const nodes = topology.memoryNodesOf(topology.online);
  const withMemory = CpuSet.parse(read("devices/system/node/has_memory") ?? "");
  assert(withMemory instanceof CpuSet && nodes.isSubsetOf(withMemory));
});

function filesBelow(root: string): (path: string) => string | undefined {
  return (path) => {
    try {
      return Deno.readTextFileSync(`${root}/${path}`);
    } catch {
      return undefined;
    }
  };
}
