/** Choosing anew under every placement. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { CpuSet } from "../../../src/cpu/cpu_set.ts";
import { footprint } from "../../../src/cpu/footprint.ts";
import { type Placement, PLACEMENTS } from "../../../src/cpu/placement.ts";
import { retake } from "../../../src/cpu/retake.ts";
import { take, type TakeRequest } from "../../../src/cpu/take.ts";
import { bigNode, topologyOf } from "../../kit/sysfs.ts";
import { hybridRequests, isLess, listed, servings, small, some, worth } from "./oracle.ts";

const BIG = topologyOf(bigNode);

/** A claim on `own` that has to leave `lost`. */
function leave(placement: Placement, own: string, lost: string, more: Partial<TakeRequest> = {}): string {
  const claimed = listed(lost).union(more.claimed ?? CpuSet.empty);
  const free = BIG.online.difference(claimed);
  const request = { ...more, topology: BIG, free, claimed, count: listed(own).size, placement };
  return `${retake({ ...request, own: listed(own).intersection(free) })}`;
}

// bigNode: the threads of a core are N and N + 32; node k has the cores 8k to 8k + 7 and is one cache group.

Deno.test("a claim on full cores keeps those it still has whole", () => {
  assert.equal(leave("full-cores", "9-12,41-44", "10"), "8-9,11-12,40-41,43-44");
  assert.equal(leave("full-cores", "9,41", "10"), "9,41");
});

Deno.test("a claim on single threads leaves a core of which another has a thread", () => {
  assert.equal(leave("single-thread", "9-12", "10"), "8-9,11-12");
  assert.equal(leave("single-thread", "9-12", "42"), "8-9,11-12", "the sibling isn't idle any more");
  assert.equal(leave("single-thread", "9-12", "50"), "9-12");
});

Deno.test("a spread claim stays as even as it was, and where it was", () => {
  assert.equal(
    leave("spread", "9,17,25,41,49,57", "25"),
    "9,17,24,41,49,56",
  );
  assert.equal(leave("spread", "3,11,35,43", "50"), "3,11,35,43", "of nodes alike, those where it is");
  assert.equal(leave("spread", "9-10,41-42", "50"), "9,24,41,56");
});

Deno.test("what it has is not penalized for it", () => {
  assert.equal(leave("packed", "9-10,41-42", "50", { penalized: listed("9-10,41-42") }), "9-10,41-42");
  assert.equal(leave("packed", "9-10,41-42", "9", { penalized: listed("8,10,40,42") }), "10-11,42-43");
  const situation = { claimed: listed("8,11-14,40,43-46"), penalized: listed("15,47") };
  assert.equal(
    leave("packed", "9-10,41-42", "9", situation),
    "1-2,33-34",
    "rather than keep half and take these",
  );
});

Deno.test("it leaves CPUs to avoid, and moves to preferred CPUs where it fits in them", () => {
  assert.equal(leave("packed", "9-10,41-42", "50", { avoid: listed("10,42") }), "8-9,40-41");
  assert.equal(leave("packed", "9-10,41-42", "50", { preferred: listed("30-31,62-63") }), "30-31,62-63");
  assert.equal(leave("packed", "9-10,41-42", "50", { preferred: listed("31,63") }), "9-10,41-42");
  assert.equal(leave("spread", "9,17,41,49", "9", { avoid: listed("0-16,32-48") }), "17,24,49,56");
  assert.equal(leave("spread", "9,41", "50", { preferred: listed("30-31,62-63") }), "30,62");
});

const moves = fc.tuple(fc.oneof(small, hybridRequests), fc.constantFrom(...PLACEMENTS))
  .chain(([request, placement]) => some(request).map((lost) => ({ ...request, placement, lost })));

Deno.test("always: a set that serves the placement, on the rung that a new claim would reach; the same again", () => {
  fc.assert(
    fc.property(moves, ({ lost, ...before }) => {
      const had = take(before);
      if (had === undefined) return;
      const { topology, placement, count } = before;
      const free = before.free.union(footprint(topology, had, placement)).difference(lost);
      const own = had.intersection(free);
      const penalized = before.penalized?.difference(own) ?? CpuSet.empty;
      const request = { ...before, free, claimed: before.claimed.union(lost), own, penalized };
      const [now, fresh] = [retake(request), take(request)];
      assert.equal(now === undefined, fresh === undefined);
      if (now === undefined || fresh === undefined) return;
      assert(now.size === count && now.isSubsetOf(free));
      assert(
        [...servings(request)].some((set) =>
          footprint(topology, set, placement)
            .equals(footprint(topology, now, placement))
        ),
        `${now} doesn't serve ${placement}`,
      );
      if (placement !== "spread") {
        assert(
          !isLess(worth(request, fresh).slice(0, 1), worth(request, now).slice(0, 1)),
          `${now}, not ${fresh}`,
        );
      } else {
        const shares = (set: CpuSet) => topology.nodes.map((node) => node.cpus.intersection(set).size).sort();
        assert.deepEqual(shares(now), shares(fresh), `${now}, not ${fresh}`);
      }
      assert.deepEqual(retake(request), now);
      const kept = (set: CpuSet) => set.intersection(request.own).size;
      const penalty = (set: CpuSet) => footprint(topology, set, placement).intersection(penalized).size;
      if (placement === "spread" || kept(now) >= kept(fresh) || penalty(now) < penalty(fresh)) return;
      assert(isLess(worth(request, now), worth(request, fresh)), `${now} keeps less than ${fresh} of ${own}`);
    }),
    { numRuns: 400 },
  );
});
