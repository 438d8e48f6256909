/**
 * A node's canonical form: a text that two nodes share if nothing that can come of them differs. Ids are those of places,
 * pods that are alike may change places; times are only due or not; what is only for the log is left out.
 */
import { ANYWHERE, VOID } from "../../src/ledger/bound.ts";
import type { Delivery } from "../../src/ledger/delivery.ts";
import { type Assignment, byOrder } from "../../src/ledger/assignment.ts";
import type { AgentState } from "../../src/agent/state.ts";
import { isGroup } from "../../src/ledger/groups.ts";
import { type Box, boxOf, type Node, SLOTS } from "./node.ts";

/** Milliseconds after which the agent asks the runtime again for what it still lacks (src/agent/pending.ts). */
const RETRY_MS = 5000;

export function keyOf(node: Node): string {
  const { online, asked, mode } = node;
  const state = node.agent?.state;
  const assignments = state?.ledger.assignments.values().sort(byOrder) ?? [];
  const slots = SLOTS.map((slot) => slotText(node, slot, assignments));
  slots.sort((a, b) => a.text < b.text ? -1 : a.text > b.text ? 1 : 0);
  const names = new Map(slots.flatMap(({ ids }, place) => ids.map((id, at) => [id, `${place}.${at}`])));
  const name = (id: string) => names.get(id) ?? "gone";
  const displaced = assignments.flatMap(({ container, displaced = [] }) =>
    displaced.map(({ id, from }) => `${name(container.id)}:${name(id)}@${from}`)
  );
  return [
    mode,
    online,
    asked.map(name).join(" "),
    assignments.map(({ container }) => name(container.id)).join(" "),
    displaced.join(" "),
    state === undefined ? "" : timesText(state),
    `${node.class.written}${node.class.isDrifted ? "d" : ""}`,
    ...assignments.filter(isGroup).map((group) =>
      `${group.claim.kind === "group" ? group.claim.keeps : ""} ${assignmentText(group, state?.now ?? 0)}`
    ),
    ...slots.map(({ text }) => text),
  ].join("/");
}

/** A pod with its containers, and their ids: those of the runtime first, those that are only in the ledger last. */
function slotText(
  node: Node,
  slot: number,
  assignments: readonly Assignment[],
): { readonly ids: readonly string[]; readonly text: string } {
  const own = assignments.filter(({ container, isHeld }) =>
    container.sandboxId === `sandbox${slot}` && !isHeld
  );
  const boxes = node.boxes.filter((box) => box.slot === slot);
  const ids = [...new Set([...boxes.map(({ id }) => id), ...own.map(({ container }) => container.id)])];
  const state = node.agent?.state;
  const lines = ids.map((id) => {
    const [box, assignment] = [boxOf(node, id), own.find(({ container }) => container.id === id)];
    const known = assignment === undefined ? "-" : assignmentText(assignment, state?.now ?? 0);
    return `${box === undefined ? "-" : boxText(box)}|${known}|${
      state === undefined ? "" : flags(state, id)
    }`;
  });
  const held = state?.ledger.heldClaims.find(({ container }) => container.podUid === `uid${slot}`);
  const pod = node.pods[slot];
  return {
    ids,
    text: `${pod === undefined ? "-" : pod.kind + pod.limit} ${held?.grant ?? ""};${lines.join(";")}`,
  };
}

function boxText(
  { kind, limit, life, record, written, held, isHidden, isDrifted, isLate, promised }: Box,
): string {
  const faults = `${isHidden ? "h" : ""}${isDrifted ? "d" : ""}${isLate ? "l" : ""}`;
  return `${kind}${limit}${life} ${record ?? "*"} ${written} ${held} ${faults} ${promised}`;
}

function assignmentText(
  { claim, grant, fence, mayRunOn, delivery, degraded }: Assignment,
  now: number,
): string {
  const size = claim.kind === "exclusive" ? claim.count : "";
  const bound = mayRunOn === VOID ? "void" : mayRunOn === ANYWHERE ? "*" : mayRunOn;
  const less = degraded === undefined ? "" : "!";
  return `${claim.kind}${size}${fence === undefined ? "" : "f"} ${grant} ${bound} ${
    deliveryText(delivery, now)
  }${less}`;
}

function deliveryText(delivery: Delivery, now: number): string {
  const { by, state, record, recordUnsure } = delivery;
  const failure = delivery.state === "failed"
    ? `${delivery.failure.cpus}${delivery.failure.retryAt <= now ? "due" : ""}`
    : "";
  return `${by}${state} ${record ?? "*"}${recordUnsure ? "?" : ""} ${failure}`;
}

function flags({ reconcile, untracked }: AgentState, id: string): string {
  return [reconcile.suspects, reconcile.missing, reconcile.unknown, untracked].map((ids) => +ids.has(id))
    .join("");
}

function timesText({ phase, now, pending, growDelayMs, reconcile: { nextAt } }: AgentState): string {
  const isDue = pending !== undefined && now - pending.since >= growDelayMs;
  const isAsked = pending?.requestedAt !== undefined && now - pending.requestedAt < RETRY_MS;
  return `${phase} ${pending !== undefined}${isDue}${isAsked} ${nextAt === undefined ? "-" : nextAt <= now}`;
}
