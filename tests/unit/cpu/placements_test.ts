/** The placements other than packed, and CPUs that are preferred, penalized or to be avoided, case by case. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { Placement } from "../../../src/cpu/placement.ts";
import { take } from "../../../src/cpu/take.ts";
import { amd16, armServer, bigNode, hybrid, type MachineSpec, power8, topologyOf } from "../../kit/sysfs.ts";
import { listed, small } from "./oracle.ts";

interface Situation {
  readonly claimed?: string;
  /** Neither claimed nor free. */
  readonly blocked?: string;
  readonly penalized?: string;
  readonly avoid?: string;
  readonly preferred?: string;
}

function taken(spec: MachineSpec, placement: Placement, count: number, situation: Situation = {}): string {
  const topology = topologyOf(spec);
  const claimed = listed(situation.claimed);
  const free = topology.online.difference(claimed).difference(listed(situation.blocked));
  const { penalized, avoid, preferred } = situation;
  const cpus = take({
    ...{ topology, free, claimed, count, placement },
    ...(penalized !== undefined && { penalized: listed(penalized) }),
    ...(avoid !== undefined && { avoid: listed(avoid) }),
    ...(preferred !== undefined && { preferred: listed(preferred) }),
  });
  return `${cpus ?? "none"}`;
}

// bigNode: the threads of a core are N and N + 32; node k has the cores 8k to 8k + 7 and is one cache group.

Deno.test("spread deals whole cores over the nodes, first to those with the most free CPUs", () => {
  assert.equal(taken(bigNode, "spread", 8), "1,8,16,24,33,40,48,56", "one core each");
  assert.equal(taken(bigNode, "spread", 6), "8,16,24,40,48,56", "node 0 has less, without CPU 0's core");
  assert.equal(taken(bigNode, "spread", 4, { claimed: "24,56" }), "8,16,40,48");
  assert.equal(taken(bigNode, "spread", 12, { claimed: "17-23,49-55" }), "1,8-9,16,24-25,33,40-41,48,56-57");
});

Deno.test("what is less than a core goes to an orphan, a stray, a broken core, on one node each", () => {
  assert.equal(taken(bigNode, "spread", 3), "8,16,40", "a core is broken on the node with the fewest");
  assert.equal(taken(bigNode, "spread", 3, { claimed: "60" }), "8,28,40");
  assert.equal(taken(bigNode, "spread", 3, { blocked: "60" }), "8,28,40");
  assert.equal(taken(bigNode, "spread", 3, { blocked: "60", claimed: "50" }), "8,18,40");
  assert.equal(taken(power8, "spread", 11), "8-10,80-87", "three threads of one core, not of three");
});

Deno.test("where whole cores run out, spread goes on with orphans as evenly", () => {
  const claimed = "0-7,9-15,17-23,24-31"; // Whole are the cores 8 and 16; all others are orphans.
  assert.equal(taken(bigNode, "spread", 8, { claimed }), "8,16,33-34,40,48,56-57");
});

Deno.test("on one node, and where only one has free CPUs, spread is packed", () => {
  assert.equal(taken(hybrid, "spread", 5), taken(hybrid, "packed", 5));
  const claimed = "0-15,24-47,56-63";
  assert.equal(taken(bigNode, "spread", 6, { claimed }), taken(bigNode, "packed", 6, { claimed }));
});

Deno.test("each node's share is packed", () => {
  assert.equal(taken(amd16, "spread", 16), "1-4,64-67,129-132,192-195", "one L3 group on each");
});

Deno.test("spread lets CPU 0's core in only where it must", () => {
  assert.equal(taken(bigNode, "spread", 62), "1-31,33-63");
  assert.equal(taken(bigNode, "spread", 64), "0-63");
  assert.equal(taken(bigNode, "spread", 2, { claimed: "1-31,33-63" }), "0,32");
});

