/**
 * A node's canonical form: a text that two nodes share if nothing that can come of them differs. Ids are those of places,
 * pods that are alike may change places; times are only due or not; what is only for the log is left out.
 */
import { ANYWHERE, type Delivery } from "../../src/ledger/delivery.ts";
import type { Assignment } from "../../src/ledger/assignment.ts";
import { type Node, SLOTS } from "./node.ts";

export function keyOf(node: Node): string {
  const { agent, pods, boxes, online, asked, mode } = node;
  const state = agent?.state;
  const ledger = state?.ledger;
  const assignments = ledger?.assignments.values().sort((a, b) => (a.order ?? 0) - (b.order ?? 0)) ?? [];
  const now = state?.now ?? 0;
  const bySlot = SLOTS.map((slot) => {
    const sandbox = `sandbox${slot}`;
    const own = assignments.filter(({ container }) => container.sandboxId === sandbox);
    const ids = [
      ...new Set([
        ...boxes.filter((box) => box.slot === slot).map(({ id }) => id),
        ...own.map(({ container }) => container.id),
      ]),
    ];
    const pod = pods[slot];
    const lines = ids.map((id) => {
      const box = boxes.find((each) => each.id === id);
      const assignment = own.find(({ container }) => container.id === id);
      const flags = state === undefined
        ? ""
        : `${+state.reconcile.suspects.has(id)}${+state.reconcile.missing.has(id)}${+state.reconcile.unknown
          .has(id)}${+state.untracked.has(id)}`;
      return `${
        box === undefined
          ? "-"
          : `${box.kind[0]}${box.limit}${box.life} ${box.record ?? "*"} ${box.written} ${box.held}${
            box.isHidden ? "h" : ""
          }${box.isDrifted ? "d" : ""} ${box.promised}`
      }|${assignment === undefined ? "-" : textOf(assignment, now)}|${flags}`;
    });
    const recent = ledger?.recent.find(({ podUid }) => podUid === `uid${slot}`)?.cpus ?? "";
    return {
      slot,
      ids,
      text: `${pod === undefined ? "-" : `${pod.kind[0]}${pod.limit}`} ${recent};${lines.join(";")}`,
    };
  });
  bySlot.sort((a, b) => a.text < b.text ? -1 : a.text > b.text ? 1 : a.slot - b.slot);
  const names = new Map(bySlot.flatMap(({ ids }, place) => ids.map((id, at) => [id, `${place}.${at}`])));
  const name = (id: string) => names.get(id) ?? "gone";
  const order = assignments.map(({ container }) => name(container.id)).join(" ");
  const displaced = assignments.flatMap(({ container, displaced = [] }) =>
    displaced.map(({ id, from }) => `${name(container.id)}:${name(id)}@${from}`)
  ).join(" ");
  const pending = state?.pending === undefined ? "" : `${+(now - state.pending.since >=
    state.growDelayMs)}${+(now - (state.pending.requestedAt ?? -Infinity) >= 5000)}`;
  const compare = state === undefined
    ? ""
    : `${state.phase} ${state.reconcile.nextAt === undefined ? "-" : +(now >= state.reconcile.nextAt)}`;
  return [
    mode,
    online,
    asked.map(name).join(" "),
    order,
    displaced,
    ledger?.recent.length ?? "",
    pending,
    compare,
    ...bySlot.map(({ text }) => text),
  ].join("/");
}

function textOf({ claim, grant, mayRunOn, delivery, degraded }: Assignment, now: number): string {
  const size = claim.kind === "exclusive" ? claim.count : "";
  const bound = mayRunOn === ANYWHERE ? "*" : mayRunOn;
  return `${claim.kind[0]}${size} ${grant} ${bound} ${deliveryText(delivery, now)}${
    degraded === undefined ? "" : "!"
  }`;
}

function deliveryText(delivery: Delivery, now: number): string {
  const { by, state, record, recordUnsure } = delivery;
  const failure = delivery.state === "failed"
    ? `${delivery.failure.cpus}${delivery.failure.retryAt <= now ? "due" : ""}`
    : "";
  return `${by[0]}${state} ${record ?? "*"}${recordUnsure ? "?" : ""} ${failure}`;
}
