/**
 * A busy node's week, hour after hour the same: pods come, run for a while and end, some of them in odd ways. Played
 * on the agent in this process, over the wire, with a clock of its own.
 */
import assert from "node:assert/strict";
import { type Agent, pendingFor } from "../../src/agent/step.ts";
import { CpuSet } from "../../src/cpu/cpu_set.ts";
import { CORES_IDS, FORBID_CORE_IDS } from "../../src/nri/annotations.ts";
import { Event } from "../../src/nri/gen/nri_pb.ts";
import type { Apply } from "../../src/cgroup/port.ts";
import { bigNode, topologyOf } from "../../tests/kit/sysfs.ts";
import { Link } from "../../tests/kit/link.ts";
import { livingOf, type Wanted } from "../../tests/kit/messages.ts";
import { FakeKernel } from "../../tests/kit/fake_kernel.ts";
import { Random } from "../random.ts";

const PODS_AN_HOUR = 10_000;
const HOUR = 3_600_000;
const CPUS = 64;
/** Containers of each kind that claim CPUs: the machine has room for all of them. */
const CLAIMING = 8;
/** Milliseconds: longer than by default, since each reads every container and would be most of the work. */
const RECONCILE_EVERY = 60_000;
/** Containers in one message of a Synchronize. */
const PART = 1000;

/** How often each kind of pod comes; those that change the pool seldom, since all others follow each time. */
export type Kinds = Readonly<
  Record<
    "shared" | "forbidding" | "pinned" | "exclusive" | "refused" | "failing" | "restarted" | "resized",
    number
  >
>;

export const ALL: Kinds = {
  shared: 8900,
  forbidding: 500,
  pinned: 2,
  exclusive: 2,
  refused: 90,
  failing: 200,
  restarted: 200,
  resized: 100,
};

/** No pod claims CPUs, so that the shared pool is the same all week, and every container forbids one. */
export const FORBIDDING: Kinds = {
  ...ALL,
  shared: 0,
  pinned: 0,
  exclusive: 0,
  failing: 0,
  restarted: 0,
  resized: 0,
  forbidding: 1e6,
};

type Live = Wanted & { readonly name: string };

export interface WeekOptions {
  readonly seed: number;
  /** Containers that live at a time. */
  readonly live: number;
  readonly apply: Exclude<Apply, "auto">;
  readonly kinds: Kinds;
  /** A leak, planted: what becomes of the agent with each pod. */
  readonly plant?: ((agent: Agent, id: string) => Agent) | undefined;
}

export class Week {
  readonly #random: Random;
  readonly #kernel = new FakeKernel(2);
  readonly #all = CpuSet.range(0, CPUS - 1);
  readonly #link: Link;
  readonly #live: Live[] = [];
  readonly #ids = new Set<string>();
  /** The runtime's record of each, where it has CPUs. */
  readonly #records = new Map<string, string>();
  #made = 0;
  #offline = "";

  constructor(private readonly options: WeekOptions) {
    this.#random = new Random(options.seed);
    const { apply } = options;
    const kernelFirst = apply === "kernel-first";
    this.#link = new Link(bigNode, {
      apply,
      growDelayMs: 1000,
      reconcileMs: RECONCILE_EVERY,
      ...(kernelFirst ? { cpusets: this.#kernel } : {}),
    });
    this.#connect();
  }

  get agent(): Agent {
    return this.#link.agent;
  }

  /** Pods that were made so far. */
  get pods(): number {
    return this.#made;
  }

