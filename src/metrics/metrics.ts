/**
 * The metrics: gauges of the agent's view as it is when they are asked for, and counts of what happened since its start.
 * Each label has a fixed number of values, so their number doesn't grow with pods; docs/metrics.md lists them.
 */
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { RefusalReason } from "../agent/decision.ts";
import { MOVED } from "../agent/logs.ts";
import type { ContainerView, NodeView } from "../agent/view.ts";
import type { CpusetWriteResult } from "../cgroup/port.ts";
import type { ContainerRef } from "../ledger/claim.ts";
import type { Topology } from "../cpu/topology.ts";
import type { LogRecord } from "../log_record.ts";
import { CONTAINER_STATES } from "../status/document.ts";
import { stateOf } from "../status/status_document.ts";
import type { Observer } from "./observer.ts";

/** What the gauges are computed from. */
export interface Facts {
  readonly view: NodeView;
  readonly topology: Topology;
  readonly isReady: boolean;
  /** In milliseconds of the agent's clock. */
  readonly now: number;
  /** For how many microseconds a container has lacked a CPU so far; undefined: not known. */
  readonly pressureOf: (container: ContainerRef) => number | undefined;
}

export interface BuildLabels {
  readonly version: string;
  readonly commit: string;
  readonly deno: string;
  /** How the agent was started. */
  readonly mode: string;
}

/** Seconds; containerd disconnects a plugin after 2. */
const CALL_BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2];
const WRITE_BUCKETS = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1];

/** Containers whose pressure is read at a time. */
const MAX_PRESSURES = 256;

const PHASES: readonly NodeView["phase"][] = [
  "disconnected",
  "registering",
  "configured",
  "synchronizing",
  "serving",
  "passive",
];
const KINDS = ["pinned", "exclusive", "shared"] as const;
const REASONS: readonly RefusalReason[] = [
  "invalid",
  "unavailable",
  "not-ready",
  "unimplemented",
  "internal",
];
const LEVELS: readonly LogRecord["level"][] = ["debug", "info", "warn", "error"];
const RESULTS: readonly CpusetWriteResult["kind"][] = ["done", "failed", "unverified"];

