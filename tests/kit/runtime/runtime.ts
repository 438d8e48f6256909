// An NRI runtime inside the test process: the other end of a real unix socket, with pods that exist as records and
// as a cgroup tree of files. It behaves as containerd does, its bad habits included:
//
//     EmbeddedRuntime      what kubelet asks of it (the CRI)
//     ├── Conversation     what it asks of its plugins (NRI), one call at a time
//     │   └── Plugins      their connections, from accept to the end
//     ├── NodeState        the record: what it remembers and would write next
//     ├── CgroupTree       what the kernel has
//     │   └── LiveFiles    its files that are made when they are opened, where the tree is live
//     ├── Updates          record and tree changed
//     └── EventLog         what has happened

import type { CpuSet } from "../../../src/cpu/cpu_set.ts";
import { Event } from "../../../src/nri/gen/nri_pb.ts";
import { classCgroups } from "../../../src/manifests/cgroup_paths.ts";
import { CgroupError, CgroupTree } from "./cgroup_tree.ts";
import { Conversation } from "./conversation.ts";
import { EventLog } from "./event_log.ts";
import type { PodSpec } from "../../../src/manifests/manifest.ts";
import {
  type ContainerRecord,
  nameOf,
  type NodeSetup,
  NodeState,
  podName,
  type PodRecord,
} from "./node_state.ts";
import { Refused } from "./plugin_link.ts";
import type { PluginOptions } from "./plugins.ts";
import { merged } from "../../../src/manifests/resources.ts";
import { cpusetOf, Updates } from "./updates.ts";

/** Only the first three must be given; the rest has containerd's and kubelet's defaults, and speaks NRI 0.12. */
export interface RuntimeOptions extends Partial<PluginOptions>, Partial<NodeSetup> {
  socketPath: string;
  /** The folder in which the cgroup tree is made. */
  cgroupRoot: string;
  /** The machine's CPUs. */
  online: CpuSet;
  /** The cgroup tree reacts to what others write into it, so that an agent can work kernel-first: {@link CgroupTree}. */
  isLive?: boolean;
}

/** A pod that was run: its id, its containers' ids by name, and who was refused, with the message. */
export interface PodRun {
  id: string;
  containers: Map<string, string>;
  refused: { container: string; message: string }[];
}

/** How long the waits for events go on before they say what is missing. */
const PATIENCE_MS = 20_000;

export class EmbeddedRuntime {
  readonly log = new EventLog();
  readonly tree: CgroupTree;
  readonly #state: NodeState;
  readonly #updates: Updates;
  readonly #nri: Conversation;

  /** A runtime that listens, without pods. */
  static start(options: RuntimeOptions): EmbeddedRuntime {
    const runtime = new EmbeddedRuntime(options);
    runtime.#nri.plugins.listen();
    return runtime;
  }

  private constructor(options: RuntimeOptions) {
    const { cgroupDriver = "cgroupfs", cfsQuota = true, isLive } = options;
    this.tree = new CgroupTree(options.cgroupRoot, options.online, isLive);
    for (const each of classCgroups(cgroupDriver)) this.tree.create(each, {});
    this.#state = new NodeState({ cgroupDriver, cfsQuota });
    this.#updates = new Updates(this.#state, this.tree, this.log);
    const defaults = { nri: "0.12" as const, registrationTimeoutMs: 5000, requestTimeoutMs: 2000 };
    this.#nri = new Conversation({ ...defaults, ...options }, this.#state, this.#updates, this.log);
  }

  /** A plugin is synchronized and takes part. */
  pluginReady(): Promise<void> {
    return this.log.until(
      () => this.#nri.plugins.serving.length > 0,
      "no plugin was synchronized",
      PATIENCE_MS,
    );
  }

