/** A container that is moved while it starts: the runtime may lose what it is sent, so it may be on either set. */
import assert from "node:assert/strict";
import { pendingUpdateOf, planUpdates } from "../../../src/ledger/updates.ts";
import { Ledger } from "../../../src/ledger/ledger.ts";
import { admit } from "../../../src/ledger/plan.ts";
import type { Assignment } from "../../../src/ledger/assignment.ts";
import { runs, starts } from "../../../src/ledger/delivery.ts";
import type { Claim } from "../../../src/ledger/claim.ts";
import { topologyOf, twoCpuVm } from "../../kit/sysfs.ts";
import { DEFAULT_POLICY } from "../../kit/policy.ts";
import { exclusive, pinned, ref, shared } from "../../kit/books.ts";

/** The ledger after a creation and its reply, and what that sent. */
function created(ledger: Ledger, name: string, claim: Claim): [Ledger, string[]] {
  const plan = admit(ledger, { container: ref(name), claim });
  assert(plan.kind === "plan");
  return replied(plan.next);
}

function replied(ledger: Ledger): [Ledger, string[]] {
  const told = planUpdates(ledger);
  return [told.ledger, told.updates.map(({ id, cpus }) => `${id}=${cpus}`)];
}

/** CPUs 0 and 4 are a core, and so on; `s` is shared and runs, `x` has 1 and 5, and is moved by a pod pinned to 1. */
function moved(state: (x: Assignment) => Assignment): [Ledger, string[]] {
  const topology = topologyOf({ ...twoCpuVm, coresPerNode: 4, threads: 2 });
  let [ledger] = created(Ledger.empty(topology, DEFAULT_POLICY), "s", shared());
  ledger = ledger.update("s", runs);
  let sent: string[];
  [ledger, sent] = created(ledger, "x", exclusive(2));
  assert.deepEqual(sent, ["s=0,2-4,6-7"]);
  return created(ledger.update("x", state), "p", pinned("1"));
}

Deno.test("CPUs that a starting container loses are given to no shared container before it runs and its update was sent again", () => {
  let [ledger, sent] = moved(starts);
  assert.deepEqual(sent, ["s=0,3-4,7", "x=2,6"], "CPU 5 is free, but x may still be on it");
  [ledger, sent] = replied(ledger);
  assert.deepEqual(sent, [], "all that can be sent was sent");
  ledger = ledger.update("x", runs);
  assert.deepEqual(pendingUpdateOf(ledger, "x")?.cpus.toString(), "2,6");
  [ledger, sent] = replied(ledger);
  assert.deepEqual(sent, ["x=2,6"]);
  [ledger, sent] = replied(ledger);
  assert.deepEqual(sent, ["s=0,3-5,7"]);
});

Deno.test("moved before it starts, it is verified at its start: a shared container may have its CPUs, no other", () => {
  const [ledger, sent] = moved((x) => x);
  assert.deepEqual(sent, ["s=0,3-5,7", "x=2,6"]);
  assert.equal(`${ledger.assignments.get("x")?.mayRunOn}`, "1-2,5-6", "the runtime may have lost its update");
});

Deno.test("moved twice while it starts, it may be on any of three sets", () => {
  let ledger = Ledger.empty(topologyOf({ ...twoCpuVm, coresPerNode: 5, threads: 2 }), DEFAULT_POLICY);
  let sent: string[];
  [ledger] = created(ledger, "s", shared());
  [ledger] = created(ledger.update("s", runs), "x", exclusive(2));
  [ledger] = created(ledger.update("x", starts), "p", pinned("1"));
  [ledger, sent] = created(ledger, "q", pinned("2"));
  assert.deepEqual(sent, ["s=0,4-5,9", "x=3,8"], "CPUs 6 and 7 are free, but x may still be on one of them");
});
