/** The agent and the runtime's end, joined: calls, inputs and what comes of them, on the node that the tree shows. */
import { create as message, fromBinary } from "@bufbuild/protobuf";
import type { Agent, Input } from "../../src/agent/agent.ts";
import type { Response } from "../../src/agent/decision.ts";
import { serve } from "../../src/agent/serve.ts";
import { initialState, type Settings } from "../../src/agent/state.ts";
import { step } from "../../src/agent/step.ts";
import type { CpusetPort } from "../../src/cgroup/port.ts";
import { CpuSet } from "../../src/cpu/cpu_set.ts";
import { withoutId } from "../../src/ledger/id_map.ts";
import type { CpuUpdate } from "../../src/ledger/updates.ts";
import {
  type ContainerUpdate,
  SynchronizeRequestSchema,
  SynchronizeResponseSchema,
} from "../../src/nri/gen/nri_pb.ts";
import type { Call } from "../../src/nri/methods.ts";
import { Session } from "../../src/wire/session.ts";
import { refusalProblem } from "./invariants_answers.ts";
import { subjectOf } from "./messages.ts";
import { ALL, type Box, boxOf, isAlive, type Mode, type Node, SLOTS, topologyOf, withBox } from "./node.ts";
import { Tree, writtenTo } from "./tree.ts";

/** What a test may put in the place of the real thing, to see the exploration notice. */
export interface Doubles {
  readonly serve?: (state: Agent["state"], call: Call) => Response;
  readonly step?: typeof step;
  readonly port?: (tree: Tree) => CpusetPort;
}

export const SETTINGS: Settings = {
  policy: {
    systemReserved: CpuSet.empty,
    strictReserved: false,
    minShared: 1,
    exclusiveMems: "unset",
    pinnedMems: "local+cpuless",
    correctMems: "young",
    isolatedCpus: "ignore",
  },
  rules: {
    placement: "packed",
    pinnedNamespaces: ["*"],
    pinnedCpu0: "allow",
    unmanagedNamespaces: [],
    isolationNamespaces: [],
    reservedNamespaces: [],
    sandboxedRuntimes: [],
    vmRuntimes: [],
  },
  growDelayMs: 500,
  dryRun: false,
  apply: "auto",
  fence: "off",
  hostFence: "off",
  exclusiveQuota: "keep",
  reconcileMs: 10_000,
};

/** Nothing is sent on it: calls are handed over as values. */
const CONNECTION = { session: new Session("plugin"), connectedAt: 0, configuredAt: 0 };

export class Joint {
  /** The first thing that was wrong with an answer. */
  problem: string | undefined;
  readonly #tree: Tree;
  readonly #port: CpusetPort;

  constructor(readonly mode: Mode, private readonly doubles: Doubles) {
    this.#tree = new Tree(emptyNode(mode));
    this.#port = doubles.port?.(this.#tree) ?? this.#tree;
  }

  get node(): Node {
    return this.#tree.node;
  }

  set node(node: Node) {
    this.#tree.node = node;
  }

  applyAll(updates: readonly ContainerUpdate[]): void {
    for (const { containerId, linux } of updates) {
      this.applyTo(containerId, setOf(linux?.resources?.cpu?.cpus));
    }
  }

  /** What becomes of an update: all of the record is written, if the container runs. False where the kernel refuses it. */
  applyTo(id: string, cpus: CpuSet | undefined): boolean {
    const box = boxOf(this.node, id);
    if (box === undefined || !isAlive(box)) return true;
    const record = cpus ?? box.record;
    if (box.life !== "running" || record === undefined) {
      this.change(id, (box) => ({ ...box, record }));
      return true;
    }
    const after = writtenTo(this.node, box, record);
    // The runtime reports no failure.
    this.change(id, () => after === undefined ? { ...box, isDrifted: true } : { ...after, record });
    return after !== undefined;
  }

  connect(): void {
    const apply = this.mode === "runtime" ? "runtime" : "auto";
    const fence = this.mode === "fence" ? "auto" : "off";
    const fresh = initialState(topologyOf(this.node.online), { ...SETTINGS, apply, fence }, false, {
      cpusets: this.#port,
    });
    const identity = { name: "weka-cpuset", index: "99" };
    this.node = { ...this.node, agent: { identity, state: fresh, connection: CONNECTION }, asked: [] };
    this.synchronize();
  }

