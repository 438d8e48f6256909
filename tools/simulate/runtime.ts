/**
 * containerd, as far as it meets its plugins: pods and containers with its own record of them, one NRI call at a
 * time, answers applied in order, and the traps in all of that. What each does here was seen on a real one; where
 * the kernel is written is `kernel.ts`.
 */
import { Event } from "../../src/nri/gen/nri_pb.ts";
import { classPath, containerPath, type Driver, podPath } from "./cgroup_paths.ts";
import { Conversation, type Mangle, type Watch } from "./conversation.ts";
import { setOf } from "./cpus.ts";
import type { Instance } from "./instance.ts";
import type { Kernel } from "./kernel.ts";
import { aboutContainer, aboutUpdate, type Nri } from "./messages.ts";
import { figuresOfPod, newsOf, withFiguresOfPod } from "./pod_figures.ts";
import { merged, type PodSpec, type Resources } from "./pods.ts";
import {
  type Agreed,
  type Container,
  hasCgroup,
  isAlive,
  isInItsCgroup,
  isListed,
  type Pod,
  uidOf,
} from "./records.ts";
import { Updates } from "./updates.ts";

export class Runtime {
  readonly pods = new Map<number, Pod>();
  readonly containers = new Map<string, Container>();
  /** Containers whose ends weren't reported, and their pods. */
  readonly unreportedEnds = new Map<string, Pod>();
  readonly conversation: Conversation;
  readonly updates: Updates;
  /** Containers whose processes will outlive them, or have. */
  readonly lingering = new Set<string>();
  /** How many containers there ever were. */
  everMade = 0;
  readonly #used = new Set<string>();

  constructor(
    nri: Nri,
    /** No Synchronize, and no ends of containers that another run of the runtime has created (1.7.24, launched). */
    readonly isLegacyLaunched: boolean,
    private readonly driver: Driver,
    readonly kernel: Kernel,
    private readonly watch: Watch,
    mangle?: Mangle,
  ) {
    this.conversation = new Conversation(nri, isLegacyLaunched, watch, mangle);
    this.updates = new Updates(this.containers, kernel, (...what) => watch.applied(...what));
  }

  get nri(): Nri {
    return this.conversation.nri;
  }

  runPod(number: number, spec: PodSpec): void {
    if (this.pods.has(number)) return;
    const { qos, limit } = spec;
    const pod: Pod = {
      number,
      spec,
      cgroup: podPath(this.driver, qos, number),
      limit,
      isDisputed: false,
      stopped: false,
    };
    this.pods.set(number, pod);
    this.conversation.notify(Event.RUN_POD_SANDBOX, pod);
    this.watch.ranPod(pod);
  }

  /** Whether a container ever had this id. */
  wasUsed(id: string): boolean {
    return this.#used.has(id);
  }

  /** The container of that place in the pod that lives, if one does. */
  living(pod: Pod, name: string): Container | undefined {
    for (const each of this.containers.values()) {
      // Of every second one that is forgotten kubelet notices the end.
      const seemsToLive = isAlive(each) || (each.isForgotten && each.made % 2 === 0);
      if (each.pod === pod && each.spec.name === name && seemsToLive) return each;
    }
    return undefined;
  }

