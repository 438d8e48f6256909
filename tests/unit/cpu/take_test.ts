import assert from "node:assert/strict";
import { CpuSet } from "../../../src/cpu/cpu_set.ts";
import { take } from "../../../src/cpu/take.ts";
import {
  amd16,
  arm,
  bigNode,
  huge,
  type MachineSpec,
  power8,
  topologyOf,
  twoCpuVm,
} from "../../kit/sysfs.ts";
import { listed } from "./oracle.ts";

interface Situation {
  /** CPU list held by other claims. */
  readonly claimed?: string;
  /** CPU list that is neither claimed nor free: reserved, or forbidden to this pod. */
  readonly blocked?: string;
}

/** The list of CPUs that are taken, or "none". */
function taken(spec: MachineSpec, count: number, { claimed = "", blocked = "" }: Situation = {}): string {
  const topology = topologyOf(spec);
  const held = listed(claimed);
  const free = topology.online.difference(held).difference(listed(blocked));
  return `${take({ topology, free, claimed: held, count }) ?? "none"}`;
}

Deno.test("2 CPUs are one whole core, not the halves of two broken ones", () => {
  assert.equal(
    taken(bigNode, 2, { claimed: "1-3" }),
    "4,36",
    "33 to 35 are orphans, and there are enough of them",
  );
  assert.equal(
    taken(bigNode, 2, { claimed: "1-7" }),
    "8,40",
    "node 0 would be the best fit, but has only orphans",
  );
});

Deno.test("1 CPU completes a core that others have broken", () => {
  assert.equal(taken(bigNode, 1, { claimed: "60" }), "28");
  assert.equal(taken(bigNode, 1, { claimed: "2,33" }), "1");
});

Deno.test("the odd CPU of 3 is an orphan where the whole core is, and else breaks a core there", () => {
  assert.equal(taken(bigNode, 3, { claimed: "10" }), "8,40,42", "of all nodes, the one with an orphan");
  assert.equal(taken(bigNode, 3), "1-2,33");
});

Deno.test("a thread whose sibling is forbidden, reserved or offline is no orphan", () => {
  assert.equal(taken(bigNode, 1, { blocked: "33", claimed: "60" }), "28", "1 is a stray, 28 an orphan");
  assert.equal(taken(bigNode, 1, { blocked: "9", claimed: "42" }), "10", "41 is a stray, 10 an orphan");
  assert.equal(
    taken({ ...bigNode, offline: "42" }, 1),
    "10",
    "without its sibling, 10 is a whole core of one thread",
  );
  assert.equal(taken({ ...bigNode, offline: "33" }, 2), "2,34", "which is no reason to prefer it for 2");
  assert.equal(taken({ ...bigNode, offline: "42" }, 3), "8,10,40", "but with it 3 CPUs are two whole cores");
});

Deno.test("strays are taken before a whole core is broken, and after orphans", () => {
  assert.equal(taken(bigNode, 1, { blocked: "35" }), "3", "half of a core that can't be had whole anyway");
  assert.equal(taken(bigNode, 3, { blocked: "35", claimed: "36" }), "1,4,33");
  assert.equal(taken(bigNode, 1, { blocked: "41" }), "9", "though node 0 would be the best fit");
});

Deno.test("9 CPUs on a fragmented 2-socket machine stay on whole cores", () => {
  const fragmented = { ...bigNode, nodesPerSocket: 1, coresPerNode: 16 };
  // Socket 0 has 12 free CPUs on as many broken cores; socket 1 has 14 on whole ones.
  const held = { claimed: "0-15,32-33,46-47,16-24,48-56" };
  assert.equal(taken(fragmented, 9, held), "25-29,57-60", "best fit would be socket 0, all single threads");
});

Deno.test("9 CPUs that no socket holds take the whole cores of both, then orphans", () => {
  const spec = { ...bigNode, nodesPerSocket: 1, coresPerNode: 16 };
  // Socket 0: the whole cores 1 and 2 and the orphans 35 and 36. Socket 1: the whole core 16 and the orphan 49.
  const held = { claimed: "0,32,3-15,37-47,17-31,50-63" };
  assert.equal(taken(spec, 8, held), "1-2,16,33-36,48", "3 whole cores and 2 orphans that share a cache");
});

Deno.test("a claim stays in one cache group where one can hold it, though others have more whole cores", () => {
  // Only group 1 (8-15, 136-143) has 8 free CPUs, on 8 broken cores; every other group has 3 whole cores.
  const claimed = Array.from(
    { length: 16 },
    (_, k) => k === 1 ? "8-15" : `${8 * k + 3}-${8 * k + 7},${8 * k + 131}-${8 * k + 135}`,
  );
  assert.equal(taken(amd16, 8, { claimed: claimed.join() }), "136-143");
  assert.equal(taken(amd16, 6, { claimed: claimed.join() }), "16-18,144-146", "6 fit whole cores");
});

Deno.test("of cache groups that serve alike, the one with the least free CPUs is taken", () => {
  assert.equal(
    taken(amd16, 4, { claimed: "64-69,192-197" }),
    "70-71,198-199",
    "4 of 4 free, and all others are untouched",
  );
  assert.equal(
    taken(amd16, 6, { claimed: "64-69,192-197,100-101,228-229" }),
    "96-98,224-226",
    "group 8 is too small now",
  );
});