Deno.test("shares differ only where a node has no more: no other deal of whole cores is more even", () => {
  fc.assert(fc.property(small, ({ topology, free, claimed, count }) => {
    const cpus = take({ topology, free, claimed, count, placement: "spread" });
    const width = topology.cores[0]?.threads.length ?? 1;
    const open = free.difference(topology.threadsOf(0));
    const whole = topology.groups.numaNodes.map((node) =>
      topology.groups.cores.filter((core) => core.isSubsetOf(open) && core.isSubsetOf(node)).length
    );
    const cores = count / width;
    if (cpus === undefined || !Number.isInteger(cores) || cores > whole.reduce((a, b) => a + b)) return;
    const shares = topology.groups.numaNodes.map((node) => node.intersection(cpus).size / width);
    const descending = (deal: readonly number[]) => deal.toSorted((a, b) => b - a);
    const most = [...deals(whole, cores)].map(descending)
      .reduce((best, deal) => deal.join() < best.join() ? deal : best);
    assert.deepEqual(descending(shares), most, `${cpus}`);
  }));
});

/** All ways to have `count` pieces from nodes that have so many (of less than ten). */
function* deals(have: readonly number[], count: number): Generator<number[]> {
  const [first, ...others] = have;
  if (first === undefined) {
    if (count === 0) yield [];
    return;
  }
  for (let own = 0; own <= Math.min(first, count); own++) {
    for (const rest of deals(others, count - own)) yield [own, ...rest];
  }
}

Deno.test("full-cores takes whole cores or nothing", () => {
  assert.equal(taken(bigNode, "full-cores", 4), "1-2,33-34");
  assert.equal(taken(bigNode, "full-cores", 3), "none");
  assert.equal(taken(bigNode, "full-cores", 2, { claimed: "1-7" }), "8,40");
  assert.equal(taken(bigNode, "full-cores", 2, { claimed: "0-31" }), "none", "32 are free, on broken cores");
  assert.equal(taken(bigNode, "full-cores", 2, { claimed: "1-31" }), "0,32");
  assert.equal(taken(power8, "full-cores", 16), "8-23");
  assert.equal(taken(power8, "full-cores", 12), "none");
});

Deno.test("full-cores counts a core as it is online, and on a hybrid machine puts widths together", () => {
  assert.equal(taken({ ...bigNode, offline: "42" }, "full-cores", 3), "8,10,40");
  assert.equal(taken(hybrid, "full-cores", 5), "2-5,12");
  assert.equal(
    taken(hybrid, "full-cores", 7, { claimed: "0-7" }),
    "8-14",
  );
  assert.equal(taken(hybrid, "full-cores", 3, { claimed: "12-19" }), "none");
});

Deno.test("full-cores that no group holds to the CPU takes what does, further apart", () => {
  // Two nodes: large cores on node 0 and 1, small ones (8-9) on node 1, where the large one is half claimed.
  const spec: MachineSpec = { ...hybrid, sockets: 2, coresPerNode: 2, smallCores: 2 };
  assert.equal(taken(spec, "full-cores", 3, { claimed: "4-7" }), "2-3,8");
});

Deno.test("single-thread takes the lowest thread of each of so many whole cores", () => {
  assert.equal(taken(bigNode, "single-thread", 4), "1-4");
  assert.equal(taken(bigNode, "single-thread", 4, { claimed: "33", blocked: "34" }), "3-6");
  assert.equal(taken(bigNode, "single-thread", 8), "8-15", "one node that has 8 cores");
  assert.equal(taken(bigNode, "single-thread", 32), "0-31");
  assert.equal(taken(bigNode, "single-thread", 33), "none");
  assert.equal(taken(power8, "single-thread", 2), "8,16");
  assert.equal(taken(hybrid, "single-thread", 13), "2,4,6,8,10,12-19");
});

Deno.test("of equal CPUs those of one cluster are taken", () => {
  assert.equal(taken(armServer, "packed", 4), "4-7", "CPU 0's cluster has three left");
  assert.equal(taken(armServer, "packed", 3), "1-3", "which suffice for 3");
  assert.equal(taken(armServer, "packed", 4, { claimed: "5,9,13,17,21,25,29" }), "1-4");
  assert.equal(taken(hybrid, "packed", 4, { claimed: "0-11,14" }), "16-19");
});

