/**
 * Observes calls, answers, writes and steps of a simulated node: violations are reported at once, and what makes
 * something differ for a while is remembered (exemptions.ts, windows.ts).
 */
import type { Agent } from "../../src/agent/step.ts";
import type { CpuSet } from "../../src/cpu/cpu_set.ts";
import type { CpuUpdate } from "../../src/ledger/updates.ts";
import type { LogRecord } from "../../src/log_record.ts";
import { notApplied } from "./agent_events.ts";
import type { Watch } from "./conversation.ts";
import { setOf } from "./cpus.ts";
import type { TreeWatch } from "./cpusets.ts";
import type { SimEvent } from "./events.ts";
import type { Instance, InstanceObserver } from "./instance.ts";
import { answerProblem, askedProblem, refusalProblem, resizeProblem } from "./invariants_answers.ts";
import { noteUnverified, startProblem } from "./invariants_kernel.ts";
import { movedProblem, seenToPin } from "./invariants_masks.ts";
import { orderProblem, type Overlap, overlapsOf } from "./invariants_order.ts";
import { unchangedSince } from "./invariants_refused.ts";
import type { Resources } from "./pods.ts";
import type { Container, Pod } from "./records.ts";
import type { Update } from "./reply.ts";
import { passTime } from "./time.ts";
import type { Outcome } from "./updates.ts";
import { isServing, revisionOf, type View, viewOf } from "./view.ts";
import { openReadAgain, openUnfenced } from "./windows.ts";
import type { World } from "./world.ts";

/** Calls in whose answers something is promised; ends only give back. */
const PROMISING: readonly string[] = ["CreateContainer", "UpdateContainer"];

export class Observer implements Watch, InstanceObserver, TreeWatch {
  /** The answer to the last call to the owner in the event under way could carry updates. */
  hasAnswered = false;
  /** In the call under way something went wrong that wouldn't in a retry. */
  isDisturbed = false;
  /** In the call under way a write has failed. */
  #hasFailed = false;
  /** Containers that keep what was written in the call under way though it failed. */
  readonly notRolledBack = new Set<string>();
  /** The owner's ledger before the call under way. */
  before: View | undefined;
  /** Containers on each other's CPUs in the course of the agent's plans, since its last step. */
  #overlaps: Overlap[] = [];
  /** Containers of which it has seen since that they pin their own threads. */
  #looked: string[] = [];
  #event: SimEvent | undefined;
  /** In whose cgroups an agent has seen somebody. */
  readonly #lived = new WeakMap<Instance, Set<string>>();

  constructor(private readonly world: World) {}

  /** An event is about to happen. */
  begin(event: SimEvent): void {
    this.#event = event;
    this.hasAnswered = false;
  }

  lived(id: string): void {
    const { owner } = this.world;
    if (owner !== undefined) this.#lived.set(owner, (this.#lived.get(owner) ?? new Set()).add(id));
  }

  /** The agent has seen that somebody lives in its cgroup. */
  hasLived(agent: Instance, id: string): boolean {
    return this.#lived.get(agent)?.has(id) === true;
  }

  answered(
    by: Instance,
    method: string,
    subject: Container | undefined,
    own: Resources,
    others: readonly Update[],
  ): void {
    this.world.seen.calls++;
    // A container without CPUs of its own needs no write; what has failed is tried again with the tick that is due.
    const placed = this.world.inCharge?.placed.get(subject?.id ?? "");
    const isLater = this.#hasFailed && placed?.grant.isEmpty === true;
    const isPromise = by === this.world.owner && PROMISING.includes(method);
    if (this.world.inCharge !== undefined && isPromise && !isLater) {
      // It is sent what it has as long as it may have no more.
      const sent = others.find(({ id }) => id === subject?.id)?.resources.cpus;
      const isGiven = sent === undefined || placed?.grant.isSubsetOf(setOf(sent)) === true;
      this.world.windows.promise(this.world, this.before, isGiven ? subject?.id : undefined);
    }
    this.hasAnswered ||= by === this.world.owner;
    this.world.seen.updates += others.length;
    this.world.report(answerProblem(this.world, by, method, subject, own, others));
    if (method === "UpdateContainer" && subject !== undefined && by === this.world.owner) {
      const asked = this.#event?.kind === "update" ? this.#event.resources : {};
      this.world.report(resizeProblem(this.world, subject, asked, this.before));
    }
    for (const { id } of others) {
      if (this.world.runtime.containers.get(id)?.life === "asked") this.world.exemptions.give(id, "starting");
    }
  }

