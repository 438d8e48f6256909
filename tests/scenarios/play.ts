/** Plays a script: its events go through the wire to a real agent, and what comes of each is written in lines. */
import type { Mapping } from "../../src/config/layers.ts";
import { CpuSet } from "../../src/cpu/cpu_set.ts";
import { ContainerState, Event, type PodSandbox } from "../../src/nri/gen/nri_pb.ts";
import { freeHugePages } from "../../src/cpu/huge_pages.ts";
import { FakeKernel, FakeMemory } from "../kit/fake_kernel.ts";
import { type MachineSpec, reader, sysfsTree, topologyOf } from "../kit/sysfs.ts";
import { Link } from "../kit/link.ts";
import { configured, settingsFrom } from "./configuration.ts";
import { PLAYS } from "./events.ts";
import { Exchange, subjectOf } from "./exchange.ts";
import { type Box, cpuOf, merge } from "./fake_runtime.ts";
import { requestOf, type Words } from "./figures.ts";
import { checkReply } from "./invariants.ts";
import { RecordPort } from "./record_port.ts";
import type { Script } from "./script.ts";
import { cpuSet } from "./tell.ts";
import { type ScriptEvent, WordError } from "./words.ts";

/** The methods are what may happen to a script's runtime and its agent. */
export class Player extends Exchange {
  link: Link;
  machine: MachineSpec;
  readonly kernel: FakeKernel | undefined;
  /** Growth comes at once unless a script says otherwise: so its lines stand where their cause is. */
  #configuration: Mapping = { growDelayMs: "0" };
  readonly #memory = new FakeMemory();
  readonly #port = new RecordPort(this.runtime, () => topologyOf(this.machine).online);

  /** Without `standby` the agent serves, and nothing runs, when the first event comes. */
  constructor(readonly script: Script) {
    super();
    this.machine = script.machine;
    this.kernel = script.cgroups ? new FakeKernel(2) : undefined;
    if (this.kernel !== undefined) {
      this.kernel.isPopulated = true;
      this.kernel.online = topologyOf(this.machine).online;
      this.kernel.memory = this.#memory;
    }
    for (const line of script.configuration) this.#configuration = configured(this.#configuration, line);
    this.link = this.#newAgent();
    this.register();
    this.synchronize(1);
  }

  event({ verb, subject, words }: ScriptEvent): void {
    PLAYS[verb](this, subject, words);
  }

  /** Whether it was created. */
  create(name: string, words: Words): boolean {
    if (this.runtime.boxes.has(name)) {
      throw new WordError(`${name} is there already; a new one of it is ${name}#2`);
    }
    const box = this.runtime.box(name, words);
    const response = this.call("CreateContainer", subjectOf(box));
    if (response !== undefined) {
      const { adjust, update } = response;
      checkReply(update, name);
      this.runtime.boxes.set(name, Object.assign(box, { told: true }));
      const cpu = adjust?.linux?.resources?.cpu;
      merge(box, adjust?.linux?.resources);
      const mems = cpu?.mems ? ` (mems ${cpu.mems})` : "";
      this.say(`${name} gets ${cpu?.cpus || "no set"}${mems}`);
      this.apply(update);
    }
    this.settle();
    return response !== undefined;
  }

  /** Whether it started. */
  start(name: string): boolean {
    const box = this.runtime.named(name);
    this.kernel?.appear(name, cpuOf(box).cpus);
    const started = this.call("StartContainer", subjectOf(box)) !== undefined;
    box.told ||= started;
    this.settle();
    return started;
  }

  postStart(name: string): void {
    const box = this.runtime.named(name);
    box.container.state = ContainerState.CONTAINER_RUNNING;
    this.mention(Event.POST_START_CONTAINER, subjectOf(box));
  }

  stop(name: string): void {
    const box = this.runtime.named(name);
    box.container.state = ContainerState.CONTAINER_STOPPED;
    this.kernel?.sets.delete(name);
    this.apply(this.call("StopContainer", subjectOf(box))?.update ?? []);
    this.settle();
  }

  remove(name: string): void {
    const box = this.runtime.named(name);
    this.runtime.boxes.delete(name);
    this.mention(Event.REMOVE_CONTAINER, subjectOf(box));
  }

  stopSandbox(pod: string): void {
    this.#sandboxStops(this.runtime.sandbox(pod));
  }

