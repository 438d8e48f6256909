/** Discovery of what came to sysfs later: clusters, dies, and facts about all CPUs. */
import assert from "node:assert/strict";
import { CpuSet } from "../../../src/cpu/cpu_set.ts";
import { discover, type Discovery } from "../../../src/cpu/discover.ts";
import { bigNode, type MachineSpec, reader, sysfsTree } from "../../kit/sysfs.ts";

/** Discovers the machine with some of its files replaced. */
function seen(spec: MachineSpec, changes: Record<string, string> = {}): Discovery {
  const changed = Object.entries(changes).map(([path, content]) =>
    [`devices/system/${path}`, content] as const
  );
  return discover(reader(new Map([...sysfsTree(spec), ...changed])));
}

const lists = (sets: readonly CpuSet[]) => sets.map(String);

Deno.test("clusters and dies are read from the kernel's lists", () => {
  const { topology, warnings } = seen({ ...bigNode, coresPerCluster: 4, dies: 2 });
  assert.deepEqual(warnings, []);
  assert.equal(topology.groups.clusters.length, 8);
  assert.deepEqual(lists(topology.groups.clusters.slice(0, 2)), ["0-3,32-35", "4-7,36-39"]);
  assert.deepEqual(lists(topology.groups.dies).slice(0, 2), ["0-7,32-39", "8-15,40-47"]);
  assert.deepEqual([topology.cpu(45)?.cluster, topology.cpu(45)?.die], [12, 8]);
});

Deno.test("without files about clusters and dies only the first CPU's are looked for, and nothing is warned of", () => {
  const tree = sysfsTree({ ...bigNode, coresPerCluster: 0, dies: 0 });
  const looked: string[] = [];
  const { topology, warnings } = discover((path) => {
    if (/cluster|die/.test(path)) looked.push(path);
    return tree.get(path);
  });
  assert.deepEqual(warnings, []);
  assert.equal(looked.length, 2);
  assert.deepEqual(topology.groups.clusters, topology.groups.cacheGroups);
  assert.deepEqual(topology.groups.dies, topology.groups.sockets);
});

Deno.test("odd clusters and dies cost a warning; they end where cache groups and sockets do", () => {
  const { topology, warnings } = seen(bigNode, {
    "cpu/cpu0/topology/cluster_cpus_list": "0-15,32-47",
    "cpu/cpu0/topology/die_cpus_list": "0-63",
    "cpu/cpu9/topology/cluster_cpus_list": "near",
  });
  assert.deepEqual(warnings, []);
  assert.deepEqual(lists(topology.groups.clusters.slice(0, 2)), ["0-7,32-39", "8-15,40-47"]);
  assert.deepEqual(lists(topology.groups.dies), ["0-15,32-47", "16-31,48-63"]);
  const odd = seen(bigNode, {
    "cpu/cpu9/topology/cluster_cpus_list": "near",
    "cpu/cpu0/topology/die_cpus_list": "8",
  });
  assert.equal(odd.warnings.length, 2);
  assert.match(odd.warnings[0] ?? "", /^cluster of CPUs 9 unknown \(.*holds "near"\): their cache/);
  assert.match(odd.warnings[1] ?? "", /^die of CPUs 0 unknown \(.*holds "8"\): their socket/);
});

Deno.test("possible, present, isolated and tickless CPUs are read; a missing file or (null) means none", () => {
  const spec = { ...bigNode, offline: "63", isolated: "2-3,34-35", nohzFull: "3" };
  const facts = ({ topology }: Discovery) =>
    [topology.possible, topology.present, topology.isolated, topology.nohzFull].map(String);
  assert.deepEqual(facts(seen(spec)), ["0-63", "0-63", "2-3,34-35", "3"]);
  assert.deepEqual(facts(seen(bigNode)), ["0-63", "0-63", "", ""]);
  const none = seen({ ...spec, omit: (path) => /possible|present|isolated|nohz_full/.test(path) });
  assert.deepEqual([facts(none), none.warnings], [["", "", "", ""], []]);
  const odd = seen(bigNode, { "cpu/isolated": "all" });
  assert.deepEqual(odd.warnings, ['devices/system/cpu/isolated holds "all": no CPU counts as isolated']);
  assert.deepEqual(odd.topology.isolated, CpuSet.empty);
});
