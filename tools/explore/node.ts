/**
 * A node as a value: the agent's state, the runtime's records and the kernel's sets. Nothing in it is ever changed, so a
 * node that was reached can be gone on from by every event that is possible there.
 *
 * It is as small as it can be with all that the agent decides in it: three CPUs, of which two share a core, and up to
 * three pods with one container each, which may be there twice while the old one's end isn't reported.
 */
import type { Agent } from "../../src/agent/agent.ts";
import { CpuSet } from "../../src/cpu/cpu_set.ts";
import { Topology } from "../../src/cpu/topology.ts";

/** `kernel`: the agent writes cgroups; `fence`: those of QoS classes too; `runtime`: it reads them, and the runtime writes. */
export const MODES = ["kernel", "kernel-v1", "fence", "runtime"] as const;
export type Mode = typeof MODES[number];

export const KINDS = ["pinned", "exclusive", "shared"] as const;
export type Kind = typeof KINDS[number];

/** What a pinned pod names. */
export const PINNED = CpuSet.of(0);
export const ALL = CpuSet.range(0, 2);
export const SLOTS = [0, 1, 2] as const;

/**
 *     created   noted by the runtime, without a cgroup
 *     ready     its cgroup is there, its process isn't
 *     cleared   the agent has let it start; it may run at any moment
 *     running   PostStartContainer was sent
 *     exited    its cgroup is gone, its end isn't reported
 */
export type Life = "created" | "ready" | "cleared" | "running" | "exited";

export interface Pod {
  readonly kind: Kind;
  /** Its CPU limit, by which an exclusive container claims CPUs. */
  readonly limit: number;
}

export interface Box {
  readonly id: string;
  /** Its pod's place among {@link Node.pods}. */
  readonly slot: number;
  readonly kind: Kind;
  readonly limit: number;
  readonly life: Life;
  /** The set in the runtime's record. */
  readonly record: CpuSet | undefined;
  /** What its cgroup's file holds, as long as it has one; the empty set inherits. */
  readonly written: CpuSet;
  /** CPUs that can't be taken from it: writes without them fail. */
  readonly held: CpuSet;
  /** Its cgroup can't be read. */
  readonly isHidden: boolean;
  /** Another program has written its cgroup, or the runtime has failed to: the agent hasn't repaired that yet. */
  readonly isDrifted: boolean;
  /** It couldn't be read until a moment ago: where it is wrong, that isn't repaired yet. */
  readonly isLate: boolean;
  /** CPUs that it has for itself by a reply, or since nothing was due any more. */
  readonly promised: CpuSet;
}

/** The cgroup of the QoS class in which pinned and shared containers are; exclusive ones are beside it. */
export interface Class {
  /** What its file holds; the empty set inherits. */
  readonly written: CpuSet;
  /** Another program has written it, and the agent hasn't repaired that yet. */
  readonly isDrifted: boolean;
}

export const CLASS = "/kubepods/burstable";

export interface Node {
  readonly mode: Mode;
  /** Absent: no agent is connected. */
  readonly agent: Agent | undefined;
  /** By slot. */
  readonly pods: readonly (Pod | undefined)[];
  /** Oldest first. */
  readonly boxes: readonly Box[];
  readonly class: Class;
  /** CPUs that containers can have. */
  readonly online: CpuSet;
  /** Containers that the runtime's other interface is asked to update, in this order. */
  readonly asked: readonly string[];
}

export function isAlive({ life }: Box): boolean {
  return life !== "exited";
}

export function hasCgroup({ life }: Box): boolean {
  return life === "ready" || life === "cleared" || life === "running";
}

/** Some of its own program runs, or may begin to at any moment. */
export function hasStarted({ life }: Box): boolean {
  return life === "cleared" || life === "running";
}

export function isFaulty({ held, isHidden }: Box): boolean {
  return isHidden || !held.isEmpty;
}

/** The agent can't see where it runs: cgroup v1 shows no CPUs where all that were written have gone offline. */
export function isUnreadable({ mode }: Node, { isHidden, written }: Box): boolean {
  return isHidden || (mode === "kernel-v1" && written.isEmpty);
}

/** Without a cgroup or a set in the record, and nothing wrong with it. */
export const UNTOUCHED = {
  record: undefined,
  promised: CpuSet.empty,
  written: CpuSet.empty,
  held: CpuSet.empty,
  isHidden: false,
  isDrifted: false,
  isLate: false,
} as const;

/** Where the kernel lets it run. */
export function effective(node: Pick<Node, "online" | "class">, { written, kind }: Box): CpuSet {
  return within(kind === "exclusive" ? node.online : ofClass(node), written);
}

/** The CPUs of the class. */
export function ofClass({ online, class: { written } }: Pick<Node, "online" | "class">): CpuSet {
  return within(online, written);
}

function within(around: CpuSet, written: CpuSet): CpuSet {
  const own = written.intersection(around);
  return own.isEmpty ? around : own;
}

export function boxOf({ boxes }: Node, id: string): Box | undefined {
  return boxes.find((box) => box.id === id);
}

/** The container of a slot that lives, if one does. */
export function livingIn({ boxes }: Node, slot: number): Box | undefined {
  return boxes.find((box) => box.slot === slot && isAlive(box));
}

export function withBox(node: Node, id: string, change: (box: Box) => Box): Node {
  return { ...node, boxes: node.boxes.map((box) => box.id === id ? change(box) : box) };
}

export function withoutBox(node: Node, id: string): Node {
  return { ...node, boxes: node.boxes.filter((box) => box.id !== id) };
}

const topologies = new Map<string, Topology>();

/** CPUs 0 and 1 are a core, CPU 2 is one by itself. */
export function topologyOf(online: CpuSet): Topology {
  const key = online.toString();
  const before = topologies.get(key);
  if (before !== undefined) return before;
  const core = (id: number) => id === 1 && online.has(0) ? 0 : id;
  const first = online.first() ?? 0;
  const cpus = online.toArray().map((id) => ({ id, core: core(id), cacheGroup: first, node: 0, socket: 0 }));
  const nodes = [{ id: 0, cpus: online, hasMemory: true, distances: new Map([[0, 10]]) }];
  const topology = new Topology(cpus, nodes, { possible: ALL, present: ALL });
  topologies.set(key, topology);
  return topology;
}
