import assert from "node:assert/strict";
import fc from "fast-check";
import { CpuSet } from "../../../src/cpu/cpu_set.ts";
import { explainTake, type TakeExplained } from "../../../src/cpu/explain_take.ts";
import { PLACEMENTS } from "../../../src/cpu/placement.ts";
import { groupsByLevel } from "../../../src/cpu/score.ts";
import { take, type TakeRequest } from "../../../src/cpu/take.ts";
import { amd16, bigNode, power8, topologyOf } from "../../kit/sysfs.ts";
import { requests } from "./oracle.ts";

const topology = topologyOf(bigNode);
const set = (list: string): CpuSet => {
  const parsed = CpuSet.parse(list);
  assert(parsed instanceof CpuSet);
  return parsed;
};

function explained(request: Partial<TakeRequest> & { readonly count: number }): TakeExplained {
  const whole = { topology, free: topology.online, claimed: CpuSet.empty, ...request };
  const cpus = take(whole);
  assert(cpus !== undefined);
  return explainTake(whole, cpus);
}

/** The rung that decided, with the numbers on it. */
function decided(request: Partial<TakeRequest> & { readonly count: number }): unknown[] {
  const { next } = explained(request);
  return next === undefined ? [] : [next.rung, next.chosen, next.other, `${next.cpus}`];
}

Deno.test("the rung that decides is named with what the next choice has on it", () => {
  // CPU 0's core isn't given while there are others.
  assert.deepEqual(decided({ count: 4 }), ["free", 14, 16, "8-9,40-41"]);
  assert.deepEqual(decided({ count: 4, free: topology.online.difference(set("0-7,32-39")) }), [
    "ids",
    0,
    0,
    "16-17,48-49",
  ]);
  assert.deepEqual(decided({ count: 16, free: set("0-15,32-47") }), ["penalty", 0, 1, "0-7,32-39"]);
  const apart = set("1-3,33-35,8-9,16-17,40-41");
  assert.deepEqual(decided({ count: 6, free: apart }), ["level", 0, 3, "8-9,16-17,40-41"]);
  const broken = { claimed: set("40,41"), free: set("8-9,17,49") };
  assert.deepEqual(decided({ count: 2, ...broken }), ["loose", 0, 2, "8-9"]);
  assert.deepEqual(decided({ count: 1, ...broken }), ["broken", 0, 1, "17"]);
  assert.deepEqual(decided({ count: 2, free: set("8,40,17,49"), avoid: set("8") }), [
    "avoided",
    0,
    1,
    "8,40",
  ]);
});

Deno.test("closer levels are named with the most that one of their groups had", () => {
  const { level, tooSmall, next } = explained({ count: 20 });
  assert.deepEqual([level, tooSmall, next?.rung], ["socket", [
    { level: "cacheGroup", most: 16 },
    { level: "node", most: 16 },
  ], "free"]);
  const all = explained({ count: 64 });
  assert.deepEqual([all.level, all.tooSmall.length, all.next], ["sockets", 3, undefined]);
});

Deno.test("CPUs that are spread have no next choice", () => {
  assert.equal(explained({ count: 8, placement: "spread" }).next, undefined);
  assert.equal(explained({ count: 2, placement: "full-cores" }).next?.rung, "free");
});

Deno.test("what was chosen is better on the rung that decided, whatever the machine and the placement", () => {
  const machines = [bigNode, amd16, power8].map((spec) => topologyOf(spec));
  const asked = fc.tuple(requests(fc.constantFrom(...machines)), fc.constantFrom(...PLACEMENTS));
  let compared = 0;
  fc.assert(
    fc.property(asked, ([request, placement]) => {
      const whole = { ...request, placement };
      const cpus = take(whole);
      if (cpus === undefined || cpus.isEmpty) return;
      const { next } = explainTake(whole, cpus);
      if (next === undefined) return;
      compared++;
      assert(!next.cpus.intersects(cpus), `${next.cpus}`);
      const firstIn = (cpus: CpuSet) =>
        groupsByLevel(request.topology).flat().find((group) => cpus.isSubsetOf(group))?.first() ?? 0;
      const isBetter = next.rung === "ids" ? firstIn(cpus) < firstIn(next.cpus) : next.chosen < next.other;
      assert(isBetter, `${cpus} ${JSON.stringify(next)}`);
    }),
    { numRuns: 1000 },
  );
  assert(compared > 50, `${compared}`);
});