Deno.test("what no cache group holds stays in one NUMA node, what no node holds in one socket", () => {
  assert.equal(
    taken({ ...bigNode, coresPerCache: 4 }, 12),
    "1-2,4-7,33-34,36-39",
    "node 0: 14 without CPU 0's core",
  );
  assert.equal(taken(bigNode, 20), "1-2,8-15,33-34,40-47", "socket 0 has 30 without CPU 0's core");
  assert.equal(taken(bigNode, 20, { claimed: "16-17,48-49" }), "18-19,24-31,50-51,56-63", "socket 1 has 28");
});

Deno.test("what no socket holds takes the fewest sockets, then the fewest nodes", () => {
  const held = { claimed: "0-3,32-35,8-10,40-42,24,56" };
  // Free: node 0 has 8, node 1 has 10, node 2 has 16, node 3 has 14.
  assert.equal(taken(bigNode, 32, held), "4,16-23,25-31,36,48-55,57-63");
});

Deno.test("within a socket too the fewest nodes are used, even if that takes more cache groups", () => {
  const spec = { sockets: 1, nodesPerSocket: 3, coresPerNode: 6, threads: 1, coresPerCache: 2 };
  // Node 0 has the one cache group that is all free (4-5), nodes 1 and 2 have half of each of theirs.
  assert.equal(taken(spec, 6, { claimed: "0-3,7,9,11,13,15,17" }), "6,8,10,12,14,16");
});

Deno.test("CPU 0's core is left alone as long as another place is as good", () => {
  assert.equal(taken(bigNode, 1), "1");
  assert.equal(taken(bigNode, 14), "1-7,33-39", "the rest of node 0 is an exact fit");
  assert.equal(taken(bigNode, 16), "8-15,40-47", "a whole node without it");
  assert.equal(taken(bigNode, 1, { claimed: "32" }), "1", "though it is an orphan");
});

Deno.test("CPU 0's core is used where that reaches a better level, and CPU 0 goes last", () => {
  assert.equal(taken(bigNode, 16, { claimed: "9,17,25" }), "0-7,32-39", "only node 0 is whole");
  assert.equal(taken(bigNode, 15, { claimed: "9,17,25,41,49,57" }), "1-7,32-39", "its sibling is enough");
  assert.equal(taken(bigNode, 63), "1-63");
  assert.equal(taken(bigNode, 64), "0-63");
  assert.equal(taken(twoCpuVm, 1), "1");
  assert.equal(taken(twoCpuVm, 1, { claimed: "1" }), "0");
  assert.equal(taken(power8, 7, { claimed: "8-159" }), "1-7");
});

Deno.test("with 8 threads a core, whole cores are whole and a remainder stays on one core", () => {
  assert.equal(taken(power8, 8), "8-15");
  assert.equal(taken(power8, 20), "8-27", "two whole cores and half of the next");
  assert.equal(
    taken(power8, 3, { claimed: "20-23,26-31" }),
    "16-18",
    "of the broken cores, one that holds all 3",
  );
  assert.equal(taken(power8, 2, { claimed: "20-23,26-31" }), "24-25", "which it completes");
  assert.equal(
    taken({ ...power8, coresPerCache: 10 }, 2, { claimed: "20-23,26-31" }),
    "24-25",
    "in one cache too",
  );
  assert.equal(taken(power8, 10, { claimed: "26-31" }), "8-15,24-25");
});

Deno.test("without SMT every CPU is a whole core", () => {
  assert.equal(taken(arm, 5), "1-5");
  assert.equal(taken(arm, 5, { claimed: "2,4-60" }), "1,3,61-63");
});

Deno.test("cores with ids over 100 count like others", () => {
  assert.equal(taken(huge, 2, { claimed: "0-199,256-455" }), "200,456");
  assert.equal(taken(huge, 16, { claimed: "0-250,256-506" }), "none");
  assert.equal(taken(huge, 9, { claimed: "0-250,256-506" }), "251-255,507-510");
  assert.equal(taken(huge, 510), "1-255,257-511");
});

Deno.test("without NUMA, where one node spans the sockets, a claim still stays in one socket", () => {
  const flat = { ...bigNode, coresPerCache: 4, omit: (path: string) => path.includes("/node/") };
  assert.equal(taken(flat, 20), "1-2,4-11,33-34,36-43", "the rest of socket 0 is the best fit");
  assert.equal(taken(flat, 20, { claimed: "1-8" }), "16-25,48-57");
});

Deno.test("a hypervisor that makes every CPU a socket is no obstacle", () => {
  const spec = {
    sockets: 16,
    nodesPerSocket: 1,
    coresPerNode: 1,
    threads: 1,
    omit: (path: string) => path.includes("/node/"),
  };
  assert.equal(taken(spec, 5), "1-5");
  assert.equal(taken(spec, 16), "0-15");
});

Deno.test("too few free CPUs are none, no CPUs are the empty set, and a count that isn't one is a bug", () => {
  assert.equal(taken(twoCpuVm, 3), "none");
  assert.equal(taken(twoCpuVm, 1, { claimed: "0-1" }), "none");
  assert.equal(taken(twoCpuVm, 0, { claimed: "0-1" }), "");
  assert.throws(() => taken(twoCpuVm, -1), /-1 is not a number of CPUs/);
  assert.throws(() => taken(twoCpuVm, 1.5), /1.5 is not a number of CPUs/);
});

Deno.test("CPUs that are called free but aren't online are not taken", () => {
  const topology = topologyOf({ ...twoCpuVm, offline: "1" });
  const request = { topology, free: CpuSet.of(0, 1, 9), claimed: CpuSet.empty };
  assert.equal(`${take({ ...request, count: 1 })}`, "0");
  assert.equal(take({ ...request, count: 2 }), undefined);
});
