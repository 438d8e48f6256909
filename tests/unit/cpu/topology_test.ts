import assert from "node:assert/strict";
import { CpuSet } from "../../../src/cpu/cpu_set.ts";
import { type CpuPlace, type NumaNode, Topology } from "../../../src/cpu/topology.ts";
import { bigNode, hybrid, type MachineSpec, power8, topologyOf } from "../../kit/sysfs.ts";

const fourNodes: MachineSpec = { ...bigNode, coresPerNode: 2, threads: 1 }; // node k has the CPUs 2k and 2k + 1

Deno.test("a CPU is known by its id, and its core by any of its threads", () => {
  const topology = topologyOf(bigNode);
  assert.deepEqual(topology.cpu(41), {
    id: 41,
    core: 9,
    cluster: 9,
    cacheGroup: 8,
    node: 1,
    die: 0,
    socket: 0,
  });
  assert.equal(topology.cpu(64), undefined);
  assert.equal(`${topology.threadsOf(41)}`, "9,41");
  assert.equal(topology.threadsOf(9), topology.threadsOf(41));
  assert.equal(topology.threadsOf(64), CpuSet.empty);
  assert.deepEqual(topology.cores[9], {
    id: 9,
    core: 9,
    cluster: 9,
    cacheGroup: 8,
    node: 1,
    die: 0,
    socket: 0,
    threads: [9, 41],
  });
});

Deno.test("every level parts the online CPUs", () => {
  const { groups, online } = topologyOf({ ...bigNode, offline: "3,40" });
  assert.deepEqual(groups.sockets.map(String), ["0-2,4-15,32-39,41-47", "16-31,48-63"]);
  assert.equal(groups.cores.length, 32);
  for (const parts of Object.values(groups)) {
    assert.equal(parts.reduce((count, part) => count + part.size, 0), online.size);
    assert.deepEqual(CpuSet.unionOf(parts), online);
    assert.deepEqual(
      parts.map((part) => part.first()),
      parts.map((part) => part.first()).toSorted((a = 0, b = 0) => a - b),
    );
  }
});

Deno.test("a machine is the same in whatever order it is described, so that the same request takes the same CPUs", () => {
  for (const topology of [bigNode, power8, hybrid].map((spec) => topologyOf(spec))) {
    const again = new Topology(topology.cpus.toReversed(), topology.nodes.toReversed(), topology);
    assert.deepEqual(again, topology);
  }
});

Deno.test("memory nodes are the nodes of the CPUs; CPUs that aren't there are skipped", () => {
  const topology = topologyOf(bigNode);
  assert.equal(`${topology.memoryNodesOf(CpuSet.of(0, 1, 63))}`, "0,3");
  assert.equal(`${topology.memoryNodesOf(CpuSet.of(8, 200))}`, "1");
  assert.equal(topology.memoryNodesOf(CpuSet.of(200)).size, 0);
  assert.equal(topology.memoryNodesOf(CpuSet.empty).size, 0);
});

Deno.test("a node without memory stands for the nearest that has some", () => {
  const nearest = (spec: Partial<MachineSpec>, cpu: number) =>
    `${topologyOf({ ...fourNodes, ...spec }).memoryNodesOf(CpuSet.of(cpu))}`;
  assert.equal(nearest({ memoryLess: [3] }, 6), "2", "its neighbour in the socket, not node 0");
  assert.equal(nearest({ memoryLess: [2, 3] }, 6), "0", "the lowest of two that are equally far");
  assert.equal(nearest({ memoryLess: [0], distance: (_, to) => 50 - to }, 0), "3", "by distance, not by id");
  assert.equal(
    nearest({ memoryLess: [0], distance: (from, to) => from > to ? 5 : 30 - to }, 0),
    "3",
    "seen from the node",
  );
  assert.equal(
    nearest({ memoryLess: [3], omit: (path) => path.endsWith("/distance") }, 6),
    "0",
    "distances unknown",
  );
  assert.equal(
    nearest({ omit: (path) => path.endsWith("/distance") }, 6),
    "3",
    "its own memory, distances unknown",
  );
  assert.equal(nearest({ memoryLess: [0, 1, 2, 3] }, 6), "", "no memory known at all");
});

Deno.test("a node without CPUs belongs to the nearest ones with CPUs, as far as distances are known", () => {
  const near = (spec: Partial<MachineSpec>, cpu: number) =>
    `${topologyOf({ ...fourNodes, ...spec }).memoryNodesOf(CpuSet.of(cpu), { cpuless: true })}`;
  assert.deepEqual(
    [near({ cpuless: [1, 2] }, 2), near({ cpuless: [1, 2] }, 4), near({ cpuless: [1, 2] }, 0)],
    [
      ...["1,4", "2,5", "0"],
    ],
  );
  assert.equal(near({ cpuless: [1], memoryLess: [4] }, 2), "1", "it has no memory");
  assert.equal(
    near({ cpuless: [1], distance: (from, to) => from === to ? 10 : 20 }, 6),
    "3-4",
    "all as near",
  );
  assert.equal(
    near({ cpuless: [1], omit: (path) => path.endsWith("/distance") }, 2),
    "1",
    "distances unknown",
  );
  assert.equal(
    `${topologyOf({ ...fourNodes, cpuless: [0] }).memoryNodesOf(CpuSet.of(0))}`,
    "0",
    "not asked for",
  );
});

Deno.test("the CPUs of a node without memory and those of its neighbour need one memory node", () => {
  const topology = topologyOf({ ...fourNodes, memoryLess: [1] });
  assert.equal(`${topology.memoryNodesOf(CpuSet.of(0, 2))}`, "0");
  assert.equal(`${topology.memoryNodesOf(topology.online)}`, "0,2-3");
});

Deno.test("groups that don't nest, or are misnamed, are a bug of who made them", () => {
  const node: NumaNode = { id: 0, cpus: CpuSet.of(0, 1), hasMemory: true, distances: new Map() };
  const cpu: CpuPlace = { id: 0, core: 0, cacheGroup: 0, node: 0, socket: 0 };
  const build = (second: Partial<CpuPlace>, nodes = [node]) =>
    new Topology([cpu, { ...cpu, id: 1, ...second }], nodes);
  assert.equal(build({}).cores.length, 1);
  assert.throws(() => build({ socket: 1 }), /CPUs 0-1 differ in their socket/);
  assert.throws(() => build({ cacheGroup: 1 }), /CPUs 0-1 differ in their cacheGroup/);
  assert.throws(() => build({ core: 7 }), /core 7 is not named after its lowest CPU/);
  assert.throws(() => build({}, [{ ...node, cpus: CpuSet.of(0) }]), /NUMA node 0 has other CPUs/);
  const other = { ...node, id: 1, cpus: CpuSet.of(1) };
  assert.throws(
    () => build({ core: 1, node: 1 }, [{ ...node, cpus: CpuSet.of(0) }, other]),
    /differ in their node/,
  );
});
