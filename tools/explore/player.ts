/**
 * Lets one event happen on a node. All that is done meanwhile, by the runtime, the kernel and the agent, is done on the
 * node that the {@link Tree} shows; the node that was given stays as it is.
 */
import { fromBinary } from "@bufbuild/protobuf";
import type { Agent, Input } from "../../src/agent/agent.ts";
import { pendingFor } from "../../src/agent/agent.ts";
import type { Response } from "../../src/agent/decision.ts";
import { startRefused } from "../../src/agent/handlers/ends.ts";
import { serve } from "../../src/agent/serve.ts";
import { initialState, type Settings } from "../../src/agent/state.ts";
import { step } from "../../src/agent/step.ts";
import type { CpusetPort } from "../../src/cgroup/port.ts";
import { CpuSet } from "../../src/cpu/cpu_set.ts";
import { withoutId } from "../../src/ledger/id_map.ts";
import type { CpuUpdate } from "../../src/ledger/updates.ts";
import {
  type ContainerUpdate,
  CreateContainerResponseSchema,
  LinuxResourcesSchema,
  StopContainerResponseSchema,
  SynchronizeRequestSchema,
  SynchronizeResponseSchema,
  UpdateContainerResponseSchema,
} from "../../src/nri/gen/nri_pb.ts";
import { create as message } from "@bufbuild/protobuf";
import type { Call } from "../../src/nri/methods.ts";
import { Session } from "../../src/wire/session.ts";
import type { Event } from "./events.ts";
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
  withBox,
  withoutBox,
} from "./node.ts";
import { promised } from "./promises.ts";
import { refusalProblem, startProblem } from "./invariants_answers.ts";
import { Tree, writtenTo } from "./tree.ts";

/** What a test may put in the place of the real thing, to see the exploration notice. */
export interface Doubles {
  readonly serve?: (state: Agent["state"], call: Call) => Response;
  readonly step?: typeof step;
  readonly port?: (tree: Tree) => CpusetPort;
}

/** A node after an event, and what was wrong with an answer on the way. */
export interface Played {
  readonly node: Node;
  readonly problem: string | undefined;
}

/** Longer than any back-off, delay or interval of the agent. */
const WAIT_MS = 400_000;
/** A start that is refused for the moment is decided again, after the work that is due. */
const START_TRIES = 3;

export const SETTINGS: Settings = {
  policy: {
    systemReserved: CpuSet.empty,
    strictReserved: false,
    minShared: 1,
    exclusiveMems: "unset",
    isolatedCpus: "ignore",
  },
  rules: { placement: "packed", pinnedNamespaces: ["*"], unmanagedNamespaces: [], reservedNamespaces: [] },
  growDelayMs: 500,
  dryRun: false,
  apply: "auto",
  reconcileMs: 10_000,
};

/** Nothing is sent on it: calls are handed over as values. */
const CONNECTION = { session: new Session("plugin"), connectedAt: 0, configuredAt: 0 };

export class Player {
  readonly #tree: Tree;
  readonly #port: CpusetPort;
  #problem: string | undefined;

  constructor(private readonly mode: Mode, private readonly doubles: Doubles = {}) {
    const empty = { mode, agent: undefined, pods: [undefined, undefined, undefined], boxes: [], asked: [] };
    this.#tree = new Tree({ ...empty, online: ALL });
    this.#port = doubles.port?.(this.#tree) ?? this.#tree;
  }

  /** A node without containers, and an agent that is synchronized. */
  get empty(): Node {
    const empty = { mode: this.mode, agent: undefined, boxes: [], asked: [], online: ALL };
    return this.play({ ...empty, pods: [undefined, undefined, undefined] }, { kind: "agentUp" }).node;
  }