  applied(container: Container, outcome: Outcome, update: Resources): void {
    const { id } = container;
    const placed = this.world.owner && viewOf(this.world.owner.agent).placed.get(id);
    const stale = update.cpus !== undefined &&
      (placed?.desired.toString() !== update.cpus || placed.record?.toString() !== update.cpus);
    // An agent that has ended meanwhile isn't told.
    const isTold = outcome === "refused" && this.world.owner?.sequences.some(({ busy }) => busy) === true;
    if (isTold) notApplied(this.world, id);
    else if (outcome === "failed" || outcome === "refused") this.world.exemptions.give(id, "failed");
    else if (stale && this.#event?.kind === "applied") {
      this.world.exemptions.give(id, "overtaken");
      if (this.world.scenario.mode === "kernel") this.world.offRecord.add(id);
    } else if (outcome === "lost") {
      this.world.exemptions.give(id, container.life === "running" ? "lost" : "starting");
    }
    if (this.#event?.kind === "applied" && outcome === "done") this.world.windows.open(id, "updated");
  }

  asking(by: Instance, method: string, subject: Container): (refusal: string | undefined) => void {
    if (by !== this.world.owner) return () => {};
    this.isDisturbed = this.#hasFailed = false;
    this.notRolledBack.clear();
    this.before = viewOf(by.agent);
    if (this.world.scenario.mode === "blind") return () => {};
    const before = unchangedSince(this.world, subject);
    return (refusal) => this.world.report(refusal === undefined ? undefined : before(method, refusal));
  }

  elapses(ms: number): void {
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
    const looked = this.#looked.splice(0);
    if (by !== this.world.owner || revisionOf(by.agent) === revisionOf(before)) return;
    const { inCharge } = this.world;
    if (inCharge === undefined) by.everPlaced.clear();
    for (const id of inCharge?.placed.keys() ?? []) by.everPlaced.add(id);
    noteUnverified(this.world);
    openReadAgain(this.world, viewOf(before));
    openUnfenced(this.world, viewOf(before));
    this.world.report(orderProblem(this.world, overlaps, viewOf(before)));
    if (isServing(before)) this.world.report(movedProblem(this.world, by, viewOf(before)));
    for (const id of looked) by.pinsItself.add(id);
  }

  started(container: Container): void {
    const { id } = container;
    const path = this.world.kernel.classOf(id) ?? "";
    // Its set isn't in force: its class can't be a fence and has other CPUs for the moment.
    const isVoid = this.world.windows.has(path) && this.world.isVoid(id);
    if (this.world.isHidden(id) || isVoid) this.world.exemptions.give(id, "unseen");
    this.world.report(startProblem(this.world, container));
  }

  wrote(id: string, before: ReadonlyMap<string, CpuSet>, cpus: CpuSet): void {
    if (this.world.kernel.classes.includes(id)) this.world.attendance.wrote(id, cpus);
    this.#overlaps.push(...overlapsOf(this.world, before, cpus));
  }

  ranPod(pod: Pod): void {
    const path = this.world.runtime.classOf(pod);
    if (path === undefined || this.world.isHidden(path)) return;
    if (this.world.inCharge?.groups.get(path)?.isFence) this.world.windows.ranPod(path);
  }

  emptied(path: string): void {
    this.world.attendance.reopened(path);
    this.world.windows.open(path, "emptied");
  }

  failed(kept: readonly string[], code: string): void {
    this.#overlaps = [];
    this.#hasFailed = true;
    this.isDisturbed ||= code !== "EBUSY";
    for (const id of kept) {
      this.notRolledBack.add(id);
      this.world.windows.open(id, "kept");
    }
  }

  looked(id: string): void {
    if (seenToPin(this.world, id)) this.#looked.push(id);
  }

  unverified(ids: readonly string[]): void {
    for (const id of ids) this.world.unverified.add(id);
  }

  notified(): void {
    this.hasAnswered = false;
  }

  missed({ id, pod }: Container, end: boolean): void {
    if (end) this.world.runtime.unreportedEnds.set(id, pod);
    this.world.windows.open(id, "missed");
    this.world.exemptions.give(id, "gap");
  }

  unplaced(container: Container): void {
    this.world.exemptions.give(container.id, "unplaced");
  }

  refused(container: Container, message: string): void {
    this.world.seen.refused++;
    if (container.life === "asked") this.world.refusals.set(container.id, this.world.now);
    this.world.report(refusalProblem(this.world, container, message));
  }

  logged({ level, message }: LogRecord): void {
    if (message.includes("bug")) this.world.report(`the agent logs a bug: ${message}`);
    else if (level === "error" && !message.startsWith("degraded: running containers unknown")) {
      this.world.report(`the agent logs an error: ${message}`);
    }
  }

  thrown(error: unknown): void {
    this.world.report(`the agent throws: ${error instanceof Error ? error.stack : error}`);
  }

  requested(changes: readonly CpuUpdate[]): void {
    this.world.report(askedProblem(this.world, changes));
  }

  closed(): void {
    this.world.report("the agent closes the connection");
  }
}
