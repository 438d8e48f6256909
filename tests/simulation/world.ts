/**
 * The whole simulated node: the agent (or two), the runtime with its record, the kernel with its sets, the CRI and the
 * clock. `play` lets one event happen and says which invariant it has broken.
 *
 *     World ──▶ Runtime ──▶ Kernel
 *       │         │ Watch (what was answered, what was applied)
 *       │         ▼
 *       └────▶ Instance ──▶ step(agent, input)
 */
import { type Agent, newAgent, step } from "../../src/agent.ts";
import { CpuSet } from "../../src/cpu/cpu_set.ts";
import type { Topology } from "../../src/cpu/topology.ts";
import type { Change } from "../../src/ledger/changes.ts";
import type { LogRecord } from "../../src/log_record.ts";
import type { Settings } from "../../src/nri/node.ts";
import { applyNext, playAgentEvent } from "./agent_events.ts";
import type { Mangle, Watch } from "./conversation.ts";
import type { ContainerEvent, SimEvent } from "./events.ts";
import { Excuses } from "./excuses.ts";
import { type Ears, Instance, type Step } from "./instance.ts";
import { SimCpusets, TreeFaults, type TreeWatch, UNWATCHED } from "./cpusets.ts";
import { answerProblem, askedProblem, LASTING, refusalProblem } from "./invariants.ts";
import { Kernel } from "./kernel.ts";
import { playCgroupEvent, playTreeEvent } from "./kernel_events.ts";
import {
  KERNEL_LASTING,
  noteGivenUp,
  orderProblem,
  type Overlap,
  overlapsOf,
  startProblem,
  unchangedSince,
} from "./invariants_kernel.ts";
import { machineWithout } from "./machines.ts";
import type { Resources } from "./pods.ts";
import { quieten } from "./quiet.ts";
import { Random } from "./random.ts";
import type { Container } from "./records.ts";
import type { Wanted } from "./reply.ts";
import { endExcuses } from "./right.ts";
import { Runtime } from "./runtime.ts";
import { type Scenario, settingsOf } from "./scenario.ts";
import { passTime, tickAll } from "./time.ts";
import type { Outcome } from "./updates.ts";
import { type View, viewOf } from "./view.ts";
import { endWindows, openReadAgain, Windows } from "./windows.ts";

/** What a test may put in the place of the real thing, to see the simulation notice. */
export interface Doubles {
  readonly step?: Step;
  readonly mangle?: Mangle;
}

/** Calls in whose answers something is promised; ends only give back. */
const PROMISING: readonly string[] = ["CreateContainer", "UpdateContainer"];

export class World implements Watch, Ears, TreeWatch {
  readonly settings: Settings;
  readonly kernel: Kernel;
  readonly tree = new TreeFaults();
  readonly runtime: Runtime;
  readonly excuses = new Excuses();
  readonly windows = new Windows();
  /** Containers that the agent was told it can't have in the kernel. */
  readonly givenUp = new Set<string>();
  /** Containers whose records the agent doesn't know, and needn't as long as their sets are in the kernel alone. */
  readonly offRecord = new Set<string>();
  readonly #cpusets: SimCpusets;
  /** Who was on whose CPUs in the course of the agent's plans, since its last step. */
  #overlaps: Overlap[] = [];
  now = 1000;
  instances: Instance[] = [];
  /** Figures: `played` counts the events of going quiet too, `settled` the containers that ran when it was. */
  readonly seen = { played: 0, quiets: 0, settled: 0, refused: 0, updates: 0, calls: 0 };
  #problem: string | undefined;
  /** The last that the owner was asked in the event under way could carry updates in its answer. */
  hasAnswered = false;
  /** The owner's books before the call under way. */
  #before: View | undefined;
  /** In the call under way something went wrong once, which wouldn't if it were tried again. */
  isDisturbed = false;
  /** The event under way. */
  #event: SimEvent = { kind: "tick", ms: 0 };
  readonly #chance: Random;

  constructor(readonly scenario: Scenario, private readonly doubles: Doubles = {}) {
    this.settings = settingsOf(scenario);
    this.kernel = new Kernel(scenario.cgroups, machineWithout(scenario.machine, CpuSet.empty).online);
    this.#cpusets = new SimCpusets(this.kernel, this.tree, this);
    this.runtime = new Runtime(
      scenario.nri,
      scenario.way === "launched" && scenario.nri === "0.6",
      scenario.driver,
      this.kernel,
      this,
      doubles.mangle,
    );
    this.#chance = new Random(scenario.seed ^ 0x5eed);
    this.launch();
  }

  /** The machine as a host reads it: with the CPUs that containers can have. */
  get topology(): Topology {
    return machineWithout(this.scenario.machine, this.kernel.possible.difference(this.kernel.usable));
  }

  /** Some agent thinks of other CPUs than there are. */
  get groundIsOld(): boolean {
    return this.instances.some(({ dead, agent }) =>
      !dead && !agent.node.topology.online.equals(this.kernel.usable)
    );
  }