  play(before: Node, event: Event): Played {
    this.#tree.node = before;
    this.#problem = undefined;
    this.#play(event);
    return { node: promised(this.node), problem: this.#problem };
  }

  private get node(): Node {
    return this.#tree.node;
  }

  private set node(node: Node) {
    this.#tree.node = node;
  }

  #change(id: string, change: (box: Box) => Box): void {
    this.node = withBox(this.node, id, change);
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
        this.node = { ...this.node, agent: undefined, asked: [] };
        return;
      case "agentUp":
        return this.#agentUp();
      case "runtimeRestart":
        return this.#runtimeRestart();
      case "apply":
        return this.#applyNext();
      case "tick":
      case "wait":
        return this.#tick(event.kind === "wait" ? WAIT_MS : 0);
      default: {
        const box = boxOf(this.node, event.id);
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
        this.#change(id, (box) => ({ ...box, life: "running" }));
        return this.#notify("PostStartContainer", id);
      case "failStart":
        this.node = withoutBox(this.node, id);
        return;
      case "exit":
        return this.#exit(id);
      case "stop":
        return this.#stop(id);
      case "hold":
        return this.#change(id, (box) => ({ ...box, held: effective(this.node, box) }));
      case "hide":
        return this.#change(id, (box) => ({ ...box, isHidden: true }));
      case "heal":
        return this.#change(id, (box) => ({ ...box, isHidden: false, held: CpuSet.empty }));
      case "tamper": {
        const after = writtenTo(this.node, box, ALL);
        if (after !== undefined) this.#change(id, () => ({ ...after, isDrifted: true }));
      }
    }
  }

