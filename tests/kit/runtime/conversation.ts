// What the runtime says to its plugins about pods and containers, one call at a time, and what it does with the
// replies. Source of the rules: containerd's NRI integration and containerd/nri's adaptation.

import { type Container, type ContainerUpdate, Event, type PodSandbox } from "../../../src/nri/gen/nri_pb.ts";
import { decode, encode } from "../runtime_end.ts";
import type { EventLog } from "./event_log.ts";
import { Lock } from "./lock.ts";
import { MergedReply } from "./merged_reply.ts";
import { type ContainerRecord, nameOf, type NodeState, podName, type PodRecord } from "./node_state.ts";
import { containerMessage, notice, podMessage, resourcesOf } from "./nri_messages.ts";
import { Refused } from "./plugin_link.ts";
import { type PluginOptions, Plugins } from "./plugins.ts";
import type { Resources } from "../../../src/manifests/resources.ts";
import type { Updates } from "./updates.ts";

export class Conversation {
  readonly plugins: Plugins;
  readonly #version: PluginOptions["nri"];
  readonly #state: NodeState;
  readonly #updates: Updates;
  readonly #log: EventLog;
  readonly #lock = new Lock();

  constructor(options: PluginOptions, state: NodeState, updates: Updates, log: EventLog) {
    this.#version = options.nri;
    this.#state = state;
    this.#updates = updates;
    this.#log = log;
    this.plugins = new Plugins(options, {
      lock: this.#lock,
      log,
      snapshot: () => this.#snapshot(),
      apply: (updates) => this.#apply(updates),
    });
  }

  /** CreateContainer: what the plugins want of the new container. Their updates of others are applied. */
  create(container: ContainerRecord): Promise<Resources> {
    return this.#lock.run(async () => {
      const reply = new MergedReply(container.id);
      const payload = encode("CreateContainer", this.#about(container));
      this.#logCall("CreateContainer", container);
      const answered = await this.plugins.ask(
        Event.CREATE_CONTAINER,
        { method: "CreateContainer", payload },
        (plugin, bytes) => {
          const { adjust, update } = decode("CreateContainer", bytes);
          reply.adjust(plugin, adjust);
          reply.update(plugin, update);
        },
      );
      if (answered === 0) this.#log.add({ kind: "unplaced", container: nameOf(container), id: container.id });
      this.#updates.applyAll(reply.others);
      return reply.own;
    });
  }

  /** StopContainer, once a container; its error or a conflict in its reply ends up in the log alone. */
  stop(container: ContainerRecord): Promise<void> {
    return this.#lock.run(async () => {
      if (container.stopTold) return;
      container.stopTold = true;
      const reply = new MergedReply();
      const payload = encode("StopContainer", this.#about(container));
      this.#logCall("StopContainer", container);
      try {
        await this.plugins.ask(
          Event.STOP_CONTAINER,
          { method: "StopContainer", payload },
          (plugin, bytes) => {
            reply.update(plugin, decode("StopContainer", bytes).update);
          },
        );
        this.#updates.applyAll(reply.others);
      } catch (error) {
        this.#complain("StopContainer", error);
      }
    });
  }

  /** Tells of an event that a plugin may refuse; throws its refusal. */
  tell(event: Event, pod: PodRecord, container?: ContainerRecord): Promise<void> {
    return this.#lock.run(async () => {
      const { name, ...call } = notice(this.#version, event, pod, container);
      this.#logCall(name, container ?? pod);
      await this.plugins.ask(event, call, () => {});
    });
  }

  /** Tells of an event that has happened: an error in the answer ends up in the log alone. */
  async mention(event: Event, pod: PodRecord, container?: ContainerRecord): Promise<void> {
    try {
      await this.tell(event, pod, container);
    } catch (error) {
      this.#complain(Event[event], error);
    }
  }

  /** What Synchronize reports: the record, without what has exited. */
  #snapshot(): { pods: PodSandbox[]; containers: Container[] } {
    const alive = [...this.#state.containers.values()].filter((each) => each.state !== "exited");
    return {
      pods: [...this.#state.pods.values()].map(podMessage),
      containers: alive.map((each) => containerMessage(each, this.#version)),
    };
  }

  /** Updates of Synchronize: they aren't merged, each is applied as it comes. */
  #apply(updates: readonly ContainerUpdate[]): void {
    this.#updates.applyAll(
      updates.map(({ containerId, linux }) => ({
        id: containerId,
        resources: resourcesOf(linux?.resources),
      })),
    );
  }

  #about(container: ContainerRecord): { pod: PodSandbox; container: Container } {
    return { pod: podMessage(container.pod), container: containerMessage(container, this.#version) };
  }

  #logCall(event: string, subject: ContainerRecord | PodRecord): void {
    const about = "pod" in subject
      ? { container: nameOf(subject), id: subject.id }
      : { pod: podName(subject), id: subject.id };
    this.#log.add({ kind: "call", event, ...about });
  }

  #complain(event: string, error: unknown): void {
    if (!(error instanceof Refused)) throw error;
    this.#log.add({ kind: "complaint", event, message: error.message });
  }
}
