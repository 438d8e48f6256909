/**
 * Lets one event happen on a node. All that is done meanwhile, by the runtime, the kernel and the agent, is done on the
 * node of the {@link Joint}; the node that was given stays as it is.
 */
import { create as message, fromBinary } from "@bufbuild/protobuf";
import { pendingFor } from "../../src/agent/agent.ts";
import { startRefused } from "../../src/agent/handlers/ends.ts";
import { CpuSet } from "../../src/cpu/cpu_set.ts";
import {
  CreateContainerResponseSchema,
  LinuxResourcesSchema,
  StopContainerResponseSchema,
  UpdateContainerResponseSchema,
} from "../../src/nri/gen/nri_pb.ts";
import type { Event } from "./events.ts";
import { startProblem } from "./invariants_answers.ts";
import { type Doubles, emptyNode, Joint, payloadOf, setOf } from "./joint.ts";
import { figuresOf, podMessage, subjectOf } from "./messages.ts";
import {
  ALL,
  type Box,
  boxOf,
  effective,
  hasStarted,
  isAlive,
  type Kind,
  livingIn,
  type Mode,
  type Node,
  topologyOf,
  UNTOUCHED,
  withoutBox,
} from "./node.ts";
import { promised } from "./promises.ts";
import { writtenTo } from "./tree.ts";

export type { Doubles } from "./joint.ts";

/** A node after an event, and what was wrong with an answer on the way. */
export interface Played {
  readonly node: Node;
  readonly problem: string | undefined;
}

/** Longer than any back-off, delay or interval of the agent. */
const WAIT_MS = 400_000;
/** A start that is refused for the moment is decided again, after the work that is due. */
const START_TRIES = 3;

export class Player {
  readonly #joint: Joint;

  constructor(private readonly mode: Mode, doubles: Doubles = {}) {
    this.#joint = new Joint(mode, doubles);
  }

  /** A node without containers, and an agent that is synchronized. */
  get empty(): Node {
    return this.play(emptyNode(this.mode), { kind: "agentUp" }).node;
  }

  play(before: Node, event: Event): Played {
    this.#joint.node = before;
    this.#joint.problem = undefined;
    try {
      this.#play(event);
    } catch (error) {
      this.#joint.problem = `it throws: ${error instanceof Error ? error.message : error}`;
    }
    return { node: promised(this.#joint.node), problem: this.#joint.problem };
  }

  #play(event: Event): void {
    switch (event.kind) {
      case "create":
      case "run":
        return this.#newPod(event.what, event.kind === "run");
      case "restart":
      case "rerun":
        return this.#createIn(event.slot, event.kind === "rerun");
      case "resize":
        return this.#resize(event.id, event.limit);
      case "stopPod":
        return this.#stopPod(event.slot);
      case "cpuOff":
      case "cpuOn":
        return this.#hotplug(event.cpu, event.kind === "cpuOn");
      case "agentDown":
        this.#joint.node = { ...this.#joint.node, agent: undefined, asked: [] };
        return;
      case "agentUp":
        return this.#joint.connect();
      case "runtimeRestart":
        return this.#runtimeRestart();
      case "emptyClass":
      case "tamperClass":
        return this.#writeClass(event.kind === "emptyClass" ? CpuSet.empty : ALL);
      case "apply":
        return this.#applyNext();
      case "tick":
        return this.#tick(0);
      case "wait":
        return this.#wait();
      default: {
        const box = boxOf(this.#joint.node, event.id);
        return box && this.#playOn(box, event.kind);
      }
    }
  }

  #playOn(box: Box, kind: Extract<Event, { id: string }>["kind"]): void {
    const { id } = box;
    switch (kind) {
      case "runc":
        return this.#runc(id);
      case "start":
        return this.#start(id);
      case "posted":
        this.#joint.change(id, (box) => ({ ...box, life: "running" }));
        return this.#joint.notify("PostStartContainer", id);
      case "failStart":
        this.#joint.node = withoutBox(this.#joint.node, id);
        return;
      case "exit":
        return this.#exit(id);
      case "stop":
        return this.#stop(id);
      case "hold":
        return this.#joint.change(id, (box) => ({ ...box, held: effective(this.#joint.node, box) }));
      case "hide":
        return this.#joint.change(id, (box) => ({ ...box, isHidden: true }));
      case "heal":
        return this.#joint.change(
          id,
          (b) => ({ ...b, isHidden: false, isLate: b.isHidden, held: CpuSet.empty }),
        );
      case "tamper": {
        const after = writtenTo(this.#joint.node, box, ALL);
        if (after !== undefined) this.#joint.change(id, () => ({ ...after, isDrifted: true }));
      }
    }
  }

  #newPod(kind: Kind, isRun: boolean): void {
    const slot = this.#joint.node.pods.indexOf(undefined);
    if (slot < 0) return;
    this.#joint.node = { ...this.#joint.node, pods: this.#joint.node.pods.with(slot, { kind, limit: 1 }) };
    this.#joint.ask({ kind: "RunPodSandbox", pod: podMessage({ slot, kind }) });
    this.#createIn(slot, isRun);
  }