  #newPod(kind: Kind, isRun: boolean): void {
    const slot = this.node.pods.indexOf(undefined);
    if (slot < 0) return;
    this.node = { ...this.node, pods: this.node.pods.with(slot, { kind, limit: 1 }) };
    this.#createIn(slot, isRun);
  }

  #createIn(slot: number, isRun: boolean): void {
    const pod = this.node.pods[slot];
    const id = this.#freshId(slot);
    if (pod === undefined || id === undefined || livingIn(this.node, slot) !== undefined) return;
    const box: Box = {
      ...{ ...pod, id, slot, life: "created", record: undefined, isHidden: false, isDrifted: false },
      ...{ written: CpuSet.empty, held: CpuSet.empty, promised: CpuSet.empty },
    };
    if (!this.#create(box) || !isRun) return;
    this.#start(id);
    if (boxOf(this.node, id)?.life === "cleared") this.#playOn(box, "posted");
  }

  /** An id that nothing remembers. */
  #freshId(slot: number): string | undefined {
    const { agent, boxes } = this.node;
    const id = ["a", "b", "c"].map((letter) => `${slot}${letter}`).find((id) =>
      !agent?.state.ledger.assignments.has(id) && !boxes.some((box) => box.id === id)
    );
    if (agent !== undefined && id !== undefined) {
      const { reconcile } = agent.state;
      const [missing, suspects, unknown] = [
        withoutId(reconcile.missing, id),
        withoutId(reconcile.suspects, id),
        withoutId(reconcile.unknown, id),
      ];
      this.#keep({ ...agent.state, reconcile: { ...reconcile, missing, suspects, unknown } });
    }
    return id;
  }

  #create(box: Box): boolean {
    const { pod, container } = subjectOf(box);
    const response = this.#ask({ kind: "CreateContainer", pod, container }, box);
    if (response?.reply.kind === "refuse") return false;
    const reply = fromBinary(CreateContainerResponseSchema, payloadOf(response));
    const record = setOf(reply.adjust?.linux?.resources?.cpu?.cpus);
    this.node = { ...this.node, boxes: [...this.node.boxes, { ...box, record }] };
    this.#applyAll(reply.update);
    this.#promise(box.id);
    return true;
  }

  #runc(id: string): void {
    const box = boxOf(this.node, id);
    if (box?.life !== "created") return;
    const ready: Box = {
      ...box,
      life: "ready",
      written: this.mode === "kernel-v1" ? this.node.online : CpuSet.empty,
    };
    const after = box.record === undefined ? ready : writtenTo(this.node, ready, box.record);
    if (after === undefined) this.node = withoutBox(this.node, id);
    else this.#change(id, () => after);
  }

  #start(id: string): void {
    this.#runc(id);
    for (let tries = 0;; tries++) {
      const box = boxOf(this.node, id);
      if (box?.life !== "ready") return;
      const { pod, container } = subjectOf(box);
      const response = this.#ask({ kind: "StartContainer", pod, container }, box);
      if (response?.reply.kind === "refuse" && response.retryable && tries < START_TRIES) {
        this.#tick(0);
        continue;
      }
      if (response?.reply.kind === "refuse") {
        this.#take(startRefused(response, { pod, container }));
        return this.#exit(id);
      }
      this.#change(id, (box) => ({ ...box, life: "cleared" }));
      this.#promise(id);
      this.#problem ??= startProblem(this.node, id);
      return;
    }
  }

  #exit(id: string): void {
    this.#change(id, (box) => ({
      ...box,
      ...{ life: "exited", isHidden: false, isDrifted: false, written: CpuSet.empty, held: CpuSet.empty },
    }));
  }

  #stop(id: string): void {
    this.#exit(id);
    const box = boxOf(this.node, id);
    if (box === undefined) return;
    const { pod, container } = subjectOf(box);
    const response = this.#ask({ kind: "StopContainer", pod, container });
    this.#applyAll(fromBinary(StopContainerResponseSchema, payloadOf(response)).update);
    this.#notify("RemoveContainer", id);
    this.node = withoutBox(this.node, id);
  }

  #stopPod(slot: number): void {
    const pod = this.node.pods[slot];
    if (pod === undefined) return;
    for (const box of this.node.boxes) if (box.slot === slot) this.#stop(box.id);
    this.#ask({ kind: "StopPodSandbox", pod: podMessage({ slot, ...pod }) });
    this.node = { ...this.node, pods: this.node.pods.with(slot, undefined) };
  }

  #resize(id: string, limit: number): void {
    const box = boxOf(this.node, id);
    if (box === undefined) return;
    if (!this.#update(box, figuresOf(box.kind, limit))) return;
    this.#change(id, (after) => ({ ...after, limit }));
    this.#promise(id);
    this.node = { ...this.node, pods: this.node.pods.with(box.slot, { kind: box.kind, limit }) };
  }

  #applyNext(): void {
    const { asked: [id, ...asked], agent } = this.node;
    this.node = { ...this.node, asked };
    const box = id === undefined ? undefined : boxOf(this.node, id);
    const update = agent && box && pendingFor(agent, box.id);
    if (box !== undefined && update !== undefined) this.#update(box, { cpus: update.cpus.toString() });
  }

  /** UpdateContainer, which is applied at once, and PostUpdateContainer; false where it failed. */
  #update(box: Box, cpu: ReturnType<typeof figuresOf>): boolean {
    if (!isAlive(box)) return false;
    const { pod, container } = subjectOf(box);
    const resources = message(LinuxResourcesSchema, { cpu });
    const response = this.#ask({ kind: "UpdateContainer", pod, container, resources }, box);
    if (response?.reply.kind === "refuse") return false;
    const { update } = fromBinary(UpdateContainerResponseSchema, payloadOf(response));
    this.#applyAll(update.filter(({ containerId }) => containerId !== box.id));
    const own = update.find(({ containerId }) => containerId === box.id);
    const isApplied = this.#applyTo(box.id, setOf(own?.linux?.resources?.cpu?.cpus) ?? setOf(cpu.cpus));
    if (isApplied) this.#notify("PostUpdateContainer", box.id);
    return isApplied;
  }

  #applyAll(updates: readonly ContainerUpdate[]): void {
    for (const { containerId, linux } of updates) {
      this.#applyTo(containerId, setOf(linux?.resources?.cpu?.cpus));
    }
  }

  /** What becomes of an update: all of the record is written, if the container runs. False where the kernel refuses it. */
  #applyTo(id: string, cpus: CpuSet | undefined): boolean {
    const box = boxOf(this.node, id);
    if (box === undefined || !isAlive(box)) return true;
    const record = cpus ?? box.record;
    if (box.life !== "running" || record === undefined) {
      this.#change(id, (box) => ({ ...box, record }));
      return true;
    }
    const after = writtenTo(this.node, box, record);
    // The runtime reports no failure.
    this.#change(id, () => after === undefined ? { ...box, isDrifted: true } : { ...after, record });
    return after !== undefined;
  }

  #agentUp(): void {
    const apply = this.mode === "runtime" ? "runtime" : "auto";
    const fresh = initialState(topologyOf(this.node.online), { ...SETTINGS, apply }, false, {
      cpusets: this.#port,
    });
    const identity = { name: "weka-cpuset", index: "99" };
    this.node = { ...this.node, agent: { identity, state: fresh, connection: CONNECTION }, asked: [] };
    this.#synchronize();
  }

  #runtimeRestart(): void {
    for (const { id, life } of this.node.boxes) {
      if (life !== "running") this.node = withoutBox(this.node, id);
    }
    this.node = { ...this.node, asked: [] };
    this.#synchronize();
  }

  #synchronize(): void {
    const { agent, boxes } = this.node;
    if (agent === undefined) return;
    this.#keep({ ...agent.state, phase: "configured" });
    const subjects = boxes.filter(isAlive).map(subjectOf);
    const request = message(SynchronizeRequestSchema, {
      pods: [...new Set(subjects.map(({ pod }) => pod))],
      containers: subjects.map(({ container }) => container),
    });
    const response = this.#ask({ kind: "Synchronize", request, bytes: 0 });
    this.#applyAll(fromBinary(SynchronizeResponseSchema, payloadOf(response)).update);
  }

  #hotplug(cpu: number, isOn: boolean): void {
    const one = CpuSet.of(cpu);
    const online = isOn ? this.node.online.union(one) : this.node.online.difference(one);
    const isStruck = this.mode === "kernel-v1";
    const boxes = this.node.boxes.map((box) => ({
      ...box,
      held: box.held.intersection(online),
      // Where all its CPUs are gone the kernel has put it on others.
      isDrifted: box.isDrifted ||
        (hasStarted(box) && !box.written.isEmpty && !box.written.intersects(online)),
      written: isStruck ? box.written.intersection(online) : box.written,
    }));
    this.node = { ...this.node, online, boxes };
    const now = this.node.agent?.state.now ?? 0;
    this.#feed({ kind: "topology", now, topology: topologyOf(online), offlineRemoved: isStruck });
  }

  #tick(afterMs: number): void {
    this.#feed({ kind: "tick", now: (this.node.agent?.state.now ?? 0) + afterMs });
  }

  #notify(kind: "PostStartContainer" | "PostUpdateContainer" | "RemoveContainer", id: string): void {
    const box = boxOf(this.node, id);
    if (box !== undefined) this.#ask({ kind, ...subjectOf(box) });
  }

  /** A call to the agent; undefined where there is none. `about` is checked where it is refused. */
  #ask(call: Call, about?: Box): Response | undefined {
    const { agent } = this.node;
    if (agent === undefined) return undefined;
    const before = this.node;
    const response = (this.doubles.serve ?? serve)(agent.state, call);
    this.#take(response);
    if (response.reply.kind === "refuse") {
      this.#problem ??= about === undefined
        ? `${call.kind} is refused: ${response.reply.message}`
        : refusalProblem(before, this.node, call, about, response.reply.message);
    }
    return response;
  }

  #feed(input: Input): void {
    const { agent } = this.node;
    if (agent === undefined) return;
    const next = (this.doubles.step ?? step)(agent, input);
    this.node = { ...this.node, agent: next.agent };
    for (const output of next.outputs) {
      if (output.kind === "apply") this.#request(output.changes);
      if (output.kind === "log" && output.record.message.startsWith("bug ")) {
        this.#problem ??= output.record.message;
      }
      if (output.kind !== "count" && output.kind !== "list") continue;
      const alive = this.node.boxes.filter(isAlive).map(subjectOf);
      const containers = alive.map(({ container }) => container);
      if (output.kind === "list") {
        this.#feed({ kind: "listed", listing: { pods: alive.map(({ pod }) => pod), containers } });
      } else this.#feed({ kind: "counted", living: new Set(containers.map(({ id }) => id)) });
    }
  }

  #take({ state, background = [] }: Response): void {
    this.#keep(state);
    this.#request(background);
  }

  #keep(state: Agent["state"]): void {
    const { agent } = this.node;
    if (agent !== undefined) this.node = { ...this.node, agent: { ...agent, state } };
  }

  /** The runtime's other interface is asked for these, one after the other. */
  #request(changes: readonly CpuUpdate[]): void {
    const { asked } = this.node;
    const more = changes.map(({ id }) => id).filter((id) => !asked.includes(id));
    if (more.length > 0) this.node = { ...this.node, asked: [...asked, ...more] };
  }

  /** A reply has given the container these CPUs for itself. */
  #promise(id: string): void {
    const grant = this.node.agent?.state.ledger.assignments.get(id)?.grant;
    if (grant !== undefined) this.#change(id, (box) => ({ ...box, promised: grant }));
  }
}

function payloadOf(response: Response | undefined): Uint8Array {
  return response?.reply.kind === "answer" ? response.reply.payload : new Uint8Array();
}

function setOf(text: string | undefined): CpuSet | undefined {
  const cpus = CpuSet.parse(text ?? "");
  return cpus instanceof CpuSet && !cpus.isEmpty ? cpus : undefined;
}