export class Metrics implements Observer {
  readonly #registry = new Registry();
  readonly #gauges = {
    ready: this.#gauge("ready", "Whether the agent does its work, as /readyz says: 1 or 0."),
    phase: this.#gauge("phase", "Of the connection to the runtime: 1 for the one it is in.", "phase"),
    standby: this.#gauge("standby", "Whether it isn't the active agent of its node: 1 or 0."),
    dryRun: this.#gauge("dry_run", "Whether decisions are only logged: 1 or 0."),
    suspended: this.#gauge(
      "claims_suspended",
      "Whether all pinned and exclusive creations are refused: 1 or 0.",
    ),
    cpus: this.#gauge(
      "cpus",
      "CPUs by what they are; withheld ones are online and not counted as such.",
      "kind",
    ),
    nodeCpus: this.#gauge(
      "numa_node_cpus",
      "The same by NUMA node, without withheld ones.",
      "numa_node",
      "kind",
    ),
    containers: this.#gauge("containers", "Containers by kind and state (docs/api.md).", "kind", "state"),
    misplaced: this.#gauge("misplaced_containers", "Containers that may run on CPUs that they shouldn't."),
    unbound: this.#gauge(
      "unbound_memory_containers",
      "Pinned containers without the memory nodes that they should have.",
    ),
    held: this.#gauge("held_claims", "Claims of ended containers that are held for their pods."),
    fences: this.#gauge("fences", "Cgroups kept off CPUs; weak: not while no agent runs.", "keeps", "weak"),
    pending: this.#gauge(
      "pending_seconds",
      "For how long the runtime has lacked an update; 0: it lacks none.",
    ),
    synchronized: this.#gauge(
      "last_synchronize_timestamp_seconds",
      "When the agent was last synchronized with the runtime, in seconds since 1970; 0: never.",
    ),
  };
  readonly #counters = {
    synchronizations: this.#counter("synchronizations_total", "Connections on which it was synchronized."),
    refusals: this.#counter("refusals_total", "Calls of the runtime that were refused.", "reason"),
    moves: this.#counter("moves_total", "Running containers that were given other CPUs of their own."),
    records: this.#counter("log_records_total", "Records written to the log.", "level"),
    writes: this.#counter("kernel_writes_total", "Writes of cpusets, each of one or more cgroups.", "result"),
    written: this.#counter("kernel_written_cgroups_total", "Cgroups whose cpusets were written."),
    comparisons: this.#counter("comparisons_total", "Comparisons of all cpusets with the kernel."),
    drifts: this.#counter("drifts_total", "Cpusets found changed by another program, and repaired."),
    lostEnds: this.#counter(
      "unreported_ends_total",
      "Containers that ended without a report of the runtime.",
    ),
    throttled: this.#counter(
      "throttled_periods_total",
      "CFS periods in which a quota stopped a container with CPUs of its own.",
      "kind",
    ),
    pressure: this.#counter(
      "cpu_pressure_seconds_total",
      "For how long a task of a container with CPUs of its own could run and had none (PSI, cgroup v2).",
      "kind",
    ),
  };
  readonly #calls = new Histogram({
    name: "weka_cpuset_request_duration_seconds",
    help: "From a call's bytes to those of its answer.",
    labelNames: ["method"],
    buckets: CALL_BUCKETS,
    registers: [this.#registry],
  });
  readonly #writeTimes = new Histogram({
    name: "weka_cpuset_kernel_write_duration_seconds",
    help: "Writing cpusets and reading them back.",
    buckets: WRITE_BUCKETS,
    registers: [this.#registry],
  });
  readonly #throttled = new Sum(this.#counters.throttled);
  readonly #pressure = new Sum(this.#counters.pressure);

  /** @param clock of the day, in milliseconds since 1970 */
  constructor(build: BuildLabels, private readonly clock: () => number) {
    const info = this.#gauge(
      "build_info",
      "Always 1; what the agent is.",
      "version",
      "commit",
      "deno",
      "mode",
    );
    info.set({ ...build }, 1);
    for (const reason of REASONS) this.#counters.refusals.inc({ reason }, 0);
    for (const level of LEVELS) this.#counters.records.inc({ level }, 0);
    for (const result of RESULTS) this.#counters.writes.inc({ result }, 0);
    for (const kind of ["pinned", "exclusive"]) {
      this.#counters.throttled.inc({ kind }, 0);
      this.#counters.pressure.inc({ kind }, 0);
    }
  }

  /** The media type of {@link text}: Prometheus' own format. */
  get type(): string {
    return this.#registry.contentType;
  }

  answered(call: string, tookMs: number, refused?: RefusalReason): void {
    this.#calls.observe({ method: call }, tookMs / 1000);
    if (refused !== undefined) this.#counters.refusals.inc({ reason: refused });
  }

  wrote({ kind, tookMs }: CpusetWriteResult, cgroups: number): void {
    this.#counters.writes.inc({ result: kind });
    if (kind === "done") this.#counters.written.inc(cgroups);
    this.#writeTimes.observe(tookMs / 1000);
  }

  logged({ level, message }: LogRecord): void {
    this.#counters.records.inc({ level });
    if (message === MOVED) this.#counters.moves.inc();
  }

  serving(): void {
    this.#counters.synchronizations.inc();
    this.#gauges.synchronized.set(this.clock() / 1000);
  }

  /** All of them, as Prometheus reads them. */
  text(facts: Facts): Promise<string> {
    this.#setAgent(facts);
    this.#setCpus(facts);
    this.#setContainers(facts.view);
    const owners = [...facts.view.containers.values()].filter(({ grant }) => !grant.isEmpty);
    this.#throttled.add(owners, ({ throttled }) => throttled);
    // Each is a read of the kernel's: no more than that takes a few milliseconds.
    this.#pressure.add(owners.slice(0, MAX_PRESSURES), ({ container }) => {
      const micros = facts.pressureOf(container);
      return micros === undefined ? undefined : micros / 1e6;
    });
    return this.#registry.metrics();
  }

  #setAgent({ view, isReady, now }: Facts): void {
    const { ready, phase, standby, dryRun, suspended, pending } = this.#gauges;
    const { comparisons, drifts, lostEnds } = this.#counters;
    ready.set(Number(isReady));
    for (const each of PHASES) phase.set({ phase: each }, Number(view.phase === each));
    standby.set(Number(view.standby));
    dryRun.set(Number(view.dryRun));
    suspended.set(Number(view.claimsSuspendedReason !== undefined));
    pending.set(view.pendingSince === undefined ? 0 : Math.max(0, now - view.pendingSince) / 1000);
    setTo(comparisons, view.reconcile.begun);
    setTo(drifts, view.reconcile.drifts);
    setTo(lostEnds, view.unreportedEnds);
  }

  #setCpus({ view, topology }: Facts): void {
    const { online, reserved, sharedPool: shared, exclusive, pinned } = view;
    const kinds = { online, reserved, shared, exclusive, pinned };
    const { cpus, nodeCpus } = this.#gauges;
    cpus.set({ kind: "withheld" }, view.withheld.reduce((sum, { cpus }) => sum + cpus.size, 0));
    nodeCpus.reset(); // nodes may be gone
    for (const [kind, set] of Object.entries(kinds)) {
      cpus.set({ kind }, set.intersection(online).size);
      for (const { id, cpus: own } of topology.nodes) {
        nodeCpus.set({ numa_node: id, kind }, set.intersection(own).size);
      }
    }
  }

  #setContainers({ containers, held, groups }: NodeView): void {
    const all = [...containers.values()];
    for (const kind of KINDS) {
      for (const state of CONTAINER_STATES) this.#gauges.containers.set({ kind, state }, 0);
    }
    for (const each of all) this.#gauges.containers.inc({ kind: each.claim.kind, state: stateOf(each) });
    this.#gauges.misplaced.set(all.filter(isMisplaced).length);
    this.#gauges.unbound.set(all.filter(({ unbound }) => unbound !== undefined).length);
    this.#gauges.held.set(held.length);
    this.#gauges.fences.reset();
    for (const { keeps, weakness } of groups.values()) {
      this.#gauges.fences.inc({ keeps, weak: `${weakness !== undefined}` });
    }
  }

  #gauge<Label extends string>(name: string, help: string, ...labelNames: Label[]): Gauge<Label> {
    return new Gauge({ name: `weka_cpuset_${name}`, help, labelNames, registers: [this.#registry] });
  }

  #counter<Label extends string>(name: string, help: string, ...labelNames: Label[]): Counter<Label> {
    return new Counter({ name: `weka_cpuset_${name}`, help, labelNames, registers: [this.#registry] });
  }
}

/** Of what the kernel counts for each container: what ended ones had stays in it. */
class Sum {
  /** By container id, when it was last looked at: no more than there are containers. */
  #before: ReadonlyMap<string, number> = new Map();

  constructor(private readonly counter: Counter<"kind">) {}

  add(containers: readonly ContainerView[], of: (container: ContainerView) => number | undefined): void {
    const now = new Map<string, number>();
    for (const each of containers) {
      const { container: { id }, claim: { kind } } = each;
      const count = of(each);
      if (count === undefined) continue;
      now.set(id, count);
      // Less than before: it is another cgroup, which begins at 0.
      const before = this.#before.get(id) ?? 0;
      this.counter.inc({ kind }, count < before ? count : count - before);
    }
    this.#before = now;
  }
}

function setTo(counter: Counter, count: number): void {
  counter.reset();
  counter.inc(count);
}

function isMisplaced({ mayRunOn, desired }: ContainerView): boolean {
  return !mayRunOn.difference(desired).isEmpty;
}
