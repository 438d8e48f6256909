import assert from "node:assert/strict";
import fc from "fast-check";
import { CpuSet } from "../../../src/cpu/cpu_set.ts";
import { footprint } from "../../../src/cpu/footprint.ts";
import { type Placement, PLACEMENTS } from "../../../src/cpu/placement.ts";
import { grow, shrink } from "../../../src/cpu/regrow.ts";
import { take } from "../../../src/cpu/take.ts";
import { amd16, bigNode, type MachineSpec, power8, topologyOf } from "../../kit/sysfs.ts";
import { listed, small, width } from "./oracle.ts";

interface Situation {
  readonly claimed?: string;
  readonly placement?: Placement;
  readonly avoid?: string;
  readonly preferred?: string;
}

/** What a claim on `own` grows to. */
function grown(spec: MachineSpec, own: string, count: number, situation: Situation = {}): string {
  const topology = topologyOf(spec);
  const { claimed = "", placement = "packed", avoid = "", preferred } = situation;
  const free = topology.online.difference(listed(claimed));
  const request = { topology, free, claimed: listed(claimed), count, placement, own: listed(own) };
  const sets = {
    avoid: listed(avoid),
    ...(preferred !== undefined && { preferred: listed(preferred) }),
  };
  return `${grow({ ...request, ...sets }) ?? "none"}`;
}

// bigNode: the threads of a core are N and N + 32; node k has the cores 8k to 8k + 7 and is one cache group.

Deno.test("a claim grows by the sibling threads of its cores first", () => {
  assert.equal(grown(bigNode, "9-10", 3), "9-10,41");
  assert.equal(grown(bigNode, "9-10", 4), "9-10,41-42");
  assert.equal(grown(bigNode, "9-10", 6), "8-10,40-42", "then by the cores next to them");
  assert.equal(
    grown(power8, "80,88", 3, { claimed: "90-95" }),
    "80,88-89",
    "what others have broken comes first",
  );
});

Deno.test("then it grows in its cache group, its node, its socket, and only then anywhere", () => {
  const tight = "64-69,192-197"; // Leaves 4 in group 8, which would be the best fit.
  assert.equal(grown(amd16, "100,228", 4, { claimed: tight }), "96,100,224,228");
  const group = "96-99,101-103,224-227,229-231";
  assert.equal(grown(amd16, "100,228", 4, { claimed: group }), "64,100,192,228");
  const node = "8,10-15,40,42-47,24-29,56-61"; // And leaves 4 on node 3.
  assert.equal(grown(bigNode, "9,41", 4, { claimed: node }), "1,9,33,41", "the other node of the socket");
  const socket = "0-8,10-15,32-40,42-47";
  assert.equal(grown(bigNode, "9,41", 4, { claimed: socket }), "9,16,41,48");
  assert.equal(grown(bigNode, "9,41", 4, { claimed: "0-8,10-40,42-63" }), "none");
});

Deno.test("growth by nothing is what it has, and a smaller count is a bug", () => {
  assert.equal(grown(bigNode, "9,41", 2), "9,41");
  assert.throws(() => grown(bigNode, "9,41", 1), /1 CPUs are no growth from 2/);
});

Deno.test("the placement holds for what is added", () => {
  assert.equal(grown(bigNode, "9,41", 4, { placement: "full-cores", claimed: "40" }), "9-10,41-42");
  assert.equal(grown(bigNode, "9,41", 3, { placement: "full-cores" }), "none");
  assert.equal(grown(bigNode, "9", 2, { placement: "full-cores" }), "9,41", "its sibling came online");
  assert.equal(grown(bigNode, "9-10", 3, { placement: "full-cores" }), "none");
  assert.equal(grown(bigNode, "9-10", 4, { placement: "single-thread" }), "8-11");
  assert.equal(grown(bigNode, "9,17,41,49", 8, { placement: "spread" }), "1,9,17,24,33,41,49,56");
  assert.equal(grown(bigNode, "9-10,41-42", 6, { placement: "spread" }), "9-10,16,41-42,48");
  const claimed = "0-3,8-11,24-27,32-35,40-43,56-59"; // 8 are left on each node but 2, which has 12.
  assert.equal(grown(bigNode, "16-17,48-49", 6, { placement: "spread", claimed }), "4,16-17,36,48-49");
});

