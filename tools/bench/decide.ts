import assert from "node:assert/strict";
import { type PlannedUpdates, planUpdates } from "../../src/ledger/updates.ts";
import { Ledger } from "../../src/ledger/ledger.ts";
import { admit, type Plan } from "../../src/ledger/plan.ts";
import { runs } from "../../src/ledger/delivery.ts";
import { readClaim, recordOf, refOf } from "../../src/nri/read_claim.ts";
import { DEFAULT_POLICY, DEFAULT_SETTINGS } from "../../tests/kit/policy.ts";
import { bigNode, huge, type MachineSpec, topologyOf } from "../../tests/kit/sysfs.ts";
import type { Figure, Section } from "./report.ts";
import { LARGEST, type Made, type Progress } from "./stage.ts";
import { summarize } from "./statistics.ts";
import { EXCLUSIVE_CPUS, type Named, pinnedTo, population, type Subject, subjectOf } from "./subjects.ts";

const MACHINES: readonly Made[] = [
  { cpus: 16, spec: { sockets: 1, nodesPerSocket: 1, coresPerNode: 8, threads: 2 } },
  { cpus: 64, spec: bigNode },
  { cpus: 512, spec: huge },
  { cpus: 1024, spec: { ...huge, sockets: 4 } },
  LARGEST,
];
const LIVE = [10, 100, 1000, 4000];

// How long one figure is measured: long enough for the compiler, and for the queue of other programs to even out.
const WARM_UP_MS = 100;
const MEASURE_MS = 200;

/** µs: what the pool's containers don't notice, and what all of them follow. */
const GOAL_ALONE = 100;
const GOAL_FOLLOWED = 1000;
/** The goals are for up to so many containers. */
const GOAL_UP_TO = 1000;

const KINDS: readonly { name: string; followed: boolean; wants: (cpus: number) => Omit<Named, "name"> }[] = [
  { name: "shared", followed: false, wants: () => ({}) },
  { name: "pinned to pinned CPUs", followed: false, wants: (cpus) => pinnedTo(cpus - 1) },
  { name: "pinned to a shared CPU", followed: true, wants: () => pinnedTo(0) },
  { name: "exclusive", followed: true, wants: () => ({ cpus: EXCLUSIVE_CPUS }) },
];

/** How long deciding takes: from a decoded pod and container to the next ledger and everybody's updates. */
export function measureDecide({ progress }: { readonly progress: Progress }): Promise<Section[]> {
  const cells = MACHINES.flatMap((machine) => LIVE.map((live) => ({ ...machine, live })));
  const figures = cells.flatMap(({ cpus, spec, live }, at): Figure[] => {
    progress("decide", at, cells.length);
    const ledger = busy(spec, cpus, live);
    return KINDS.map(({ name, followed, wants }) => {
      const subject = subjectOf({ name: "created", ...wants(cpus) });
      const goal = live > GOAL_UP_TO ? {} : { goal: followed ? GOAL_FOLLOWED : GOAL_ALONE };
      const labels = [`${cpus}`, `${live}`, followed ? "changes" : "same", name];
      return { labels, unit: "µs", summary: summarize(measure(ledger, subject, followed)), ...goal };
    });
  });
  const note =
    "From a pod and a container as NRI tells them to the next ledger and the updates of all others, warm; " +
    "without the wire. Live containers as in the other tables.";
  return Promise.resolve([
    { title: "Deciding", note, dimensions: ["CPUs", "live", "pool", "creation"], percentiles: true, figures },
  ]);
}

/** The ledger of a node on which so many containers run. */
function busy(spec: MachineSpec, cpus: number, live: number): Ledger {
  const empty = Ledger.empty(topologyOf(spec), DEFAULT_POLICY);
  const all = population(live, cpus).map(subjectOf);
  const full = all.reduce((ledger, subject) => {
    const told = decide(ledger, subject);
    return told.ledger.update(subject.container.id, runs);
  }, empty);
  return planUpdates(full).ledger;
}

function decide(ledger: Ledger, { pod, container }: Subject): PlannedUpdates {
  const read = readClaim(pod, container, DEFAULT_SETTINGS.rules);
  assert(read.kind === "claim");
  const newcomer = { container: refOf(pod, container), claim: read.claim, record: recordOf(container) };
  const decision = admit(ledger, newcomer);
  assert(decision.kind === "plan", "there is room");
  return planUpdates((decision satisfies Plan).next);
}

/** The same creation again and again: a ledger is a value, so each finds it as the first did. */
function measure(ledger: Ledger, subject: Subject, followed: boolean): number[] {
  const micros: number[] = [];
  const began = performance.now();
  for (let now = began; now - began < WARM_UP_MS + MEASURE_MS;) {
    const { updates } = decide(ledger, subject);
    const ended = performance.now();
    assert(followed === updates.length > 0, `${updates.length} updates`);
    if (ended - began > WARM_UP_MS) micros.push((ended - now) * 1000);
    now = performance.now();
  }
  return micros;
}
