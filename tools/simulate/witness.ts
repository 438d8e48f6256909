/**
 * Watches all that is said and done on a simulated node: what is wrong at once is reported, and what explains that
 * something differs for a while is remembered (excuses.ts, windows.ts).
 */
import type { Agent } from "../../src/agent/step.ts";
import type { CpuSet } from "../../src/cpu/cpu_set.ts";
import type { CpuUpdate } from "../../src/ledger/updates.ts";
import type { LogRecord } from "../../src/log_record.ts";
import type { Watch } from "./conversation.ts";
import type { TreeWatch } from "./cpusets.ts";
import type { SimEvent } from "./events.ts";
import type { Ears, Instance } from "./instance.ts";
import { answerProblem, askedProblem, refusalProblem } from "./invariants.ts";
import {
  noteGivenUp,
  orderProblem,
  type Overlap,
  overlapsOf,
  startProblem,
  unchangedSince,
} from "./invariants_kernel.ts";
import type { Resources } from "./pods.ts";
import type { Container } from "./records.ts";
import type { Wanted } from "./reply.ts";
import { passTime } from "./time.ts";
import type { Outcome } from "./updates.ts";
import { type View, viewOf } from "./view.ts";
import { openReadAgain } from "./windows.ts";
import type { World } from "./world.ts";

/** Calls in whose answers something is promised; ends only give back. */
const PROMISING: readonly string[] = ["CreateContainer", "UpdateContainer"];

export class Witness implements Watch, Ears, TreeWatch {
  /** The last that the owner was asked in the event under way could carry updates in its answer. */
  hasAnswered = false;
  /** In the call under way something went wrong once, which wouldn't if it were tried again. */
  isDisturbed = false;
  /** The owner's books before the call under way. */
  #before: View | undefined;
  /** Who was on whose CPUs in the course of the agent's plans, since its last step. */
  #overlaps: Overlap[] = [];
  #event: SimEvent["kind"] | undefined;

  constructor(private readonly world: World) {}

  /** An event is about to happen. */
  begin({ kind }: SimEvent): void {
    this.#event = kind;
    this.hasAnswered = false;
  }

  answered(
    by: Instance,
    method: string,
    subject: Container | undefined,
    own: Resources,
    others: readonly Wanted[],
  ): void {
    this.world.seen.calls++;
    if (this.world.inCharge !== undefined && PROMISING.includes(method)) {
      this.world.windows.promise(this.world, this.#before);
    }
    this.hasAnswered ||= by === this.world.owner;
    this.world.seen.updates += others.length;
    this.world.report(answerProblem(this.world, by, method, subject, own, others));
    for (const { id } of others) {
      if (this.world.runtime.containers.get(id)?.life === "asked") this.world.excuses.give(id, "starting");
    }
  }

  applied(container: Container, outcome: Outcome, update: Resources): void {
    const { id } = container;
    const placed = this.world.owner && viewOf(this.world.owner.agent).placed.get(id);
    const stale = update.cpus !== undefined &&
      (placed?.wanted.toString() !== update.cpus || placed.record?.toString() !== update.cpus);
    if (outcome === "failed") this.world.excuses.give(id, "failed");
    else if (stale && this.#event === "applied") {
      this.world.excuses.give(id, "overtaken");
      if (this.world.scenario.mode === "kernel") this.world.offRecord.add(id);
    } else if (outcome === "lost") {
      this.world.excuses.give(id, container.life === "running" ? "lost" : "starting");
    }
    if (this.#event === "applied" && outcome === "done") this.world.windows.open(id, "updated");
  }

  asking(by: Instance, method: string, subject: Container): (refusal: string | undefined) => void {
    if (by !== this.world.owner || this.world.scenario.mode === "blind") return () => {};
    this.isDisturbed = false;
    this.#before = viewOf(by.agent);
    const before = unchangedSince(this.world, subject);
    return (refusal) => this.world.report(refusal === undefined ? undefined : before(method, refusal));
  }

  waits(ms: number): void {
    passTime(this.world, ms);
  }

  ignored(method: string): void {
    this.world.report(`${method} isn't answered`);
  }

  unanswered(method: string): void {
    this.world.report(`${method} isn't answered`);
  }

  stepped(by: Instance, before: Agent): void {
    const overlaps = this.#overlaps.splice(0);
    if (by !== this.world.owner || by.agent.state.ledger === before.state.ledger) return;
    noteGivenUp(this.world);
    openReadAgain(this.world, viewOf(before));
    this.world.report(orderProblem(this.world, overlaps, viewOf(before)));
  }

  started(container: Container): void {
    if (this.world.isHidden(container.id)) this.world.excuses.give(container.id, "unseen");
    this.world.report(startProblem(this.world, container));
  }

  wrote(id: string, from: CpuSet, cpus: CpuSet): void {
    this.#overlaps.push(...overlapsOf(this.world, id, from, cpus));
  }

  failed(kept: readonly string[], code: string): void {
    this.#overlaps = [];
    this.isDisturbed ||= code !== "EBUSY";
    for (const id of kept) this.world.windows.open(id, "kept");
  }

  unverified(ids: readonly string[]): void {
    for (const id of ids) this.world.givenUp.add(id);
  }

  told(): void {
    this.hasAnswered = false;
  }

  missed({ id, pod }: Container, end: boolean): void {
    if (end) this.world.runtime.ghosts.set(id, pod);
    this.world.windows.open(id, "missed");
    this.world.excuses.give(id, "gap");
  }

  unplaced(container: Container): void {
    this.world.excuses.give(container.id, "unplaced");
  }

  refused(container: Container, message: string): void {
    this.world.seen.refused++;
    this.world.report(refusalProblem(this.world, container, message));
  }

  logged({ level, message }: LogRecord): void {
    if (message.includes("bug")) this.world.report(`the agent logs a bug: ${message}`);
    else if (level === "error" && !message.startsWith("degraded: the running containers are unknown")) {
      this.world.report(`the agent logs an error: ${message}`);
    }
  }

  thrown(error: unknown): void {
    this.world.report(`the agent throws: ${error instanceof Error ? error.stack : error}`);
  }

  wanted(changes: readonly CpuUpdate[]): void {
    this.world.report(askedProblem(this.world, changes));
  }

  closed(): void {
    this.world.report("the agent closes the connection");
  }
}