  /** Who decides on the node, if it is alive. */
  get owner(): Instance | undefined {
    return this.instances.find(({ dead, agent }) => !dead && !agent.node.standby);
  }

  /** The owner's view, if it is told of events and knows what runs. */
  get inCharge(): View | undefined {
    const { owner } = this;
    if (owner === undefined || !owner.joined || owner.blind || this.scenario.dryRun) return undefined;
    return owner.agent.node.phase === "serving" ? viewOf(owner.agent) : undefined;
  }

  /** Lets `event` happen; the sentence of the first invariant that doesn't hold any more. */
  play(event: SimEvent): string | undefined {
    this.seen.played++;
    this.#problem = undefined;
    this.hasAnswered = false;
    this.#event = event;
    this.runtime.talk.now = this.now;
    this.#happen(event);
    this.runtime.talk.look();
    if (this.scenario.way === "launched") this.#bury();
    endWindows(this);
    endExcuses(this);
    return this.#problem ?? this.#lastingProblem();
  }

  #lastingProblem(): string | undefined {
    const checks = this.scenario.mode === "kernel" ? [...LASTING, ...KERNEL_LASTING] : LASTING;
    for (const [sentence, check] of checks) {
      const problem = check(this);
      if (problem !== undefined) return `${sentence}: ${problem}`;
    }
    return undefined;
  }

  /** For what watches: something was wrong in the middle of an event. */
  report(problem: string | undefined): void {
    this.#problem ??= problem;
  }

  #happen(event: SimEvent): void {
    const { runtime } = this;
    switch (event.kind) {
      case "pod":
        return runtime.runPod(event.pod, event.spec);
      case "create":
        return runtime.create(event.pod, event.slot, event.id);
      case "stopPod":
      case "removePod": {
        const pod = runtime.pods.get(event.pod);
        return pod && runtime[event.kind](pod);
      }
      case "update": {
        const container = runtime.containers.get(event.id);
        return container && void runtime.update(container, event.resources);
      }
      case "fault":
        runtime.updates.faults.push({ left: event.after, effect: event.effect });
        return;
      case "apply":
        return applyNext(this, event.sequence, event.reachable);
      case "tick":
        passTime(this, event.ms);
        return tickAll(this);
      case "tamper":
      case "hold":
      case "hotplug":
      case "late":
      case "keeps":
      case "overwrite":
      case "treeGone":
      case "treeBack":
        return playTreeEvent(this, event);
      case "quiet":
        return this.report(quieten(this));
      default:
        return "id" in event ? this.#ofContainer(event) : playAgentEvent(this, event);
    }
  }

  #ofContainer({ kind, id }: ContainerEvent): void {
    const { runtime } = this;
    const container = runtime.containers.get(id);
    if (container === undefined) return;
    switch (kind) {
      case "runc":
      case "runcFails":
        return runtime.runc(container, kind === "runcFails");
      case "release":
      case "hide":
      case "show":
        return playCgroupEvent(this, kind, id);
      case "updated":
        runtime.updated(container);
        return this.inCharge && this.windows.told(id);
      default:
        return runtime[kind](container);
    }
  }

  /** New agents, as after the host's or the runtime's start. */
  launch(): void {
    const { way, second } = this.scenario;
    this.instances = way === "launched" && second
      ? [this.#instance("98", false), this.#instance("99", true)]
      : [this.#instance("99", false)];
    this.runtime.talk.instances = this.instances;
  }

  #instance(index: string, standby: boolean): Instance {
    const identity = { name: "weka-cpuset", index };
    const cpusets = this.scenario.mode === "blind" ? undefined : this.#cpusets;
    const agent = newAgent({ identity, topology: this.topology, standby, ...this.settings, cpusets });
    return new Instance(agent, this.settings, this.doubles.step ?? step, this, this.#chance);
  }

  /** A launched agent's process ends with its connection. */
  #bury(): void {
    for (const each of this.instances) if (each.ended && !each.dead) each.end();
  }

  answered(
    by: Instance,
    method: string,
    subject: Container | undefined,
    own: Resources,
    others: readonly Wanted[],
  ): void {
    this.seen.calls++;
    if (this.inCharge !== undefined && PROMISING.includes(method)) this.windows.promise(this, this.#before);
    this.hasAnswered ||= by === this.owner;
    this.seen.updates += others.length;
    this.report(answerProblem(this, by, method, subject, own, others));
    for (const { id } of others) {
      if (this.runtime.containers.get(id)?.life === "asked") this.excuses.give(id, "starting");
    }
  }

  applied(container: Container, outcome: Outcome, update: Resources): void {
    const { id } = container;
    const placed = this.owner && viewOf(this.owner.agent).placed.get(id);
    const stale = update.cpus !== undefined &&
      (placed?.wanted.toString() !== update.cpus || placed.record?.toString() !== update.cpus);
    if (outcome === "failed") this.excuses.give(id, "failed");
    else if (stale && this.#event.kind === "applied") this.excuses.give(id, "overtaken");
    else if (outcome === "lost") {
      this.excuses.give(id, container.life === "running" ? "lost" : "starting");
    }
    if (this.#event.kind === "applied" && outcome === "done") this.windows.open(id, "updated");
  }

  asking(by: Instance, method: string, subject: Container): (refusal: string | undefined) => void {
    if (by !== this.owner || this.scenario.mode === "blind") return () => {};
    this.isDisturbed = false;
    this.#before = viewOf(by.agent);
    const before = unchangedSince(this, subject);
    return (refusal) => this.report(refusal === undefined ? undefined : before(method, refusal));
  }

  waits(ms: number): void {
    passTime(this, ms);
  }

  ignored(method: string): void {
    this.report(`${method} isn't answered`);
  }

  unanswered(method: string): void {
    this.report(`${method} isn't answered`);
  }

  stepped(by: Instance, before: Agent): void {
    const overlaps = this.#overlaps.splice(0);
    if (by !== this.owner || by.agent.node.ledger === before.node.ledger) return;
    noteGivenUp(this);
    openReadAgain(this, viewOf(before));
    this.report(orderProblem(this, overlaps, viewOf(before)));
  }

  started(container: Container): void {
    if (this.isHidden(container.id)) this.excuses.give(container.id, "unseen");
    this.report(startProblem(this, container));
  }

  wrote(id: string, gained: CpuSet): void {
    this.#overlaps.push(...overlapsOf(this, id, gained));
  }

  undone(kept: readonly string[], code: string): void {
    this.#overlaps = [];
    this.isDisturbed ||= code !== "EBUSY";
    for (const id of kept) this.windows.open(id, "kept");
  }

  unverified(ids: readonly string[]): void {
    for (const id of ids) this.givenUp.add(id);
  }

  /** What an agent that reads it sees; the empty set where there is nothing to read. */
  inForce(id: string): CpuSet {
    const cgroup = { path: id, parent: "", pid: 0 };
    const reading = new SimCpusets(this.kernel, new TreeFaults(), UNWATCHED).read({
      ...{ id, name: "", pod: "", namespace: "", podUid: "", sandboxId: "" },
      cgroup,
    });
    return reading.kind === "values" ? reading.cpus : CpuSet.empty;
  }

  /** The agent has asked for a tick that is to come now. */
  get isTickDue(): boolean {
    return (this.owner?.nextWake ?? Infinity) <= this.now;
  }

  /** The agent can't read its cgroup now, or reads that it has no CPUs (cgroup v1): that says nothing. */
  isHidden(id: string): boolean {
    const isEmpty = this.kernel.version === 1 && this.kernel.written(id)?.isEmpty === true;
    return this.tree.isGone || this.tree.unreadable.has(id) || isEmpty;
  }

  /** The agent compares what it knows with what there is, now and then. */
  get isCompared(): boolean {
    return this.scenario.mode === "kernel" && this.scenario.reconcileEvery > 0;
  }

  told(): void {
    this.hasAnswered = false;
  }

  missed({ id, pod }: Container, end: boolean): void {
    if (end) this.runtime.ghosts.set(id, pod);
    this.windows.open(id, "missed");
    this.excuses.give(id, "gap");
  }

  unplaced(container: Container): void {
    this.excuses.give(container.id, "unplaced");
  }

  refused(container: Container, message: string): void {
    this.seen.refused++;
    this.report(refusalProblem(this, container, message));
  }

  logged({ level, message }: LogRecord): void {
    if (message.includes("bug")) this.report(`the agent logs a bug: ${message}`);
    else if (level === "error" && !message.startsWith("degraded: the running containers are unknown")) {
      this.report(`the agent logs an error: ${message}`);
    }
  }

  thrown(error: unknown): void {
    this.report(`the agent throws: ${error instanceof Error ? error.stack : error}`);
  }

  wanted(changes: readonly Change[]): void {
    this.report(askedProblem(this, changes));
  }

  closed(): void {
    this.report("the agent closes the connection");
  }

  /** The CPUs that a record stands for: those it names and that are there; all, if it names none of these. */
  means(record: CpuSet | undefined): CpuSet {
    const there = record?.intersection(this.kernel.usable);
    return there === undefined || there.isEmpty ? this.kernel.usable : there;
  }

  /**
   * It has CPUs that it should leave, nothing could carry that to it yet, and the agent knows: what it answers next
   * has to, or the CRI has been asked already. (A container that was degraded may get its due by the end of a pod, which
   * has no answer; and in the answer to an UpdateContainer nobody goes where the updated one leaves last.)
   */
  isKnownlyOwed(id: string): boolean {
    const placed = this.inCharge?.placed.get(id);
    if (placed === undefined || (this.hasAnswered && !this.isPending(id))) return false;
    const { record, sent, wanted } = placed;
    return !this.means(record).isSubsetOf(wanted) || sent?.isSubsetOf(wanted) === false;
  }

  /** It is to be put right by the CRI: then the agent's own answer to that says what the record will hold. */
  isPending(id: string): boolean {
    return this.owner?.sequences.some(({ left }) => left.some((change) => change.id === id)) === true ||
      (this.runtime.containers.get(id)?.agreed.length ?? 0) > 0;
  }
}