  /** One more pod, and the end of another where there are enough. */
  pod(): void {
    this.#link.now += HOUR / PODS_AN_HOUR;
    this.#made++;
    this.#happens();
    while (this.#live.length > this.options.live) this.#end(this.#random.below(this.#live.length));
    const { plant } = this.options;
    if (plant !== undefined) this.#link.agent = plant(this.#link.agent, `id-pod-${this.#made}`);
    this.#tick();
  }

  #happens(): void {
    const name = `pod-${this.#made}`;
    const kind = this.#random.weighted(this.options.kinds);
    switch (kind) {
      case "shared":
        return this.#run({ name });
      case "forbidding":
        return this.#run({ name, annotations: { [FORBID_CORE_IDS]: `${this.#random.below(CPUS)}` } });
      case "pinned":
        return this.#run({
          name,
          annotations: { [CORES_IDS]: `${CPUS - 1 - this.#random.below(CLAIMING)}` },
        });
      case "exclusive":
        return this.#run(this.#count((each) => each.cpus === 2) < CLAIMING ? { name, cpus: 2 } : { name });
      case "refused":
        return this.#refuse({ name, annotations: { [CORES_IDS]: "nonsense" } });
      case "failing":
        return this.#fail(this.#random.chance(0.005) ? { name, cpus: 2 } : { name });
      case "restarted":
        return this.#restart(name);
      case "resized":
        return this.#resize(name);
    }
  }

  #count(is: (each: Live) => boolean): number {
    return this.#live.reduce((sum, each) => sum + (is(each) ? 1 : 0), 0);
  }

  #run(wanted: Live): void {
    const id = this.#create(wanted);
    this.#kernel.appear(id, this.#recordOf(id));
    this.#link.start(wanted);
    this.#link.mention(Event.POST_START_CONTAINER, wanted);
    this.#live.push(wanted);
  }

  #create(wanted: Live): string {
    const id = `id-${wanted.name}`;
    const { cpus, updates } = this.#link.create(wanted, { runs: false });
    if (cpus !== "") this.#records.set(id, cpus);
    this.#ids.add(id);
    this.#apply(updates);
    return id;
  }

  #recordOf(id: string): CpuSet {
    const cpus = CpuSet.parse(this.#records.get(id) ?? "");
    return cpus instanceof CpuSet && !cpus.isEmpty ? cpus : this.#all;
  }

  /** Applies a reply or an update, as `id=cpus`, to the record and the kernel. */
  #apply(updates: readonly string[]): void {
    for (const update of updates) {
      const [id = "", cpus = ""] = update.split("=");
      this.#records.set(id, cpus);
      this.#kernel.appear(id, this.#recordOf(id));
    }
  }

  #refuse(wanted: Live): void {
    this.#link.refusal(wanted);
    this.#ended(wanted);
  }

  /** It is created, but never starts; now and then a late event of it comes after its end. */
  #fail(wanted: Live): void {
    this.#create(wanted);
    this.#ended(wanted);
    if (this.#random.chance(0.5)) this.#apply(this.#link.stop(wanted));
  }

  /** A container of a pod that is there, under a new id, while the old one's end isn't reported. */
  #restart(name: string): void {
    const at = this.#random.below(this.#live.length);
    const old = this.#live[at];
    this.#run({ name });
    if (old === undefined) return;
    this.#link.mention(Event.STOP_POD_SANDBOX, old);
    this.#forget(at);
  }

  #resize(name: string): void {
    const wanted = { name, shares: 512n };
    this.#run(wanted);
    this.#apply(this.#link.update({ ...wanted, shares: 256n }));
  }

  #end(at: number): void {
    const wanted = this.#live[at];
    assert(wanted !== undefined);
    this.#forget(at);
    this.#ended(wanted);
  }

  #ended(wanted: Live): void {
    this.#gone(wanted);
    this.#apply(this.#link.stop(wanted));
    this.#link.remove(wanted);
    this.#link.mention(Event.STOP_POD_SANDBOX, wanted);
  }

  #forget(at: number): void {
    const last = this.#live.pop();
    const gone = this.#live[at] ?? last;
    if (at < this.#live.length && last !== undefined) this.#live[at] = last;
    if (gone !== undefined) this.#gone(gone);
  }

  #gone({ name }: Live): void {
    const id = `id-${name}`;
    this.#kernel.sets.delete(id);
    this.#records.delete(id);
    this.#ids.delete(id);
  }

  /** A tick, and what the agent asks its host for, until it asks for nothing more. */
  #tick(): void {
    const { asked, logs } = this.#link;
    this.#link.feed({ kind: "tick", now: this.#link.now });
    for (let output = asked.shift(); output !== undefined; output = asked.shift()) {
      if (output.kind === "count") this.#link.feed({ kind: "counted", living: livingOf(this.#ids) });
      if (output.kind === "wake" && output.after === 0) {
        this.#link.feed({ kind: "tick", now: this.#link.now });
      }
      if (output.kind === "apply") { for (const { id } of output.changes) this.#bringAbout(id); }
    }
    const bug = logs.find(({ level }) => level === "error");
    if (bug !== undefined) assert.fail(bug.message);
    logs.length = 0;
  }

  /** By the CRI, which asks the agent once more. */
  #bringAbout(id: string): void {
    const change = pendingFor(this.#link.agent, id);
    const wanted = change && this.#live.find(({ name }) => id === `id-${name}`);
    if (change !== undefined && wanted !== undefined) {
      this.#apply(this.#link.update(wanted, change.cpus.toString()));
    }
  }

  /** A CPU goes offline, or comes back. */
  plug(): void {
    this.#offline = this.#offline === "" ? "40" : "";
    const machine = this.#offline === "" ? bigNode : { ...bigNode, offline: this.#offline };
    this.#link.feed({
      kind: "topology",
      now: this.#link.now,
      topology: topologyOf(machine),
      offlineRemoved: false,
    });
  }

  /** The runtime restarts. */
  reconnect(): void {
    this.#link.feed({ kind: "disconnected" });
    this.#connect();
  }

  #connect(): void {
    this.#link.register();
    this.#link.configure();
    const running = this.#live.map((each) => ({
      ...each,
      record: this.#records.get(`id-${each.name}`) ?? "",
    }));
    for (let at = 0; at < running.length - PART; at += PART) {
      this.#link.synchronize(running.slice(at, at + PART), true);
    }
    const last = running.slice(Math.max(0, Math.ceil(running.length / PART) - 1) * PART);
    this.#apply(this.#link.synchronize(last));
  }
}