  /** No plugin is connected. */
  pluginGone(): Promise<void> {
    return this.log.until(() => this.#nri.plugins.connections === 0, "the plugin has not left", PATIENCE_MS);
  }

  /** Closes the plugins' connections: now, or in the middle of what they are sent, after `bytes` more. */
  dropPlugin(bytes?: number): void {
    if (bytes === undefined) this.#nri.plugins.drop("a fault that was asked for");
    else this.#nri.plugins.cutAfter(bytes);
  }

  /** As when containerd is restarted: the pods live on, the socket is made anew. `whileDown` runs in between. */
  async restart(whileDown?: () => Promise<void>): Promise<void> {
    await this.#nri.plugins.stop("the runtime restarts");
    await whileDown?.();
    this.#nri.plugins.listen();
  }

  /** Ends all that was started. The cgroup tree stays, to be looked at. */
  async close(): Promise<void> {
    await this.#nri.plugins.stop("the runtime was closed");
    await this.tree.close();
    this.log.close();
  }

  /** All containers that were not removed, in the order of their creation. */
  containers(): readonly Readonly<ContainerRecord>[] {
    return [...this.#state.containers.values()];
  }

  container(id: string): Readonly<ContainerRecord> {
    return this.#container(id);
  }

  /** The CPUs that a container's processes may really use, as the cgroup tree has it now. */
  cpusOf(id: string): CpuSet {
    return this.tree.effective(this.#container(id).cgroup.directory);
  }

  /**
   * As kubelet runs a pod: the sandbox, then one container after the other; an init container ends before the next
   * begins, and if it is refused nothing follows. A refused container doesn't keep its neighbours from running.
   */
  async runPod(spec: PodSpec): Promise<PodRun> {
    const run: PodRun = { id: await this.createPod(spec), containers: new Map(), refused: [] };
    for (const { name, role } of spec.containers) {
      const message = await this.#runContainer(run, name);
      if (message !== undefined) run.refused.push({ container: name, message });
      if (message !== undefined && role !== "main") break;
      const id = run.containers.get(name);
      if (id !== undefined && role === "init") await this.stopContainer(id);
    }
    return run;
  }

  /** RunPodSandbox. Throws {@link Refused} when a plugin says no. */
  async createPod(spec: PodSpec): Promise<string> {
    const pod = this.#state.newPod(spec);
    await this.#nri.tell(Event.RUN_POD_SANDBOX, pod);
    this.#state.pods.set(pod.id, pod);
    return pod.id;
  }

  /** CreateContainer for a container of the pod's spec; its id. A refusal throws {@link Refused}, after the undo. */
  async createContainer(podId: string, name: string): Promise<string> {
    const pod = this.#pod(podId);
    const spec = pod.spec.containers.find((each) => each.name === name);
    if (!spec) throw new Error(`pod ${podName(pod)} has no container ${name}`);
    const container = this.#state.newContainer(pod, spec);
    try {
      const adjustment = await this.#nri.create(container);
      container.resources = merged(container.resources, adjustment);
      this.#state.containers.set(container.id, container);
    } catch (error) {
      this.#refused(container, error);
      await this.#nri.stop(container);
      await this.#nri.mention(Event.REMOVE_CONTAINER, container.pod, container);
      throw error;
    }
    await this.#nri.mention(Event.POST_CREATE_CONTAINER, container.pod, container);
    return container.id;
  }

  /** StartContainer: the cgroup appears, then the plugin is asked; its refusal, or the kernel's, is thrown. */
  async startContainer(id: string): Promise<void> {
    const container = this.#container(id);
    if (container.state !== "created") {
      throw new Error(`${nameOf(container)} can't start: it is ${container.state}`);
    }
    try {
      this.tree.create(container.cgroup.directory, cpusetOf(container.resources));
      container.state = "starting";
      await this.#nri.tell(Event.START_CONTAINER, container.pod, container);
      if (this.#container(id).state === "exited") throw new Refused("it was stopped while it started");
    } catch (error) {
      this.#refused(container, error);
      await this.stopContainer(id);
      throw error;
    }
    container.state = "running";
    await this.#nri.mention(Event.POST_START_CONTAINER, container.pod, container);
  }

  /** The process ends and its cgroup goes. NRI's StopContainer follows, once a container. */
  async stopContainer(id: string): Promise<void> {
    const container = this.#container(id);
    container.state = "exited";
    this.tree.remove(container.cgroup.directory);
    await this.#nri.stop(container);
  }

  async removeContainer(id: string): Promise<void> {
    const container = this.#container(id);
    await this.stopContainer(id);
    this.#state.containers.delete(id);
    await this.#nri.mention(Event.REMOVE_CONTAINER, container.pod, container);
  }

  /** Stops the pod's containers, then the pod. */
  async stopPod(podId: string): Promise<void> {
    const pod = this.#pod(podId);
    for (const { id } of this.#state.containersOf(pod)) await this.stopContainer(id);
    if (pod.stopped) return;
    pod.stopped = true;
    await this.#nri.mention(Event.STOP_POD_SANDBOX, pod);
  }

  /** Stops and removes the pod with all that it has. */
  async removePod(podId: string): Promise<void> {
    const pod = this.#pod(podId);
    await this.stopPod(podId);
    for (const { id } of this.#state.containersOf(pod)) await this.removeContainer(id);
    this.#state.pods.delete(podId);
    this.tree.remove(pod.cgroupParent);
    await this.#nri.mention(Event.REMOVE_POD_SANDBOX, pod);
  }

  /** Creates and starts; undefined, or why not: then nothing is left of it. */
  async #runContainer({ id: podId, containers }: PodRun, name: string): Promise<string | undefined> {
    let id: string | undefined;
    try {
      id = await this.createContainer(podId, name);
      await this.startContainer(id);
      containers.set(name, id);
      return undefined;
    } catch (error) {
      if (!(error instanceof Refused || error instanceof CgroupError)) throw error;
      if (id !== undefined) await this.removeContainer(id);
      return error.message;
    }
  }

  #refused(container: ContainerRecord, error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    this.log.add({ kind: "refused", container: nameOf(container), id: container.id, message });
  }

  #pod(id: string): PodRecord {
    const pod = this.#state.pods.get(id);
    if (!pod) throw new Error(`there is no pod ${id}`);
    return pod;
  }

  #container(id: string): ContainerRecord {
    const container = this.#state.containers.get(id);
    if (!container) throw new Error(`there is no container ${id}`);
    return container;
  }
}