  synchronize(): void {
    const { agent, boxes } = this.node;
    if (agent === undefined) return;
    this.keep({ ...agent.state, phase: "configured" });
    // Of what can't be read the record is all that is known; before the start updates may have been lost.
    for (const { id, life, isHidden } of boxes) {
      if (this.mode === "runtime" && isHidden && life !== "running") {
        this.change(id, (box) => ({ ...box, isDrifted: true }));
      }
    }
    const subjects = boxes.filter(isAlive).map(subjectOf);
    const request = message(SynchronizeRequestSchema, {
      pods: [...new Set(subjects.map(({ pod }) => pod))],
      containers: subjects.map(({ container }) => container),
    });
    const response = this.ask({ kind: "Synchronize", request, bytes: 0 });
    this.applyAll(fromBinary(SynchronizeResponseSchema, payloadOf(response)).update);
  }

  notify(kind: "PostStartContainer" | "PostUpdateContainer" | "RemoveContainer", id: string): void {
    const box = boxOf(this.node, id);
    if (box !== undefined) this.ask({ kind, ...subjectOf(box) });
  }

  /** A call to the agent; undefined where there is none. `about` is checked where it is refused. */
  ask(call: Call, about?: Box): Response | undefined {
    const { agent } = this.node;
    if (agent === undefined) return undefined;
    const before = this.node;
    const response = (this.doubles.serve ?? serve)(agent.state, call);
    this.take(response);
    if (response.reply.kind === "refuse") {
      this.problem ??= about === undefined
        ? `${call.kind} is refused: ${response.reply.message}`
        : refusalProblem(before, this.node, call, about, response.reply.message);
    }
    return response;
  }

  feed(input: Input): void {
    const { agent } = this.node;
    if (agent === undefined) return;
    const next = (this.doubles.step ?? step)(agent, input);
    this.node = { ...this.node, agent: next.agent };
    for (const output of next.outputs) {
      if (output.kind === "apply") this.#request(output.changes);
      if (output.kind === "log" && output.record.message.startsWith("bug ")) {
        this.problem ??= output.record.message;
      }
      if (output.kind !== "count" && output.kind !== "list") continue;
      const alive = this.node.boxes.filter(isAlive).map(subjectOf);
      const containers = alive.map(({ container }) => container);
      if (output.kind === "list") {
        this.feed({ kind: "listed", listing: { pods: alive.map(({ pod }) => pod), containers } });
      } else {
        const sandboxes = SLOTS.filter((slot) => this.node.pods[slot] !== undefined).map((slot) =>
          `sandbox${slot}`
        );
        const ids = containers.map(({ id }) => id);
        this.feed({
          kind: "counted",
          living: { containers: new Set(ids), sandboxes: new Set(sandboxes) },
        });
      }
    }
  }

  take({ state, background = [] }: Response): void {
    this.keep(state);
    this.#request(background);
  }

  keep(state: Agent["state"]): void {
    const { agent } = this.node;
    if (agent !== undefined) this.node = { ...this.node, agent: { ...agent, state } };
  }

  /** The runtime's other interface is asked for these, one after the other. */
  #request(changes: readonly CpuUpdate[]): void {
    const { asked } = this.node;
    const more = changes.map(({ id }) => id).filter((id) => !asked.includes(id));
    if (more.length > 0) this.node = { ...this.node, asked: [...asked, ...more] };
  }

  grantOf(id: string): CpuSet | undefined {
    return this.node.agent?.state.ledger.assignments.get(id)?.grant;
  }

  /** A reply has given the container these CPUs for itself. */
  promise(id: string): void {
    const grant = this.grantOf(id);
    if (grant !== undefined) this.change(id, (box) => ({ ...box, promised: grant }));
  }

  /** An id that nothing remembers. */
  freshId(slot: number): string | undefined {
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
      this.keep({ ...agent.state, reconcile: { ...reconcile, missing, suspects, unknown } });
    }
    return id;
  }

  change(id: string, change: (box: Box) => Box): void {
    this.node = withBox(this.node, id, change);
  }
}

export function payloadOf(response: Response | undefined): Uint8Array {
  return response?.reply.kind === "answer" ? response.reply.payload : new Uint8Array();
}

export function setOf(text: string | undefined): CpuSet | undefined {
  const cpus = CpuSet.parse(text ?? "");
  return cpus instanceof CpuSet && !cpus.isEmpty ? cpus : undefined;
}

export function emptyNode(mode: Mode): Node {
  const pods = SLOTS.map(() => undefined);
  const unset = { written: CpuSet.empty, isDrifted: false };
  return { mode, agent: undefined, pods, boxes: [], class: unset, online: ALL, asked: [] };
}
