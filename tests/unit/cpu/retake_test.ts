import assert from "node:assert/strict";
import fc from "fast-check";
import { CpuSet } from "../../../src/cpu/cpu_set.ts";
import { retake } from "../../../src/cpu/retake.ts";
import { take } from "../../../src/cpu/take.ts";
import { amd16, bigNode, topologyOf } from "../../kit/sysfs.ts";
import { listed } from "./oracle.ts";

const BIG = topologyOf(bigNode);
const AMD = topologyOf(amd16);

/** A claim on `own` that has to leave `lost`, with `others` claimed elsewhere. */
function leave(
  topology: typeof BIG,
  own: string,
  lost: string,
  others = "",
  count = listed(own).size,
): string {
  const claimed = listed(others).union(listed(lost));
  const free = topology.online.difference(claimed);
  const kept = listed(own).difference(listed(lost));
  return `${retake({ topology, free, claimed, count, own: kept })}`;
}

// bigNode: threads of a core are N and N+32; NUMA node k has cores 8k to 8k+7 and is one cache group.

Deno.test("whole cores stay, and the half that is left of a lost one goes too", () => {
  assert.equal(leave(BIG, "9-11,41-43", "10"), "8-9,11,40-41,43");
});

Deno.test("a claim that loses nothing and is well placed stays", () => {
  assert.equal(leave(BIG, "20-23,52-55", ""), "20-23,52-55");
});

Deno.test("it leaves its node for another where only that has room for all of it", () => {
  const own = "8-11,40-43";
  assert.equal(leave(BIG, own, "8", "12-15,44-47"), "1-4,33-36");
});

Deno.test("it stays on its node, broken as it is, where no other group could hold it", () => {
  const others = "0-5,16-21,24-29,32-37,48-53,56-61";
  const now = listed(leave(BIG, "8-10,40-42", "8", others));
  assert(now.isSubsetOf(listed("9-15,40-47")), `${now}`);
});

Deno.test("a single thread moves to an orphan before it breaks a whole core", () => {
  assert.equal(leave(BIG, "17", "17", "20"), "49");
});

Deno.test("with fewer CPUs than before it keeps the best part of them", () => {
  assert.equal(leave(BIG, "9-11,41-43", "", "", 4), "9-10,41-42");
});

Deno.test("it moves to CPU 0's core only where a new claim would, but stays on it", () => {
  const others = AMD.online.difference(listed("0,9,18,27,128,137"));
  assert.equal(leave(AMD, "9,18,27,137", "", `${others}`), "9,18,27,137", "though core 0 is whole");
  assert.equal(leave(BIG, "0,32", ""), "0,32");
});

Deno.test("too few free CPUs are too few", () => {
  const free = listed("1-3");
  assert.equal(retake({ topology: BIG, free, claimed: listed("4"), count: 4, own: listed("1") }), undefined);
});

Deno.test("on a machine of many caches it stays within one", () => {
  const [group] = AMD.groups.cacheGroups.slice(5);
  assert(group !== undefined);
  const [first, second] = AMD.groups.cores.filter((core) => core.isSubsetOf(group));
  assert(first !== undefined && second !== undefined);
  const now = listed(leave(AMD, `${first.union(second)}`, `${first}`));
  assert(now.isSubsetOf(group) && second.isSubsetOf(now));
});

/** The cache groups, nodes and sockets that a set is spread over. */
function spread(set: CpuSet): number[] {
  const { cacheGroups, numaNodes, sockets } = BIG.groups;
  return [cacheGroups, numaNodes, sockets].map((groups) => groups.filter((g) => g.intersects(set)).length);
}

const ids = fc.uniqueArray(fc.nat({ max: 63 }), { maxLength: 40 }).map((list) => CpuSet.from(list));

Deno.test("always: as many as asked, all of them free, never spread wider than a fresh choice, the same again", () => {
  fc.assert(fc.property(ids, ids, ids, (own, lost, others) => {
    const claimed = others.difference(own).union(lost);
    const free = BIG.online.difference(claimed);
    const request = { topology: BIG, free, claimed, count: own.size, own: own.difference(lost) };
    const now = retake(request);
    const fresh = take(request);
    assert.equal(now === undefined, fresh === undefined);
    if (now === undefined || fresh === undefined) return;
    assert.equal(now.size, own.size);
    assert(now.isSubsetOf(free));
    const [groups = 0, nodes = 0, sockets = 0] = spread(now);
    const [freshGroups = 0, freshNodes = 0, freshSockets = 0] = spread(fresh);
    if (freshGroups === 1) assert.equal(groups, 1);
    assert(sockets <= freshSockets && nodes <= freshNodes);
    assert(retake(request)?.equals(now));
  }));
});
