/**
 * The whole simulated node: the agent (or two), the runtime with its record, the kernel with its sets, the CRI and the
 * clock. `play` lets one event happen and says which invariant it has broken.
 *
 *     World ──▶ Runtime ──▶ Kernel
 *       │         │ Watch (what was answered, what was applied)
 *       │         ▼
 *       └────▶ Instance ──▶ step(agent, input)
 */
import { newAgent, step } from "../../src/agent.ts";
import { CpuSet } from "../../src/cpu/cpu_set.ts";
import type { Topology } from "../../src/cpu/topology.ts";
import type { Change } from "../../src/ledger/changes.ts";
import type { LogRecord } from "../../src/log_record.ts";
import type { Settings } from "../../src/nri/node.ts";
import { applyNext, playAgentEvent } from "./agent_events.ts";
import type { Mangle, Watch } from "./conversation.ts";
import { setOf } from "./cpus.ts";
import type { ContainerEvent, SimEvent } from "./events.ts";
import { Excuses } from "./excuses.ts";
import { type Ears, Instance, type Step } from "./instance.ts";
import { answerProblem, askedProblem, LASTING, refusalProblem } from "./invariants.ts";
import { Kernel } from "./kernel.ts";
import { hotplug, tamper } from "./kernel_events.ts";
import { machineWithout } from "./machines.ts";
import type { Resources } from "./pods.ts";
import { quieten } from "./quiet.ts";
import { Random } from "./random.ts";
import { type Container, hasCgroup, isAlive } from "./records.ts";
import type { Wanted } from "./reply.ts";
import { Runtime } from "./runtime.ts";
import { type Scenario, settingsOf } from "./scenario.ts";
import type { Outcome } from "./updates.ts";
import { type View, viewOf } from "./view.ts";

/** What a test may put in the place of the real thing, to see the simulation notice. */
export interface Doubles {
  readonly step?: Step;
  readonly mangle?: Mangle;
}

export class World implements Watch, Ears {
  readonly settings: Settings;
  readonly kernel: Kernel;
  readonly runtime: Runtime;
  readonly excuses = new Excuses();
  now = 1000;
  instances: Instance[] = [];
  /** Figures: `played` counts the events of going quiet too, `settled` the containers that ran when it was. */
  readonly seen = { played: 0, quiets: 0, settled: 0, refused: 0, updates: 0, calls: 0 };
  #problem: string | undefined;
  /** The last that the owner was asked in the event under way could carry updates in its answer. */
  hasAnswered = false;
  /** The event under way. */
  #event: SimEvent = { kind: "tick", ms: 0 };
  readonly #chance: Random;

  constructor(readonly scenario: Scenario, private readonly doubles: Doubles = {}) {
    this.settings = settingsOf(scenario);
    this.kernel = new Kernel(scenario.cgroups, machineWithout(scenario.machine, CpuSet.empty).online);
    this.runtime = new Runtime(
      scenario.nri,
      scenario.way === "launched" && scenario.nri === "0.6",
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
    if (this.scenario.way === "launched") this.#bury();
    this.#endExcuses();
    return this.#problem ?? this.#lastingProblem();
  }

  #lastingProblem(): string | undefined {
    for (const [sentence, check] of LASTING) {
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
        this.now += event.ms;
        runtime.talk.now = this.now;
        for (const each of this.instances) if (!each.dead) each.feed({ kind: "tick", now: this.now });
        return;
      case "tamper":
        return tamper(this, event.id, setOf(event.cpus));
      case "hotplug":
        return hotplug(this, event.cpu, event.on);
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
    if (kind === "runc" || kind === "runcFails") runtime.runc(container, kind === "runcFails");
    else runtime[kind](container);
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
    const agent = newAgent({ identity, topology: this.topology, standby, ...this.settings });
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
    else if (outcome === "lost") this.excuses.give(id, container.life === "running" ? "lost" : "starting");
  }

  told(): void {
    this.hasAnswered = false;
  }

  missed({ id, pod }: Container, end: boolean): void {
    if (end) this.runtime.ghosts.set(id, pod);
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
    return !this.means(placed.record).isSubsetOf(placed.wanted);
  }

  /** It is to be put right by the CRI: then the agent's own answer to that says what the record will hold. */
  isPending(id: string): boolean {
    return this.owner?.sequences.some(({ left }) => left.some((change) => change.id === id)) === true ||
      (this.runtime.containers.get(id)?.agreed.length ?? 0) > 0;
  }

  /** Record and kernel are as they should be. */
  isRight(container: Container, wanted: CpuSet): boolean {
    const { cpus } = container.record;
    return this.means(cpus === undefined ? undefined : setOf(cpus)).equals(wanted) &&
      (!hasCgroup(container) || this.kernel.holds(container.id, container.record.cpus));
  }

  #endExcuses(): void {
    if (this.excuses.none) return;
    const { inCharge } = this;
    for (const id of this.excuses.ids) {
      const container = this.runtime.containers.get(id);
      if (container === undefined || !isAlive(container)) {
        this.excuses.end(id);
        continue;
      }
      const placed = inCharge?.placed.get(id);
      // It never hears of what it missed, so it may go on telling such a container what it has told it before.
      if (this.excuses.cause(id) === "gap") continue;
      if (placed === undefined || container.agreed.length > 0 || this.groundIsOld) continue;
      // There is no CPU for it at all, and no set to say that with.
      if (placed.wanted.isEmpty && !this.excuses.mayStay(id)) this.excuses.end(id);
      // Of a record that names only offline CPUs it can't know what the kernel has put in its place.
      const knows = placed.record?.intersects(this.topology.online) ?? true;
      const believed = knows && this.means(placed.record).equals(placed.wanted);
      if (believed && this.isRight(container, placed.wanted) && container.life === "running") {
        this.excuses.end(id);
      }
    }
  }
}
