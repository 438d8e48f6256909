/** The named machines of tests/kit/machines, as discovery sees them. */
import assert from "node:assert/strict";
import { discover } from "../../../src/cpu/discover.ts";
import { take } from "../../../src/cpu/take.ts";
import { CpuSet } from "../../../src/cpu/cpu_set.ts";
import { readerOf } from "../../../src/platform/sysfs.ts";
import { MADE, textOf } from "../../kit/machines/made.ts";
import { formatTree, machine, machineNames, parseTree } from "../../kit/machines/tree.ts";
import { reader, writeTree } from "../../kit/sysfs.ts";

readerOf("/")("nothing"); // Loads the C library, which stays loaded: no leak of the test that reads first.

interface Shape {
  readonly cpus: number;
  readonly cores: number;
  readonly clusters: number;
  readonly cacheGroups: number;
  readonly nodes: number;
  readonly dies: number;
  readonly sockets: number;
  readonly warnings: number;
}

function shape(...counts: [number, number, number, number, number, number, number, number]): Shape {
  const [cpus, cores, clusters, cacheGroups, nodes, dies, sockets, warnings] = counts;
  return { cpus, cores, clusters, cacheGroups, nodes, dies, sockets, warnings };
}

/** CPUs, cores, clusters, cache groups, nodes, dies, sockets, warnings. */
const SHAPES: Record<string, Shape> = {
  "vm-2": shape(2, 2, 2, 1, 1, 1, 1, 0),
  "vm-recorded-2": shape(2, 2, 2, 1, 1, 1, 1, 0),
  "hybrid-20": shape(20, 14, 8, 1, 1, 1, 1, 0),
  "subnuma-128": shape(128, 64, 64, 4, 4, 2, 2, 0),
  "amd-256": shape(256, 128, 128, 16, 2, 2, 2, 0),
  "arm-128": shape(128, 128, 32, 4, 4, 4, 2, 0),
  "power-160": shape(160, 20, 20, 20, 2, 2, 2, 0),
  "nodes-512": shape(512, 256, 256, 32, 8, 2, 2, 0),
  "memoryless-64": shape(64, 32, 32, 8, 4, 1, 1, 0),
  "smt-off-64": shape(32, 32, 32, 4, 4, 2, 2, 0),
  "sparse-1920": shape(1920, 240, 240, 240, 16, 16, 16, 0),
  "files-missing-64": shape(64, 32, 1, 1, 1, 2, 2, 2),
};

function seen(name: string) {
  return discover(reader(machine(name)));
}

Deno.test("every named machine is seen in its shape", () => {
  assert.deepEqual(machineNames(), Object.keys(SHAPES).sort());
  for (const [name, expected] of Object.entries(SHAPES)) {
    const { topology, warnings } = seen(name);
    const { groups } = topology;
    assert.deepEqual(
      shape(
        topology.online.size,
        groups.cores.length,
        groups.clusters.length,
        groups.cacheGroups.length,
        groups.numaNodes.length,
        groups.dies.length,
        groups.sockets.length,
        warnings.length,
      ),
      expected,
      `${name}: ${warnings}`,
    );
  }
});

Deno.test("the machines that the generator makes are written as it makes them", () => {
  for (const name of Object.keys(MADE)) {
    const text = Deno.readTextFileSync(new URL(`../../kit/machines/${name}.tree`, import.meta.url));
    assert.equal(text, textOf(name), `${name}.tree differs: deno run -A tests/kit/machines/made.ts`);
  }
});

Deno.test("the text of a tree holds all of it", () => {
  for (const name of machineNames()) {
    const tree = machine(name);
    assert.deepEqual(parseTree(formatTree(["again"], tree)), tree);
  }
  const odd = parseTree("# a\n\ndevices/system/cpu/cpu[0-1,4]/{a/b,c} = x y\nd =\n");
  const directories = [0, 1, 4].map((id) => `devices/system/cpu/cpu${id}`);
  const files = ["a/b", "c"].flatMap((file) => directories.map((directory) => `${directory}/${file}`));
  assert.deepEqual([...odd], [...files.map((file) => [file, "x y\n"]), ["d", "\n"]]);
  assert.throws(() => parseTree("d = 1\nnothing"), /line 2 is no "path = content"/);
  assert.throws(() => parseTree("cpu[1-]/x = 1"), /"1-" is a range without an end/);
});

Deno.test("unpacked to real files, and read as the agent reads them, they are the same machines", () => {
  for (const name of ["vm-2", "vm-recorded-2", "hybrid-20", "files-missing-64"]) {
    const root = Deno.makeTempDirSync();
    try {
      writeTree(root, machine(name));
      assert.deepEqual(discover(readerOf(root)), seen(name), name);
    } finally {
      Deno.removeSync(root, { recursive: true });
    }
  }
});

Deno.test("small cores are cores of one thread in clusters of four", () => {
  const { topology } = seen("hybrid-20");
  assert.equal(`${topology.threadsOf(3)}`, "2-3");
  assert.equal(`${topology.threadsOf(13)}`, "13");
  assert.deepEqual(topology.groups.clusters.slice(5).map(String), ["10-11", "12-15", "16-19"]);
  assert.equal(topology.cpu(17)?.cluster, 16);
});

Deno.test("ids with gaps and beyond 1024 are ids like others", () => {
  const { topology } = seen("sparse-1920");
  assert.equal(`${topology.possible}`, `${topology.online}`);
  assert.equal(topology.online.toArray().at(-1), 15479);
  assert.deepEqual([topology.cpu(15479)?.socket, topology.cpu(15479)?.core], [15, 15472]);
  const cpus = take({ topology, free: topology.online, claimed: CpuSet.empty, count: 120 });
  assert.equal(`${cpus}`, "1024-1143", "a socket without CPU 0");
});

Deno.test("what is offline, isolated or without a tick is read", () => {
  const { topology } = seen("smt-off-64");
  const lists = [topology.online, topology.present, topology.isolated, topology.nohzFull].map(String);
  assert.deepEqual(lists, ["0-31", "0-63", "24-31", "24-31"]);
  assert.deepEqual(seen("files-missing-64").topology.isolated, CpuSet.empty);
  assert.equal(`${seen("memoryless-64").topology.memoryNodesOf(CpuSet.of(8, 24))}`, "0");
});
