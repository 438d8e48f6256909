import assert from "node:assert/strict";
import { cpuMap, type Owner } from "../../../src/draw/cpu_map.ts";
import { CpuSet } from "../../../src/cpu/cpu_set.ts";
import { amd16, bigNode, power8, topologyOf, twoCpuVm } from "../../kit/sysfs.ts";

const plain = { width: 100, colour: false };

function owner(kind: Owner["kind"], mark: string, name: string, list: string): Owner {
  const cpus = CpuSet.parse(list);
  assert(cpus instanceof CpuSet);
  return { kind, mark, name, cpus };
}

function lines(text: string): string[] {
  return text.trimEnd().split("\n");
}

Deno.test("the 64-CPU machine fits into 100 columns, the siblings of a core in one box", () => {
  const map = cpuMap(topologyOf(bigNode), [
    owner("pinned", "a", "drive/main", "4-5,36"),
    owner("exclusive", "B", "compute-0/main", "8-9,40-41"),
    owner("shared", "", "web-1/main", "0-3,6-7,10-35,37-39,42-63"),
    owner("shared", "", "web-2/main", "0-3,6-7,10-35,37-39,42-63"),
  ], plain);
  assert.equal(
    map,
    `socket 0
   NUMA node 0: CPUs 0-7,32-39        NUMA node 1: CPUs 8-15,40-47
     0   1   2   3   4   5   6   7      8   9  10  11  12  13  14  15
   [..][..][..][..][aa][a.][..][..]   [BB][BB][..][..][..][..][..][..]
socket 1
   NUMA node 2: CPUs 16-23,48-55      NUMA node 3: CPUs 24-31,56-63
    16  17  18  19  20  21  22  23     24  25  26  27  28  29  30  31
   [..][..][..][..][..][..][..][..]   [..][..][..][..][..][..][..][..]

   a  pinned     4-5,36                     drive/main
   B  exclusive  8-9,40-41                  compute-0/main
   .  shared     0-3,6-7,10-35,37-39,42-63  2 containers: web-1/main, web-2/main
`,
  );
});

Deno.test("a machine without hyper-threads, and unused CPUs", () => {
  const map = cpuMap(topologyOf(twoCpuVm), [owner("exclusive", "A", "one/main", "1")], plain);
  assert.equal(
    map,
    `socket 0
   NUMA node 0: CPUs 0-1
    0  1
   [.][A]

   A  exclusive  1  one/main
   .  idle       0
`,
  );
});

Deno.test("pinned containers that share a CPU are marked unlike exclusive ones that overlap", () => {
  const map = cpuMap(topologyOf(bigNode), [
    owner("pinned", "a", "a/main", "0-1"),
    owner("pinned", "b", "b/main", "1-2"),
    owner("exclusive", "C", "c/main", "2"),
    owner("exclusive", "D", "d/main", "5"),
    owner("shared", "", "e/main", "5-6"),
  ], plain);
  assert.match(map, /\[a\.\]\[\+\.\]\[!\.\]\[\.\.\]\[\.\.\]\[!\.\]\[\.\.\]/);
  assert.match(map, /\+ {2}pinned .*several pinned containers/);
  assert.match(map, /! {2}WRONG .*must not meet/);
});

Deno.test("no line is wider than asked for, however large the machine", () => {
  for (const spec of [twoCpuVm, bigNode, amd16, power8]) {
    const topology = topologyOf(spec);
    const names = Array.from(
      { length: 50 },
      (_, i) => owner("shared", "", `a-pod-with-a-name-${i}/main`, "0-1"),
    );
    const scattered = CpuSet.from(topology.online.toArray().filter((cpu) => cpu % 2 === 0));
    const owners = [...names, { ...owner("pinned", "x", "scattered/main", "0"), cpus: scattered }];
    for (const width of [60, 80, 100]) {
      for (const line of lines(cpuMap(topology, owners, { width, colour: false }))) {
        assert.ok(line.length <= width, `${width}: ${line}`);
      }
    }
  }
});

Deno.test("every CPU of a machine is drawn once", () => {
  for (const spec of [bigNode, amd16, power8]) {
    const topology = topologyOf(spec);
    const everywhere = { ...owner("exclusive", "X", "all/main", "0"), cpus: topology.online };
    const [map = ""] = cpuMap(topology, [everywhere], plain).split("\n\n");
    assert.equal([...map.matchAll(/X/g)].length, topology.online.size);
  }
});

Deno.test("colours add nothing but colour, and one owner has one everywhere", () => {
  const owners = [owner("exclusive", "A", "one/main", "1"), owner("pinned", "b", "two/main", "2,34")];
  const topology = topologyOf(bigNode);
  const coloured = cpuMap(topology, owners, { width: 100, colour: true });
  // deno-lint-ignore no-control-regex
  const escapes = /\x1b\[(\d+)m(.)\x1b\[0m/g;
  assert.equal(coloured.replaceAll(escapes, "$2"), cpuMap(topology, owners, plain));
  const codes = new Set(
    [...coloured.matchAll(escapes)].filter((match) => match[2] === "b").map((match) => match[1]),
  );
  assert.equal(codes.size, 1);
});