Deno.test("the odd CPU comes from a cache group that is used anyway", () => {
  // Group 1 (8-15) is whole; group 3 has one whole core, 24, and two orphans; group 0 has one, which fits best.
  assert.equal(taken(amd16, "packed", 19, { claimed: "4,25-31,155-159" }), "8-15,24,136-143,152-153");
});

Deno.test("penalized CPUs are left alone as long as another place is as good", () => {
  assert.equal(taken(bigNode, "packed", 2, { penalized: "1-2,33-34" }), "3,35");
  assert.equal(taken(bigNode, "packed", 16, { penalized: "9,41" }), "16-23,48-55");
  assert.equal(taken(bigNode, "packed", 16, { penalized: "9,41", claimed: "16,24" }), "0-7,32-39");
  assert.equal(taken(bigNode, "packed", 16, { penalized: "9", claimed: "0,16,24" }), "8-15,40-47", "rung 0");
  assert.equal(
    taken(bigNode, "packed", 61, { penalized: "9,41" }),
    "1-8,10-40,42-63",
    "of CPU 0's core, its sibling",
  );
});

Deno.test("penalized CPUs that are let in are the last to go", () => {
  assert.equal(taken(bigNode, "packed", 1, { penalized: "0-30,32-63" }), "31");
  assert.equal(taken(bigNode, "packed", 14, { penalized: "9,41", claimed: "0-7,16-63" }), "none");
  const situation = { penalized: "8-10", claimed: "0-7,16-40,48-63" };
  assert.equal(taken(bigNode, "packed", 12, situation), "11-15,41-47");
  assert.equal(taken(bigNode, "packed", 13, situation), "8-9,11-15,41,43-47", "whole cores first, even so");
  assert.equal(taken(power8, "packed", 3, { penalized: "8-11", claimed: "16-159", blocked: "0-7" }), "12-14");
  assert.equal(
    taken(power8, "packed", 6, { penalized: "8-11", claimed: "16-159", blocked: "0-7" }),
    "8-9,12-15",
  );
});

Deno.test("CPUs to avoid are used only where nothing else is left, as few as can be, and near to the rest", () => {
  assert.equal(
    taken(bigNode, "packed", 2, { avoid: "1-31,33-63" }),
    "0,32",
    "CPU 0's core comes before",
  );
  const claimed = "16-31,48-63";
  assert.equal(
    taken(bigNode, "packed", 20, { claimed, avoid: "0-7,32-39" }),
    "1-2,8-15,33-34,40-47",
  );
  assert.equal(
    taken(bigNode, "packed", 15, { claimed: "0-7,16-39,48-63", avoid: "13-14" }),
    "8-13,15,40-47",
  );
  assert.equal(taken(bigNode, "packed", 33, { claimed, avoid: "0" }), "none");
});

Deno.test("whole cores with one CPU to avoid come before those with two", () => {
  const situation = { claimed: "0-7,16-39,48-63", avoid: "8-13,40-41" };
  assert.equal(taken(bigNode, "full-cores", 4, situation), "14-15,46-47");
  assert.equal(taken(bigNode, "full-cores", 8, situation), "10-11,14-15,42-43,46-47");
  assert.equal(taken(bigNode, "full-cores", 16, situation), "8-15,40-47");
  assert.equal(taken(bigNode, "single-thread", 7, situation), "8,10-15");
});

Deno.test("preferred CPUs serve a claim alone or not at all", () => {
  assert.equal(taken(bigNode, "packed", 4, { preferred: "26-29,58-61" }), "26-27,58-59");
  assert.equal(taken(bigNode, "packed", 10, { preferred: "26-29,58-61" }), taken(bigNode, "packed", 10));
  assert.equal(taken(bigNode, "full-cores", 4, { preferred: "26-29" }), "1-2,33-34", "they are halves");
  assert.equal(taken(bigNode, "packed", 4, { preferred: "26-29,58-61", avoid: "26,58" }), "27-28,59-60");
});
