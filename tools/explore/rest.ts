/**
 * Coming to rest: faults are over, what was begun is finished, time passes. Then kernel and ledger have to agree, and who
 * had to do without has what fits.
 */
import type { Ledger } from "../../src/ledger/ledger.ts";
import { keyOf } from "./canonical.ts";
import { describe, type Event } from "./events.ts";
import { problemOf } from "./invariants.ts";
import { surelyFits } from "./invariants_answers.ts";
import { isGroup, runsOn, shouldRunOn } from "../../src/ledger/groups.ts";
import {
  boxOf,
  CLASS,
  effective,
  isFaulty,
  isUnreadable,
  livingIn,
  type Node,
  ofClass,
  SLOTS,
} from "./node.ts";
import type { Player } from "./player.ts";

/** More than any node needs. */
const MAX_EVENTS = 60;

/** A problem, and the events that lead to it from the node. */
export interface Unrest {
  readonly problem: string;
  readonly events: readonly Event[];
}

/** What is wrong with the node at rest, or on its way there. `restful` has the nodes that were brought to rest before. */
export function unrestOf(
  player: Player,
  from: Node,
  restful: { has(key: string): boolean; add(key: string): void },
): Unrest | undefined {
  const events: Event[] = [];
  const keys: string[] = [];
  let node = from;
  for (let key = keyOf(node);;) {
    if (restful.has(key)) break;
    keys.push(key);
    const due = dueOn(node);
    const event = due ?? ({ kind: "wait" } as const);
    const played = player.play(node, event);
    const next = keyOf(played.node);
    if (due === undefined && next === key) {
      const problem = restProblem(played.node);
      if (problem !== undefined) return { problem: `at rest, ${problem}`, events };
      break;
    }
    events.push(event);
    const problem = played.problem ?? problemOf(played.node);
    if (problem !== undefined) return { problem, events };
    if (events.length > MAX_EVENTS) {
      return { problem: `it never comes to rest, still ${describe(event)}`, events };
    }
    [node, key] = [played.node, next];
  }
  for (const key of keys) restful.add(key);
  return undefined;
}

/** What has to happen next before time may pass; undefined: nothing. */
function dueOn(node: Node): Event | undefined {
  const { agent, boxes, pods, asked } = node;
  const faulty = boxes.find(isFaulty);
  if (faulty !== undefined) return { kind: "heal", id: faulty.id };
  if (agent === undefined) return { kind: "agentUp" };
  for (const { id, life } of boxes) {
    if (life === "created" || life === "ready") return { kind: "start", id };
    if (life === "cleared") return { kind: "posted", id };
    if (life === "exited") return { kind: "stop", id };
  }
  const slot = SLOTS.find((slot) => pods[slot] !== undefined && livingIn(node, slot) === undefined);
  if (slot !== undefined) return { kind: "stopPod", slot };
  return asked.length > 0 ? { kind: "apply" } : undefined;
}

function restProblem(node: Node): string | undefined {
  const ledger = node.agent?.state.ledger;
  if (ledger === undefined) return "no agent is connected";
  return unknown(node, ledger) ?? differing(node, ledger) ?? degraded(node, ledger);
}

function unknown({ boxes }: Node, ledger: Ledger): string | undefined {
  const [dead] = ledger.assignments.keys().filter((id) =>
    id !== CLASS && !boxes.some((box) => box.id === id)
  );
  if (dead !== undefined) return `${dead} is in the ledger and doesn't live`;
  return undefined;
}

function differing(node: Node, ledger: Ledger): string | undefined {
  for (const assignment of ledger.assignments.values()) {
    const { id } = assignment.container;
    const box = boxOf(node, id);
    if (isGroup(assignment)) {
      const [has, should] = [ofClass(node), ledger.desired(assignment)];
      // An empty class without pods is found when the next one comes.
      const isVacant = !node.pods.some((pod) => pod !== undefined && pod.kind !== "exclusive");
      const mayStay = should.isEmpty || (isVacant && node.class.written.isEmpty);
      if (!mayStay && !has.equals(should)) return `the class has ${has} instead of ${should}`;
      continue;
    }
    const desired = shouldRunOn(ledger, assignment);
    if (box === undefined || desired.isEmpty || isUnreadable(node, box)) continue;
    const [runs, bound] = [effective(node, box), runsOn(ledger, assignment)];
    if (node.mode === "runtime" && box.isDrifted && runs.isSubsetOf(desired)) continue;
    if (!runs.equals(desired)) return `${id} runs on ${runs} instead of ${desired}`;
    if (!bound.equals(desired)) return `${id} should run on ${desired}, known is ${bound}`;
    if (assignment.delivery.state === "failed") return `the failure of ${id} isn't over`;
  }
  return undefined;
}

function degraded(node: Node, ledger: Ledger): string | undefined {
  const less = ledger.degraded.find(({ container: { id }, claim }) => {
    const box = boxOf(node, id);
    // A resize that the runtime has failed to make after it was agreed to counts for the agent all the same.
    const limit = claim.kind === "exclusive" ? claim.count : 0;
    return box !== undefined && surelyFits(node, ledger, { ...box, limit });
  });
  return less && `${less.container.id} is degraded, although it fits: ${less.degraded}`;
}
