/** Ours beside kubelet's choice, and the oracle that stands for kubelet. */
import assert from "node:assert/strict";
import { CpuSet } from "../../../src/cpu/cpu_set.ts";
import { amd16, bigNode, type MachineSpec, topologyOf } from "../../kit/sysfs.ts";
import { machineNames } from "../../kit/machines/tree.ts";
import { kubeletDistributed, kubeletPacked } from "./kubelet_oracle.ts";
import { better, type Row, rows, worse } from "./kubelet_table.ts";
import { isLess, rung } from "./oracle.ts";

function chosen(choose: typeof kubeletPacked, spec: MachineSpec, count: number, gone = ""): string {
  const topology = topologyOf(spec);
  const taken = CpuSet.parse(gone);
  assert(taken instanceof CpuSet);
  return `${choose(topology, topology.online.difference(taken), count) ?? "none"}`;
}

// bigNode: the threads of a core are N and N + 32; node k has the cores 8k to 8k + 7.

Deno.test("kubelet takes whole sockets and nodes, then whole cores, then threads, from the fullest part first", () => {
  const packed = (count: number, gone?: string) => chosen(kubeletPacked, bigNode, count, gone);
  assert.equal(packed(32), "0-15,32-47", "a socket");
  assert.equal(packed(18, "0"), "1,8-15,33,40-47", "a node, and a core of the socket with less to give");
  assert.equal(packed(16, "0"), "8-15,40-47");
  assert.equal(packed(4, "1-7,33-39"), "0,8,32,40", "over two nodes, though one could hold it");
  assert.equal(packed(3, "18"), "16,48,50");
  assert.equal(packed(1, "18"), "50", "an orphan");
  assert.equal(packed(65), "none");
  assert.equal(chosen(kubeletPacked, amd16, 12, "0-3,128-131"), "4-9,132-137", "L3 groups are nothing to it");
});

Deno.test("kubelet distributes over the fewest nodes that hold the claim in equal shares", () => {
  const distributed = (count: number, gone?: string) => chosen(kubeletDistributed, bigNode, count, gone);
  assert.equal(distributed(8), "0-3,32-35", "one node is enough");
  assert.equal(distributed(20), "0-4,8-12,32-36,40-44");
  assert.equal(distributed(20, "0-5,32-37"), "8-12,16-20,40-44,48-52");
  assert.equal(distributed(33), "0-5,8-13,16-21,32-36,40-44,48-52");
  assert.equal(distributed(64), "0-63");
});

const PACKED = rows("packed");

Deno.test("packed: kubelet's choice never reaches an earlier rung, nor has fewer loose CPUs on the same", () => {
  assert(PACKED.length > 300, `${PACKED.length} choices`);
  for (const row of PACKED) {
    const { topology, ours, kubelets, our, their } = row;
    const request = { topology, free: ours, claimed: CpuSet.empty, count: row.count };
    const [mine, theirs] = [
      [...rung(request, ours), our.loose, our.broken],
      [...rung(request, kubelets), their.loose, their.broken],
    ];
    assert(!isLess(theirs, mine), `${row.machine}, ${row.state}, ${row.count} CPUs: ${theirs} < ${mine}`);
  }
});

Deno.test("packed: where ours is worse by a measure it is better by an earlier one; it is better far more often", () => {
  const count = (measure: (row: Row) => readonly string[], name: string) =>
    PACKED.filter((row) => measure(row).includes(name)).length;
  for (const row of PACKED) {
    if (worse(row).length > 0) {
      assert(better(row).length > 0, `${row.machine}, ${row.state}, ${row.count} CPUs`);
    }
  }
  assert.equal(count(worse, "sockets"), 0);
  assert.equal(count(worse, "nodes"), 0);
  assert(count(better, "nodes") >= 60 && count(better, "groups") >= 100);
  assert(count(worse, "groups") <= 7 && count(worse, "loose") <= 15 && count(worse, "broken") <= 3);
});

Deno.test("spread: no node has a core more of the claim than kubelet gives it, unless kubelet breaks cores for it", () => {
  const spread = rows("spread", machineNames().filter((name) => !name.startsWith("sparse")));
  assert(spread.length > 300, `${spread.length} choices`);
  for (const row of spread) {
    const { our, their, topology } = row;
    const core = Math.max(...topology.groups.cores.map((threads) => threads.size));
    assert(
      our.largest < their.largest + core || our.loose < their.loose,
      `${row.machine}, ${row.state}, ${row.count} CPUs`,
    );
  }
});