Deno.test("growth follows the preferred CPUs and those to avoid", () => {
  assert.equal(grown(bigNode, "24,56", 4, { preferred: "24,31,56,63" }), "24,31,56,63");
  assert.equal(grown(bigNode, "24,56", 6, { preferred: "24,31,56,63" }), "24-26,56-58");
  assert.equal(
    grown(bigNode, "23,55", 4, { preferred: "24-31,56-63" }),
    "16,23,48,55",
    "it isn't in them anyway",
  );
  assert.equal(grown(bigNode, "9", 2, { avoid: "41" }), "8-9");
  const claimed = "0-7,16-39,48-63";
  assert.equal(grown(bigNode, "9,41", 16, { claimed, avoid: "8,40" }), "8-15,40-47");
  assert.equal(grown(bigNode, "9,41", 15, { claimed, avoid: "8,40" }), "8-15,41-47");
});

function shrunk(spec: MachineSpec, own: string, count: number, placement: Placement = "packed"): string {
  const request = { topology: topologyOf(spec), claimed: CpuSet.empty, own: listed(own), count, placement };
  return `${shrink(request) ?? "none"}`;
}

Deno.test("a claim that shrinks keeps whole cores, in one group where it can", () => {
  assert.equal(shrunk(bigNode, "9-11,41-42", 4), "9-10,41-42");
  assert.equal(shrunk(bigNode, "9-11,41-42", 1), "11", "the half core is the one to keep for 1");
  assert.equal(shrunk(bigNode, "9-10,17,41-42,49", 4), "9-10,41-42");
  assert.equal(shrunk(bigNode, "9-10,17,41-42,49", 2), "17,49", "the tightest group");
  assert.equal(shrunk(bigNode, "0-1,32-33", 2), "1,33", "CPU 0 goes first");
  assert.equal(shrunk(bigNode, "9,41", 0), "");
  assert.equal(shrunk(bigNode, "9,41", 2), "9,41");
  assert.equal(shrunk(bigNode, "9,41", 3), "none");
});

Deno.test("the placement holds for what is kept", () => {
  assert.equal(shrunk(bigNode, "9-10,41-42", 2, "full-cores"), "9,41");
  assert.equal(shrunk(bigNode, "9-10,41-42", 3, "full-cores"), "none");
  assert.equal(shrunk(bigNode, "9-11,17", 3, "single-thread"), "9-11");
  assert.equal(shrunk(bigNode, "9-10,17-18,41-42,49-50", 4, "spread"), "9,17,41,49");
});

const resizes = fc.tuple(small, fc.constantFrom(...PLACEMENTS), fc.nat(8), fc.nat(8))
  .map(([request, placement, more, fewer]) => ({ ...request, placement, more, fewer }));

Deno.test("always: growth keeps all it has, takes what is free, and spreads over no more than it must", () => {
  fc.assert(fc.property(resizes, ({ more, fewer: _, ...request }) => {
    const own = take(request);
    if (own === undefined) return;
    const { topology, free, count, placement } = request;
    const cpus = grow({ ...request, own, count: count + more });
    const rest = free.difference(footprint(topology, own, placement));
    const anew = take({ ...request, free: rest, count: more });
    if (placement !== "packed") assert.equal(cpus === undefined, anew === undefined);
    else assert.equal(cpus === undefined, free.size < count + more);
    if (cpus === undefined) return;
    assert(own.isSubsetOf(cpus) && cpus.isSubsetOf(free) && cpus.size === count + more);
    const room = topology.groups.numaNodes.filter((node) => own.isSubsetOf(node))
      .some((node) => take({ ...request, free: rest.intersection(node), count: more }) !== undefined);
    if (room && placement !== "spread") {
      assert.equal(width(request, cpus, "node"), 1, `${own} grew to ${cpus}`);
    }
  }));
});

Deno.test("always: what is kept of a claim is part of it, and serves its placement", () => {
  fc.assert(fc.property(resizes, ({ fewer, more: _, ...request }) => {
    const own = take(request);
    if (own === undefined || fewer > own.size) return;
    const { topology, claimed, placement } = request;
    const count = own.size - fewer;
    const kept = shrink({ topology, claimed, own, count, placement });
    if (kept === undefined) return assert.equal(placement, "full-cores");
    assert(kept.isSubsetOf(own) && kept.size === count);
    if (placement === "full-cores") assert(footprint(topology, kept, placement).equals(kept));
    if (placement === "packed") {
      assert(width(request, kept, "cacheGroup") <= width(request, own, "cacheGroup"));
    }
  }));
});