  create(podNumber: number, slot: number, id: string): void {
    const pod = this.pods.get(podNumber);
    const drawn = pod?.spec.containers[slot];
    if (pod === undefined || pod.stopped || drawn === undefined || this.#used.has(id)) return;
    if (this.living(pod, drawn.name) !== undefined) return;
    const spec = withFiguresOfPod(pod, drawn);
    this.#used.add(id);
    const container: Container = {
      id,
      pod,
      spec,
      made: ++this.everMade,
      record: spec.resources,
      life: "asked",
      posted: false,
      isUncertain: false,
      isForgotten: false,
      stopTold: false,
      mentioned: true,
      failed: false,
      agreed: [],
      unreported: 0,
      cgroup: containerPath(this.driver, pod.spec.qos, podNumber, id),
    };
    this.containers.set(id, container);
    const reply = this.conversation.ask("CreateContainer", container, aboutContainer(container, this.nri));
    if (typeof reply === "string") return this.#fail(container, reply);
    if (reply.answered === 0) this.watch.unplaced(container);
    container.record = merged(container.record, reply.own);
    this.updates.applyAll(reply.others);
  }

  note(container: Container): void {
    if (container.life === "asked") container.life = "created";
  }

  abort(container: Container): void {
    if (container.life === "asked") this.#fail(container);
  }

  undo(container: Container): void {
    if (!container.failed || hasCgroup(container)) return;
    this.#notifyStop(container);
    this.conversation.notify(Event.REMOVE_CONTAINER, container);
    this.containers.delete(container.id);
  }

  /** runc creates the cgroup; where it can't, containerd reports nothing, not even at the removal. */
  runc(container: Container, fails: boolean): void {
    if (container.life !== "created") return;
    const { id, record: { cpus = "" } } = container;
    const { pod } = container;
    const error = fails || this.kernel.create(id, setOf(cpus), this.classOf(pod), uidOf(pod)) !== undefined;
    if (error) return this.#vanish(container);
    container.life = "starting";
    if (pod.spec.handler === undefined) return;
    this.kernel.desert(id);
    this.kernel.masks.remove(id);
  }

  start(container: Container): void {
    if (container.life !== "starting") return;
    container.mentioned = true;
    this.conversation.askStart(container, (refusal) => this.#mayStart(container, refusal));
  }

  #mayStart(container: Container, refusal: string | undefined): void {
    // It may have been stopped before the answer came.
    if (container.life !== "starting") return;
    if (refusal === undefined) {
      container.life = "cleared";
      return this.watch.started(container);
    }
    this.watch.refused(container, refusal);
    if (this.nri === "0.6") this.#vanish(container);
    else this.exit(container);
  }

  run(container: Container): void {
    if (container.life === "cleared") container.life = "running";
  }

  posted(container: Container): void {
    if (container.life !== "running" || container.posted) return;
    this.conversation.notify(Event.POST_START_CONTAINER, container);
    container.posted = true;
  }

  exit(container: Container): void {
    if (container.life === "asked") return;
    container.life = "exited";
    container.isForgotten = false;
    if (!this.lingering.has(container.id)) this.kernel.remove(container.id);
    free(container.agreed.splice(0));
  }

  forget(container: Container): void {
    if (!isInItsCgroup(container)) return;
    this.lingering.delete(container.id);
    this.exit(container);
    container.isForgotten = true;
  }

  desert(container: Container): void {
    if (!isInItsCgroup(container)) return;
    this.lingering.delete(container.id);
    container.life = "exited";
    container.isForgotten = true;
    this.kernel.desert(container.id);
    free(container.agreed.splice(0));
  }

  linger(container: Container): void {
    if (isInItsCgroup(container)) this.lingering.add(container.id);
  }

  /** What an ended container has left behind ends. */
  reap(id: string): void {
    if (this.isLeft(id) && this.lingering.delete(id)) this.kernel.remove(id);
  }

  /** Whether a container has ended and left processes behind. */
  isLeft(id: string): boolean {
    const container = this.containers.get(id);
    return this.lingering.has(id) && (container === undefined || !isAlive(container));
  }

  stopTold(container: Container): void {
    const { life, failed, isForgotten } = container;
    if (life === "exited" && !failed && !isForgotten) this.#notifyStop(container);
  }

  stop(container: Container): void {
    if (!isListed(container)) return;
    this.exit(container);
    this.#notifyStop(container);
  }

  remove(container: Container): void {
    if (container.life === "asked" || container.failed) return;
    this.exit(container);
    this.#notifyStop(container);
    this.conversation.notify(Event.REMOVE_CONTAINER, container);
    this.containers.delete(container.id);
  }

  stopPod(pod: Pod): void {
    if (pod.stopped) return;
    for (const container of this.#of(pod)) {
      if (container.life === "asked") return;
    }
    pod.stopped = true;
    for (const container of this.#of(pod)) this.stop(container);
    this.conversation.notify(Event.STOP_POD_SANDBOX, pod);
    this.#leaveClass(pod);
    if (this.conversation.inGap) return;
    for (const [id, of] of this.unreportedEnds) if (of === pod) this.unreportedEnds.delete(id);
  }

  /** The path of the class that the pod's cgroup is in; undefined: it is in none. */
  classOf({ spec: { qos } }: Pod): string | undefined {
    return qos === "guaranteed" ? undefined : classPath(this.driver, qos);
  }

  /** systemd writes the set of a slice empty that has no unit any more, where it has no property for it (cgroup v2). */
  #leaveClass(pod: Pod): void {
    const path = this.classOf(pod);
    const isLast = ![...this.pods.values()].some((other) => !other.stopped && this.classOf(other) === path);
    if (path === undefined || !isLast || this.driver !== "systemd" || this.kernel.version !== 2) return;
    if (this.kernel.written(path)?.isEmpty || this.kernel.write(path, setOf("")) !== undefined) return;
    this.watch.emptied(path);
  }

  removePod(pod: Pod): void {
    this.stopPod(pod);
    if (!pod.stopped) return;
    for (const container of this.#of(pod)) {
      if (container.failed) this.undo(container);
      else this.remove(container);
    }
    this.pods.delete(pod.number);
  }

  /** UpdatePodSandbox. */
  resizePod(pod: Pod, limit: number): void {
    if (pod.stopped || pod.limit === undefined) return;
    for (const news of newsOf(pod.limit, limit)) {
      this.conversation.notify(Event.UPDATE_POD_SANDBOX, pod, news);
    }
    pod.limit = limit;
    pod.isDisputed = false;
  }

  /** UpdateContainer; what the plugins have agreed to is applied later. */
  update(container: Container, resources: Resources, sequence?: Agreed["sequence"]): "agreed" | "refused" {
    if (!isListed(container) || container.isForgotten) return "refused";
    const { pod } = container;
    pod.isDisputed ||= !!resources.quota && resources.quota !== figuresOfPod(pod)?.quota;
    const reply = this.conversation.ask(
      "UpdateContainer",
      container,
      aboutUpdate(container, resources, this.nri),
      resources,
    );
    if (typeof reply === "string") return "refused";
    this.updates.applyAll(reply.others);
    if (!isListed(container) || container.isForgotten) return "refused";
    container.agreed.push({
      resources: reply.own,
      firm: container.posted,
      ...(sequence === undefined ? {} : { sequence }),
    });
    return "agreed";
  }

  applied(container: Container): void {
    const [agreed] = container.agreed.splice(0, 1);
    if (agreed === undefined) return;
    const outcome = this.updates.apply(container, agreed.resources, agreed.sequence !== undefined);
    container.isUncertain ||= !agreed.firm;
    free([agreed]);
    if (outcome !== "failed" && outcome !== "refused") container.unreported++;
  }

  /** PostUpdateContainer: of an update that hasn't failed, and some time after it. */
  updated(container: Container): void {
    if (container.unreported === 0 || !isListed(container)) return;
    container.unreported--;
    this.conversation.notify(Event.POST_UPDATE_CONTAINER, container);
  }

  /** Synchronize; false when the connection didn't last. */
  synchronize(instance: Instance, parts: number): boolean {
    const containers = [...this.containers.values()].filter(isListed);
    const updates = this.conversation.synchronize(instance, [...this.pods.values()], containers, parts);
    for (const { id, resources } of updates ?? []) this.updates.applyTo(id, resources);
    return updates !== undefined;
  }

  /** It starts anew: connections and what was under way are gone, the containers live on. */
  restart(): void {
    this.conversation.forget();
    for (const container of [...this.containers.values()]) {
      container.mentioned = false;
      free(container.agreed.splice(0));
      container.unreported = 0;
      if (container.life === "asked" || container.failed) this.containers.delete(container.id);
      else if (container.life === "starting" || container.life === "cleared") this.exit(container);
    }
  }

  #of(pod: Pod): Container[] {
    return [...this.containers.values()].filter((each) => each.pod === pod);
  }

  #fail(container: Container, message?: string): void {
    if (message !== undefined) this.watch.refused(container, message);
    container.failed = true;
    container.life = "exited";
  }

  #vanish(container: Container): void {
    this.exit(container);
    this.containers.delete(container.id);
    this.unreportedEnds.set(container.id, container.pod);
  }

  #notifyStop(container: Container): void {
    if (container.stopTold) return;
    container.stopTold = true;
    const reply = this.conversation.ask("StopContainer", container, aboutContainer(container, this.nri));
    if (typeof reply !== "string") this.updates.applyAll(reply.others);
  }
}

function free(ended: readonly Agreed[]): void {
  for (const { sequence } of ended) if (sequence !== undefined) sequence.busy = false;
}