  #sandboxStops(pod: PodSandbox): void {
    pod.pid = 0;
    this.mention(Event.STOP_POD_SANDBOX, { pod });
  }

  /** A pod as a whole may use more or less; the runtime goes on listing what it was created with. */
  updatePod(pod: string, words: Words): void {
    const linuxResources = requestOf(new Map([["cpus", words.get("pod-limit") ?? ""]]));
    this.call("UpdatePodSandbox", { pod: this.runtime.sandbox(pod), linuxResources });
    this.settle();
  }

  /** A container ends; the only one of its pod (`web`, not `app/main`) with the pod. */
  end(name: string): void {
    const { pod } = this.runtime.named(name);
    this.stop(name);
    if (!name.includes("/")) this.#sandboxStops(pod);
    this.remove(name);
  }

  /** A container that is there without having been reported to the agent. */
  found(name: string, words: Words): void {
    this.runtime.found(name, words);
    const box = this.runtime.named(name);
    if (box.container.state !== ContainerState.CONTAINER_RUNNING) return;
    const { cpus, mems } = cpuOf(box);
    this.kernel?.appear(name, cpus);
    const all = CpuSet.from(topologyOf(this.machine).nodes.map(({ id }) => id));
    this.#memory.nodes.set(name, mems === "" ? all : cpuSet(mems));
    this.#memory.used.set(name, Number(words.get("uses") ?? 1));
  }

  /** What its cgroup is, whatever the runtime says of it. */
  cgroup(name: string, [state = "populated"]: readonly string[]): void {
    const box = this.runtime.named(name);
    if (this.kernel === undefined) throw new WordError('the head has no line "cgroups"');
    this.kernel.empty.delete(name);
    if (state === "empty") this.kernel.empty.add(name);
    if (state === "absent") this.kernel.sets.delete(name);
    else if (!this.kernel.sets.has(name)) this.kernel.appear(name, cpuOf(box).cpus);
  }

  /** It ends, the only one of its pod with the pod, which isn't reported. */
  dies(name: string): void {
    this.kernel?.sets.delete(name);
    const { pod, container } = this.runtime.named(name);
    container.state = ContainerState.CONTAINER_STOPPED;
    if (!name.includes("/")) pod.pid = 0;
  }

  /** An UpdateContainer by kubelet or a CRI client. The runtime's record then has what was asked and answered. */
  update(name: string, words: Words): void {
    this.askUpdate(name, requestOf(words));
    this.settle();
  }

  /** One of its threads is pinned; from now on the agent can see that, and all else that the cgroups show. */
  threads(name: string, pinned: string): void {
    this.#port.pinned.set(this.runtime.named(name).container.id, cpuSet(pinned));
    const { agent } = this.link;
    this.link.agent = { ...agent, state: { ...agent.state, cpusets: this.#port } };
  }

  /** A connection up to Configure. */
  register(): void {
    this.disconnect();
    this.link.machine = this.machine;
    this.link.register();
    this.subscribed = this.link.configure();
    this.settle();
  }

  /** The runtime lists all that it has, in so many parts. */
  synchronize(parts: number): void {
    const boxes = [...this.runtime.boxes.values()];
    const size = Math.max(1, Math.ceil(boxes.length / parts));
    for (let part = 1; part <= parts; part++) {
      const told = boxes.slice((part - 1) * size, part * size);
      this.apply(this.call("Synchronize", { ...listing(told), more: part < parts })?.update ?? []);
    }
    for (const box of boxes) box.told = true;
    this.settle();
  }

  disconnect(): void {
    this.link.feed({ kind: "disconnected" });
  }

  killAgent(): void {
    this.disconnect();
    this.link = this.#newAgent();
  }

  /** The CRI's answer to the agent's question which containers run. */
  listed(): void {
    const living = this.#living();
    for (const box of living) box.told = true;
    this.feed({ kind: "listed", listing: listing(living) });
  }

  counted(): void {
    const containers = new Set(this.#living().map(({ container }) => container.id));
    this.feed({ kind: "counted", living: { containers, sandboxes: this.runtime.livingSandboxes } });
  }

  tick(milliseconds: number): void {
    this.link.now += milliseconds;
    this.feed({ kind: "tick", now: this.link.now });
  }

  /** CPUs go offline; `struck`: the kernel strikes them from every set, for good (cgroup v1). */
  offline(cpus: CpuSet, struck: boolean): void {
    this.#ground(cpuSet(this.machine.offline ?? "").union(cpus), struck);
  }

  online(cpus: CpuSet): void {
    this.#ground(cpuSet(this.machine.offline ?? "").difference(cpus), false);
  }

  /** A line of the configuration is changed while the agent runs. */
  configure(line: string): void {
    this.#configuration = configured(this.#configuration, line);
    this.feed({ kind: "settings", settings: settingsFrom(this.#configuration) });
  }

  feed(input: Parameters<Link["feed"]>[0]): void {
    this.link.feed(input);
    this.settle();
    for (const each of this.#memory.written.splice(0)) {
      this.say(`${each.replace("=", " is bound to memory nodes ")}`);
    }
  }

  #ground(offline: CpuSet, struck: boolean): void {
    this.machine = { ...this.machine, offline: `${offline}` };
    if (this.kernel !== undefined) this.kernel.online = topologyOf(this.machine).online;
    this.feed({
      kind: "topology",
      now: this.link.now,
      topology: topologyOf(this.machine),
      offlineRemoved: struck,
    });
  }

  #newAgent(): Link {
    const link = new Link(this.machine, {
      ...settingsFrom(this.#configuration),
      standby: this.script.standby,
      cpusets: this.kernel,
      machine: {
        changed: () => undefined,
        freeHugePages: (node, pageKiB) => freeHugePages(reader(sysfsTree(this.machine)), node, pageKiB),
      },
    });
    link.now = this.link?.now ?? 0;
    return link;
  }

  #living(): Box[] {
    const stopped = ContainerState.CONTAINER_STOPPED;
    return [...this.runtime.boxes.values()].filter(({ container }) => container.state !== stopped);
  }
}

function listing(boxes: readonly Box[]) {
  const pods = new Map(boxes.map(({ pod }) => [pod.id, pod]));
  return { pods: [...pods.values()], containers: boxes.map(({ container }) => container) };
}