  #writeClass(written: CpuSet): void {
    this.#joint.node = { ...this.#joint.node, class: { written, isDrifted: true } };
  }

  #createIn(slot: number, isRun: boolean): void {
    const pod = this.#joint.node.pods[slot];
    const id = this.#joint.freshId(slot);
    if (pod === undefined || id === undefined || livingIn(this.#joint.node, slot) !== undefined) return;
    const box: Box = { ...pod, id, slot, life: "created", ...UNTOUCHED };
    if (!this.#create(box) || !isRun) return;
    this.#start(id);
    if (boxOf(this.#joint.node, id)?.life === "cleared") this.#playOn(box, "posted");
  }

  #create(box: Box): boolean {
    const { pod, container } = subjectOf(box);
    const response = this.#joint.ask({ kind: "CreateContainer", pod, container }, box);
    if (response?.reply.kind === "refuse") return false;
    const reply = fromBinary(CreateContainerResponseSchema, payloadOf(response));
    const record = setOf(reply.adjust?.linux?.resources?.cpu?.cpus);
    this.#joint.node = { ...this.#joint.node, boxes: [...this.#joint.node.boxes, { ...box, record }] };
    this.#joint.applyAll(reply.update);
    this.#joint.promise(box.id);
    return true;
  }

  #runc(id: string): void {
    const box = boxOf(this.#joint.node, id);
    if (box?.life !== "created") return;
    const ready: Box = {
      ...box,
      life: "ready",
      written: this.mode === "kernel-v1" ? this.#joint.node.online : CpuSet.empty,
    };
    const after = box.record === undefined ? ready : writtenTo(this.#joint.node, ready, box.record);
    if (after === undefined) this.#joint.node = withoutBox(this.#joint.node, id);
    else this.#joint.change(id, () => after);
  }

  #start(id: string): void {
    this.#runc(id);
    for (let tries = 0;; tries++) {
      const box = boxOf(this.#joint.node, id);
      if (box?.life !== "ready") return;
      const { pod, container } = subjectOf(box);
      const response = this.#joint.ask({ kind: "StartContainer", pod, container }, box);
      if (response?.reply.kind === "refuse" && response.retryable && tries < START_TRIES) {
        this.#tick(0);
        continue;
      }
      if (response?.reply.kind === "refuse") {
        this.#joint.take(startRefused(response, { pod, container }));
        return this.#exit(id);
      }
      this.#joint.change(id, (box) => ({ ...box, life: "cleared" }));
      this.#joint.promise(id);
      this.#joint.problem ??= startProblem(this.#joint.node, id);
      return;
    }
  }

  #exit(id: string): void {
    this.#joint.change(id, (box) => ({ ...box, life: "exited", ...UNTOUCHED, record: box.record }));
  }

  #stop(id: string): void {
    this.#exit(id);
    const box = boxOf(this.#joint.node, id);
    if (box === undefined) return;
    const { pod, container } = subjectOf(box);
    const response = this.#joint.ask({ kind: "StopContainer", pod, container });
    this.#joint.applyAll(fromBinary(StopContainerResponseSchema, payloadOf(response)).update);
    this.#joint.notify("RemoveContainer", id);
    this.#joint.node = withoutBox(this.#joint.node, id);
  }

  #stopPod(slot: number): void {
    const pod = this.#joint.node.pods[slot];
    if (pod === undefined) return;
    for (const box of this.#joint.node.boxes) if (box.slot === slot) this.#stop(box.id);
    this.#joint.ask({ kind: "StopPodSandbox", pod: podMessage({ slot, ...pod }) });
    this.#joint.node = { ...this.#joint.node, pods: this.#joint.node.pods.with(slot, undefined) };
  }

  #resize(id: string, limit: number): void {
    const box = boxOf(this.#joint.node, id);
    if (box === undefined) return;
    const before = this.#joint.grantOf(id);
    if (!this.#update(box, figuresOf(box.kind, limit))) return;
    this.#joint.change(id, (after) => ({ ...after, limit }));
    if (this.#joint.grantOf(id) !== before) this.#joint.promise(id);
    const { node } = this.#joint;
    this.#joint.node = { ...node, pods: node.pods.with(box.slot, { kind: box.kind, limit }) };
  }

  #applyNext(): void {
    const { asked: [id, ...asked], agent } = this.#joint.node;
    this.#joint.node = { ...this.#joint.node, asked };
    const box = id === undefined ? undefined : boxOf(this.#joint.node, id);
    const update = agent && box && pendingFor(agent, box.id);
    if (box !== undefined && update !== undefined) this.#update(box, { cpus: update.cpus.toString() });
  }

  /** UpdateContainer, which is applied at once, and PostUpdateContainer; false where it failed. */
  #update(box: Box, cpu: ReturnType<typeof figuresOf>): boolean {
    if (!isAlive(box)) return false;
    const { pod, container } = subjectOf(box);
    const resources = message(LinuxResourcesSchema, { cpu });
    const response = this.#joint.ask({ kind: "UpdateContainer", pod, container, resources }, box);
    if (response?.reply.kind === "refuse") return false;
    const { update } = fromBinary(UpdateContainerResponseSchema, payloadOf(response));
    this.#joint.applyAll(update.filter(({ containerId }) => containerId !== box.id));
    const own = update.find(({ containerId }) => containerId === box.id);
    const isApplied = this.#joint.applyTo(box.id, setOf(own?.linux?.resources?.cpu?.cpus) ?? setOf(cpu.cpus));
    if (isApplied) this.#joint.notify("PostUpdateContainer", box.id);
    return isApplied;
  }

  #runtimeRestart(): void {
    for (const { id, life } of this.#joint.node.boxes) {
      if (life !== "running") this.#joint.node = withoutBox(this.#joint.node, id);
    }
    this.#joint.node = { ...this.#joint.node, asked: [] };
    this.#joint.synchronize();
  }

  #hotplug(cpu: number, isOn: boolean): void {
    const one = CpuSet.of(cpu);
    const online = isOn ? this.#joint.node.online.union(one) : this.#joint.node.online.difference(one);
    const isStruck = this.mode === "kernel-v1";
    const boxes = this.#joint.node.boxes.map((box) => ({
      ...box,
      held: box.held.intersection(online),
      // Where all its CPUs are gone, or those of its class, the kernel has put it on others.
      isDrifted: box.isDrifted ||
        (hasStarted(box) && !box.written.isEmpty &&
          !effective({ online, class: this.#joint.node.class }, box).isSubsetOf(box.written)),
      written: isStruck ? box.written.intersection(online) : box.written,
    }));
    const { class: group } = this.#joint.node;
    const isVoid = !group.written.isEmpty && !group.written.intersects(online);
    const after = { ...group, isDrifted: group.isDrifted || isVoid };
    this.#joint.node = { ...this.#joint.node, online, boxes, class: after };
    const now = this.#joint.node.agent?.state.now ?? 0;
    this.#joint.feed({ kind: "topology", now, topology: topologyOf(online), offlineRemoved: isStruck });
  }

  /** What was let start runs by then. */
  #wait(): void {
    for (const box of this.#joint.node.boxes) if (box.life === "cleared") this.#playOn(box, "posted");
    this.#tick(WAIT_MS);
  }

  #tick(afterMs: number): void {
    this.#joint.feed({ kind: "tick", now: (this.#joint.node.agent?.state.now ?? 0) + afterMs });
  }
}
