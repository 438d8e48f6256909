/** A script's agent and its runtime: what one sends and the other answers, checked and written in lines. */
import assert from "node:assert/strict";
import { type ContainerUpdate, Event, type LinuxResources } from "../../src/nri/gen/nri_pb.ts";
import { pendingFor } from "../../src/agent/step.ts";
import type { CpuUpdate } from "../../src/ledger/updates.ts";
import { eventMask } from "../../src/nri/methods.ts";
import type { FakeKernel } from "../kit/fake_kernel.ts";
import type { LogRecord } from "../../src/log_record.ts";
import type { Link } from "../kit/link.ts";
import { decode, encode, type Method, type Request, type Response } from "../kit/runtime_end.ts";
import { type Box, cpuOf, FakeRuntime, merge } from "./fake_runtime.ts";
import { requestOf } from "./figures.ts";
import { checkHandOver, checkRecords, checkReply } from "./invariants.ts";
import { change, logLines, stateLines, type Told, toldOf } from "./tell.ts";

/** More rounds of "put right through the CRI" than any event needs. */
const MAX_ROUNDS = 20;

const QUESTIONS: Readonly<Record<string, string>> = {
  list: "which containers run",
  count: "which containers still live",
  scan: "which CPUs seem taken",
};

/** Every answer is applied to the runtime's record; what must hold is checked after each. */
export abstract class Exchange {
  readonly runtime = new FakeRuntime();
  /** All that the agent has logged. */
  readonly records: LogRecord[] = [];
  abstract link: Link;
  /** The cgroup tree, where the script has one. */
  abstract readonly kernel: FakeKernel | undefined;
  /** Events that the agent has asked for, as NRI's mask. */
  protected subscribed = 0;
  #lines: string[] = [];
  #told: Told | undefined;

  /** What has come of the events since the last call. */
  told(): string[] {
    const told = toldOf(this.link.agent);
    const lines = [...this.#lines, ...stateLines(this.#told, told)];
    this.#told = told;
    this.#lines = [];
    return lines;
  }

  protected askUpdate(name: string, linuxResources: LinuxResources): void {
    const box = this.runtime.named(name);
    const request = { ...subjectOf(box), linuxResources };
    const response = this.call("UpdateContainer", request);
    if (response === undefined) return;
    const { update } = response;
    const own = update.findIndex(({ containerId }) => containerId === name);
    assert(own < 0 || own === update.length - 1, `the reply names ${name}, which is updated, before others`);
    this.apply(update);
    const { cpu } = linuxResources;
    if (own >= 0 && cpu !== undefined) cpu.cpus = "";
    merge(box, linuxResources);
    checkRecords(this.runtime.boxes.values(), this.link.agent, this.kernel);
    const { POST_UPDATE_CONTAINER } = Event;
    if ((this.subscribed & eventMask([POST_UPDATE_CONTAINER])) !== 0) {
      this.mention(POST_UPDATE_CONTAINER, subjectOf(box));
    }
  }

  protected mention(event: Event, about: { pod: Box["pod"]; container?: Box["container"] }): void {
    this.call("StateChange", { event, ...about });
    this.settle();
  }

  /** The agent's response; undefined where it refuses, which is a line. */
  protected call<M extends Method>(method: M, request: Request<M>): Response<M> | undefined {
    const answer = this.link.call(method, encode(method, request));
    if (answer?.kind === "answered" && answer.status.code === 0) return decode(method, answer.payload);
    this.say(answer?.kind === "answered" ? `refused: ${answer.status.message}` : `no answer to ${method}`);
    return undefined;
  }

  protected apply(updates: readonly ContainerUpdate[]): void {
    checkReply(updates);
    for (const update of updates) {
      const box = this.runtime.boxes.get(update.containerId);
      const cpus = update.linux?.resources?.cpu?.cpus ?? "";
      const before = box === undefined ? "" : cpuOf(box).cpus;
      checkHandOver(update.containerId, cpus, this.runtime.boxes.values(), this.link.agent, this.kernel);
      this.say(change(update.containerId, before, cpus, this.link.agent.state.ledger.topology.online));
      this.runtime.apply(update);
    }
  }

  protected say(line: string): void {
    this.#lines.push(line);
  }

  /** Does what the agent has asked its host for, writes what it has logged, and checks what must hold. */
  protected settle(): void {
    for (let round = 0; this.link.asked.length > 0; round++) {
      assert(round < MAX_ROUNDS, "the agent never stops asking");
      for (const asked of this.link.asked.splice(0)) {
        if (asked.kind in QUESTIONS) this.say(`asks ${QUESTIONS[asked.kind]}`);
        if (asked.kind === "wake") this.#wake(asked.after);
        if (asked.kind === "apply") this.#owed(asked.changes);
      }
    }
    for (const record of this.link.logs.splice(0)) {
      this.records.push(record);
      assert(!record.message.startsWith("bug "), record.message);
      logLines(record).forEach((line) => this.say(line));
    }
    checkRecords(this.runtime.boxes.values(), this.link.agent, this.kernel);
  }

  #wake(after: number): void {
    if (after > 0) return this.say(`wants a tick in ${after} ms`);
    this.link.feed({ kind: "tick", now: this.link.now });
  }

  /** One after the other, as long as each is still owed. */
  #owed(changes: readonly CpuUpdate[]): void {
    for (const { id } of changes) {
      const now = pendingFor(this.link.agent, id);
      if (now !== undefined) this.#throughCri(id, `${now.cpus}`);
    }
  }

  /** The host brings a change about by the CRI, and the runtime asks the agent about it in turn. */
  #throughCri(id: string, cpuset: string): void {
    if (!this.runtime.boxes.has(id)) return;
    this.say(`asks the CRI to set ${id} to ${cpuset}`);
    this.askUpdate(id, requestOf(new Map([["cpuset", cpuset]])));
  }
}

/** What a call is about. */
export function subjectOf({ pod, container }: Box): Pick<Box, "pod" | "container"> {
  return { pod, container };
}
