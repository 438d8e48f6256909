import assert from "node:assert/strict";
import { Topology } from "../../../src/cpu/topology.ts";
import { madeMachine } from "../../../src/plan/made_machine.ts";

Deno.test("2s4n16c2t is 64 CPUs: siblings far apart, nodes of 8 cores, two nodes a socket", () => {
  const machine = madeMachine("2s4n16c2t");
  assert(machine instanceof Topology);
  assert.deepEqual([machine.online.size, machine.cores.length], [64, 32]);
  assert.equal(`${machine.threadsOf(5)}`, "5,37");
  assert.deepEqual(machine.groups.numaNodes.map(String), [
    "0-7,32-39",
    "8-15,40-47",
    "16-23,48-55",
    "24-31,56-63",
  ]);
  assert.deepEqual(machine.groups.sockets.map(String), ["0-15,32-47", "16-31,48-63"]);
  assert.equal(machine.nodes[1]?.distances.get(3), 20);
});

Deno.test("what describes no machine is refused with what would be right", () => {
  for (const text of ["", "2s4n16c", "2s3n16c2t", "1s1n0c2t", "999s999n9999c9t", "2s4n5c2t"]) {
    assert.match(String(madeMachine(text)), /2s4n16c2t|at least one|at most|equally many/, text);
  }
});
