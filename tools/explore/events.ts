/** What can happen on a node. */
import { hasWrites } from "../../src/agent/pending.ts";
import {
  ALL,
  type Box,
  hasCgroup,
  isAlive,
  isFaulty,
  type Kind,
  KINDS,
  livingIn,
  type Node,
  SLOTS,
} from "./node.ts";

export type Event =
  /** A new pod in the first free slot, and CreateContainer; `run`: all up to its PostStartContainer. */
  | { readonly kind: "create" | "run"; readonly what: Kind }
  /** The pod's container anew, under another id; `rerun`: all up to its PostStartContainer. */
  | { readonly kind: "restart" | "rerun"; readonly slot: number }
  | { readonly kind: ContainerEvent; readonly id: string }
  /** UpdateContainer with another CPU limit. */
  | { readonly kind: "resize"; readonly id: string; readonly limit: number }
  /** The pod and all that is left of it. */
  | { readonly kind: "stopPod"; readonly slot: number }
  | { readonly kind: "cpuOff" | "cpuOn"; readonly cpu: number }
  | { readonly kind: NodeEvent };

export type ContainerEvent =
  /** Its cgroup is made. */
  | "runc"
  /** Its cgroup is made, if it isn't there, and StartContainer. */
  | "start"
  | "posted"
  /** runc fails: it is gone, and nothing is reported. */
  | "failStart"
  /** It ends, which isn't reported yet. */
  | "exit"
  /** StopContainer and RemoveContainer; it ends if it hasn't. */
  | "stop"
  /** From now on its CPUs can't be taken from it; its cgroup can't be read; neither any more. */
  | "hold"
  | "hide"
  | "heal"
  /** Another program writes its cgroup. */
  | "tamper";

type NodeEvent =
  /** No agent is connected any more; a new one is, and is synchronized. */
  | "agentDown"
  | "agentUp"
  /** systemd empties the class, which has no pods; another program writes it. */
  | "emptyClass"
  | "tamperClass"
  /** What hasn't started is lost; the agent is synchronized again. */
  | "runtimeRestart"
  /** The runtime's other interface makes the next update that it was asked for. */
  | "apply"
  /** The tick that the agent has asked for. */
  | "tick"
  /** A minute and more passes: all that waits for a time is due. */
  | "wait";

/** As a person reads it: `run exclusive`, `stop 0a`, `resize 0a to 2`. */
export function describe(event: Event): string {
  const words = Object.entries(event).map(([key, value]) => key === "limit" ? `to ${value}` : `${value}`);
  return words.join(" ");
}

/** The event with that description. */
export function parseEvent(text: string): Event {
  const [kind = "", subject = "", , limit] = text.trim().split(/\s+/);
  const event = [
    ["create run", { what: subject }],
    ["restart rerun stopPod", { slot: Number(subject) }],
    ["cpuOff cpuOn", { cpu: Number(subject) }],
    ["resize", { id: subject, limit: Number(limit) }],
    ["runc start posted failStart exit stop hold hide heal tamper", { id: subject }],
    ["agentDown agentUp runtimeRestart apply tick wait emptyClass tamperClass", {}],
  ].find(([kinds]) => `${kinds}`.split(" ").includes(kind));
  if (event === undefined) throw new Error(`no event: ${text.trim()}`);
  return { kind, ...event[1] as object } as Event;
}

/** All that can happen here. What is alike isn't tried twice: a pod comes into the first free slot. */
export function eventsOf(node: Node): Event[] {
  const { agent, pods, boxes, online, mode } = node;
  const events: Event[] = [];
  if (pods.includes(undefined)) {
    for (const what of KINDS) events.push({ kind: "run", what }, { kind: "create", what });
  }
  for (const slot of SLOTS) {
    if (pods[slot] === undefined) continue;
    events.push({ kind: "stopPod", slot });
    if (livingIn(node, slot) === undefined && boxes.filter((box) => box.slot === slot).length < 2) {
      events.push({ kind: "rerun", slot }, { kind: "restart", slot });
    }
  }
  const mayFail = !boxes.some(isFaulty);
  for (const box of boxes) events.push(...eventsOfBox(box, mayFail));
  const isWhole = online.equals(ALL);
  // On cgroup v1 a CPU that was offline doesn't come back to containers.
  for (const cpu of ALL) {
    if (isWhole) events.push({ kind: "cpuOff", cpu });
    else if (!online.has(cpu) && mode !== "kernel-v1") events.push({ kind: "cpuOn", cpu });
  }
  if (mode === "fence" && !node.class.written.isEmpty && !node.class.isDrifted) {
    const isVacant = !pods.some((pod) => pod !== undefined && pod.kind !== "exclusive");
    if (isVacant) events.push({ kind: "emptyClass" });
    if (!isVacant && mayFail) events.push({ kind: "tamperClass" });
  }
  if (agent === undefined) return [...events, { kind: "agentUp" }];
  if (hasWrites(agent.state)) events.push({ kind: "tick" });
  if (node.asked.length > 0) events.push({ kind: "apply" });
  // Between the making of a cgroup and the start there are milliseconds.
  if (!boxes.some(({ life }) => life === "ready")) events.push({ kind: "wait" });
  return [...events, { kind: "agentDown" }, { kind: "runtimeRestart" }];
}

function eventsOfBox(box: Box, mayFail: boolean): Event[] {
  const { id, life, kind, limit } = box;
  const events: Event[] = [{ kind: "stop", id }];
  if (life === "created") events.push({ kind: "runc", id });
  if (life === "created" || life === "ready") events.push({ kind: "start", id }, { kind: "failStart", id });
  if (life === "cleared") events.push({ kind: "posted", id });
  if (isAlive(box)) events.push({ kind: "exit", id });
  if (life === "running" && kind === "exclusive") {
    events.push({ kind: "resize", id, limit: 3 - limit });
  }
  if (isFaulty(box)) events.push({ kind: "heal", id });
  if (hasCgroup(box) && mayFail) events.push({ kind: "hold", id }, { kind: "hide", id });
  if (life === "running" && !box.isDrifted) events.push({ kind: "tamper", id });
  return events;
}
