/**
 * The whole simulated node: the agent (or two), the runtime with its record, the kernel with its sets, the CRI and the
 * clock. `play` lets one event happen and returns which invariant it has broken.
 *
 *     World ──▶ Runtime ──▶ Kernel ◀── SimCpusets ◀─┐
 *       │         │                                 │
 *       │         ▼                                 │
 *       └────▶ Instance ──▶ step(agent, input) ─────┘
 *
 * The Observer observes all of them.
 */
import { newAgent, step } from "../../src/agent/step.ts";
import type { MachineChange } from "../../src/agent/machine.ts";
import type { CpusetValues } from "../../src/cgroup/port.ts";
import { CpuSet } from "../../src/cpu/cpu_set.ts";
import type { Topology } from "../../src/cpu/topology.ts";
import type { Settings } from "../../src/agent/state.ts";
import type { Mangle } from "./conversation.ts";
import { Attendance } from "./attendance.ts";
import { classPaths } from "./cgroup_paths.ts";
import { setOf } from "./cpus.ts";
import { SimCpusets, TreeFaults, UNWATCHED } from "./cpusets.ts";
import type { SimEvent } from "./events.ts";
import { Exemptions } from "./exemptions.ts";
import { Instance, type Step } from "./instance.ts";
import { forgottenLeftover, lostProblem } from "./invariants_held.ts";
import { INVARIANTS } from "./invariants.ts";
import { KERNEL_INVARIANTS } from "./invariants_kernel.ts";
import { Kernel } from "./kernel.ts";
import { endLimits } from "./kernel_events.ts";
import { machineWithout } from "./machines.ts";
import { Masks } from "./masks.ts";
import { playEvent } from "./play_event.ts";
import { Random } from "../random.ts";
import { endExemptions } from "./consistency.ts";
import { Runtime } from "./runtime.ts";
import { isFenced, type Scenario, settingsOf } from "./scenario.ts";
import { isServing, isStandby, onlineOf, type View, viewOf } from "./view.ts";
import { endWindows, Windows } from "./windows.ts";
import { Observer } from "./observer.ts";

/** What a test may put in the place of the real thing, to see the simulation notice. */
export interface Doubles {
  readonly step?: Step;
  readonly mangle?: Mangle;
}

export class World {
  readonly settings: Settings;
  readonly kernel: Kernel;
  readonly tree = new TreeFaults();
  readonly runtime: Runtime;
  readonly exemptions = new Exemptions();
  readonly windows = new Windows();
  readonly attendance = new Attendance();
  /** Containers of which the agent got the result that they can't be read or written. */
  readonly unverified = new Set<string>();
  /** When creations were refused, by container. */
  readonly refusals = new Map<string, number>();
  /** Containers whose records the agent doesn't know, and needn't as long as their sets are in the kernel alone. */
  readonly offRecord = new Set<string>();
  readonly observer = new Observer(this);
  readonly #cpusets: SimCpusets;
  now = 1000;
  instances: Instance[] = [];
  /** Figures: `played` counts the events of coming to rest too, `running` the containers that ran then. */
  readonly seen = { played: 0, rests: 0, running: 0, refused: 0, updates: 0, calls: 0 };
  #problem: string | undefined;
  readonly #chance: Random;
  readonly #readsMachine: Random;

  constructor(readonly scenario: Scenario, private readonly doubles: Doubles = {}) {
    this.settings = settingsOf(scenario);
    const { online } = machineWithout(scenario.machine, CpuSet.empty);
    const masks = new Masks(scenario.cgroups, setOf(scenario.runtimeMask));
    this.kernel = new Kernel(scenario.cgroups, online, classPaths(scenario.driver), masks);
    this.#cpusets = new SimCpusets(this.kernel, this.tree, this.observer);
    this.runtime = new Runtime(
      scenario.nri,
      scenario.way === "launched" && scenario.nri === "0.6",
      scenario.driver,
      this.kernel,
      this.observer,
      doubles.mangle,
    );
    this.#chance = new Random(scenario.seed ^ 0x5eed);
    this.#readsMachine = new Random(scenario.seed ^ 0xc90);
    this.launch();
  }

  /** The machine as a host reads it: with the CPUs that containers can have. */
  get topology(): Topology {
    return machineWithout(this.scenario.machine, this.kernel.possible.difference(this.kernel.usable));
  }

  /** Some agent's topology isn't the machine's. */
  get isTopologyStale(): boolean {
    return this.instances.some(({ dead, agent }) => !dead && !onlineOf(agent).equals(this.kernel.usable));
  }

  /** The active agent, if it is alive. */
  get owner(): Instance | undefined {
    return this.instances.find(({ dead, agent }) => !dead && !isStandby(agent));
  }

  /** The owner's view, if it gets events and is synchronized. */
  get inCharge(): View | undefined {
    const { owner } = this;
    if (owner === undefined || !owner.joined || owner.blind || this.scenario.dryRun) return undefined;
    return isServing(owner.agent) ? viewOf(owner.agent) : undefined;
  }

  /** Lets `event` happen; the first invariant that doesn't hold any more. */
  play(event: SimEvent): string | undefined {
    this.seen.played++;
    this.#problem = undefined;
    this.observer.begin(event);
    const before = this.inCharge;
    this.runtime.conversation.now = this.now;
    playEvent(this, event);
    this.runtime.conversation.poll();
    if (this.scenario.way === "launched") this.#bury();
    endLimits(this);
    endWindows(this);
    endExemptions(this);
    if (isFenced(this.scenario)) this.attendance.note(this);
    return this.#problem ?? lostProblem(this, before, event) ?? forgottenLeftover(this, before, event) ??
      this.#lastingProblem();
  }

  #lastingProblem(): string | undefined {
    const checks = this.scenario.mode === "kernel" ? [...INVARIANTS, ...KERNEL_INVARIANTS] : INVARIANTS;
    for (const [sentence, check] of checks) {
      const problem = check(this);
      if (problem !== undefined) return `${sentence}: ${problem}`;
    }
    return undefined;
  }

  /** For observers: something was wrong in the middle of an event. */
  report(problem: string | undefined): void {
    this.#problem ??= problem;
  }

  /** New agents, as after the host's or the runtime's start. */
  launch(): void {
    const { standby } = this.scenario;
    const roles = standby === "none" ? [false] : standby === "first" ? [true, false] : [false, true];
    this.instances = roles.map((isStandby, at) => this.#instance(at, isStandby));
    this.runtime.conversation.instances = this.instances;
  }

  /** Who starts agents from outside starts one in the place of each that has ended, which finds another one active. */
  replaceEnded(): void {
    this.instances = this.instances.map((each, at) => each.dead ? this.#instance(at, true) : each);
    this.runtime.conversation.instances = this.instances;
  }

  /** `at`: its place in the order in which plugins are asked. */
  #instance(at: number, standby: boolean): Instance {
    const identity = { name: "weka-cpuset", index: `${90 + at}` };
    const cpusets = this.scenario.mode === "blind" ? undefined : this.#cpusets;
    const machine = { changed: (known: Topology) => this.#machineChange(known) };
    const agent = newAgent({
      identity,
      topology: this.topology,
      standby,
      ...this.settings,
      cpusets,
      machine,
    });
    return new Instance(agent, this.settings, this.doubles.step ?? step, this.observer, this.#chance);
  }

  /** Half of the time it can't be read, so that claims are also decided by CPUs of a moment ago. */
  #machineChange(known: Topology): MachineChange | undefined {
    const isSame = known.online.equals(this.kernel.usable);
    if (isSame || this.#readsMachine.chance(0.5)) return undefined;
    return { topology: this.topology, offlineRemoved: this.scenario.cgroups === 1 };
  }

  /** A launched agent's process ends with its connection. */
  #bury(): void {
    for (const each of this.instances) if (each.ended && !each.dead) each.end();
  }

  /** What an agent that reads it sees; the empty set where there is nothing to read. */
  inForce(id: string): CpuSet {
    const reading = this.read(id);
    return reading?.effective ?? reading?.cpus ?? CpuSet.empty;
  }

  /** The reading of a container's cgroup or a class', as a port without faults makes it. */
  read(id: string): CpusetValues | undefined {
    const cgroup = { path: id, parent: "", pid: 0 };
    const reading = new SimCpusets(this.kernel, new TreeFaults(), UNWATCHED).read({
      ...{ id, name: "", pod: "", namespace: "", podUid: "", sandboxId: "" },
      ...(this.kernel.classes.includes(id) ? { isGroup: true } : {}),
      cgroup,
    });
    return reading.kind === "values" ? reading : undefined;
  }

  /** What was written to it has nothing in common with the cgroup above, so it follows that (cgroup v2). */
  isVoid(id: string): boolean {
    const written = this.kernel.written(id);
    return written?.intersects(this.kernel.usable) === true && !written.intersects(this.kernel.around(id));
  }

  /** Its set may differ from what the agent knows, or what it should be, for a while; or that of its class. */
  mayDiffer(id: string): boolean {
    const path = this.kernel.classOf(id);
    return this.windows.has(id) || (path !== undefined && this.windows.has(path));
  }

  /** The agent has asked for a tick that is to come now. */
  get isTickDue(): boolean {
    return (this.owner?.nextWake ?? Infinity) <= this.now;
  }

  /** The agent can't read its cgroup now, or reads that it has no CPUs (cgroup v1): that proves nothing. */
  isHidden(id: string): boolean {
    const isEmpty = this.kernel.version === 1 && this.kernel.written(id)?.isEmpty === true;
    return this.tree.isGone || this.tree.unreadable.has(id) || isEmpty;
  }

  /** The agent reconciles. */
  get isCompared(): boolean {
    return this.scenario.mode === "kernel" && this.scenario.reconcileEvery > 0;
  }

  /** The CPUs that a record stands for: those it names and that are there; all, if it names none of these. */
  means(record: CpuSet | undefined, there = this.kernel.usable): CpuSet {
    const both = record?.intersection(there);
    return both === undefined || both.isEmpty ? there : both;
  }

  /** The same, within the class that the container is in. */
  runsBy(id: string, record: CpuSet | undefined): CpuSet {
    return this.means(record, this.kernel.around(id));
  }

  /**
   * It has CPUs that it should leave, nothing could carry that to it yet, and the agent knows: what it answers next
   * has to, or the CRI has been asked already. (A container that was degraded may get its due by the end of a pod, which
   * has no answer; and in the answer to an UpdateContainer no container goes onto CPUs that the updated one vacates last.)
   */
  isUpdatePlanned(id: string): boolean {
    const placed = this.inCharge?.placed.get(id);
    if (placed === undefined || (this.observer.hasAnswered && !this.isRequested(id))) return false;
    const { record, unacknowledged, desired } = placed;
    return !this.means(record).isSubsetOf(desired) || unacknowledged?.isSubsetOf(desired) === false;
  }

  /** An update of it is requested of the CRI: the agent's own answer to that has what the record will hold. */
  isRequested(id: string): boolean {
    return this.owner?.sequences.some(({ left }) => left.some((change) => change.id === id)) === true ||
      (this.runtime.containers.get(id)?.agreed.length ?? 0) > 0;
  }
}
