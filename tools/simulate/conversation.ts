/** The runtime's calls to its plugins, one at a time, and the events that it doesn't report. */
import { fromBinary } from "@bufbuild/protobuf";
import {
  CreateContainerResponseSchema,
  Event,
  StopContainerResponseSchema,
  SynchronizeResponseSchema,
  UpdateContainerResponseSchema,
} from "../../src/nri/gen/nri_pb.ts";
import type { Answer, Instance, Later } from "./instance.ts";
import { aboutAll, notice, type Nri } from "./messages.ts";
import type { Resources } from "./pods.ts";
import type { Container, Pod } from "./records.ts";
import { adjustedOf, merge, type Merged, nothingMerged, type Update, updatesOf } from "./reply.ts";
import type { Outcome } from "./updates.ts";
import { isStandby } from "./view.ts";

/** Observer of the runtime. */
export interface Watch {
  /** A call is made; what is returned is to be called with its outcome: the message of a refusal, or none. */
  asking(by: Instance, method: string, subject: Container): (refusal: string | undefined) => void;
  /** So many milliseconds pass until the next poll for an answer. */
  elapses(ms: number): void;
  /** No answer has come in time. */
  ignored(method: string): void;
  /** An instance's answer, before it is applied. */
  answered(
    by: Instance,
    method: string,
    subject: Container | undefined,
    own: Resources,
    others: readonly Update[],
  ): void;
  applied(container: Container, outcome: Outcome, update: Resources): void;
  /** A container that no agent has placed. */
  unplaced(container: Container): void;
  refused(container: Container, message: string): void;
  /** It may start. */
  started(container: Container): void;
  /** The plugins were told that the pod's sandbox is about to run, as far as there are any. */
  ranPod(pod: Pod): void;
  /** systemd has emptied the set of this class, whose last pod has gone. */
  emptied(path: string): void;
  /** The plugins were sent an event whose answer carries nothing. */
  notified(): void;
  /** This wasn't reported to an instance that is synchronized. */
  missed(container: Container, end: boolean): void;
}

/** Lets a test change what an instance has answered: how a broken agent looks from outside. */
export type Mangle = (method: string, others: Update[]) => Update[];

/** A start that the plugins are asked about, one after the other, and that one of them hasn't answered yet. */
interface PendingStart {
  readonly container: Container;
  readonly left: Instance[];
  at: Instance | undefined;
  refusal: string | undefined;
  readonly done: (refusal: string | undefined) => void;
}

/** Polls for an answer: the agent defers none for longer than 300 ms. */
const POLL_MS = 20;
const MAX_POLLS = 20;

export class Conversation {
  /** In the order of their indices. */
  instances: Instance[] = [];
  now = 0;
  #pending: PendingStart | undefined;

  constructor(
    readonly nri: Nri,
    /** No Synchronize, and no ends of containers that another run of the runtime has created (1.7.24, launched). */
    readonly isLegacyLaunched: boolean,
    private readonly watch: Watch,
    private readonly mangle: Mangle = (_, others) => others,
  ) {}

  /** Calls the plugins; their merged answer, or the message with which the call fails. */
  ask(
    method: keyof typeof ASKED,
    container: Container,
    payload: Uint8Array,
    asked?: Resources,
  ): Merged | string {
    this.await();
    const { event, subject } = ASKED[method];
    const reply = nothingMerged(asked);
    this.#noteGap(container, event);
    if (this.#isUnreported(container, event)) return reply;
    for (const instance of this.#taking(event)) {
      const ended = this.watch.asking(instance, method, container);
      const answer = instance.call(method, payload, this.now);
      if (answer === undefined || answer === "later") continue;
      ended(answer.kind === "refusal" ? answer.message : undefined);
      if (answer.kind === "refusal") return answer.message;
      if (!isStandby(instance.agent)) reply.answered++;
      const { own, others } = read(method, answer.payload);
      const mangled = this.mangle(method, others);
      this.watch.answered(instance, method, container, own, mangled);
      merge(reply, own, mangled, subject(container.id));
    }
    return reply.conflict ?? reply;
  }

  /** Sends an event to the plugins. `news`: what a pod may use as a whole from now on. */
  notify(event: Event, subject: Container | Pod, news?: Resources): void {
    this.await();
    if ("pod" in subject && this.#isUnreported(subject, event)) return;
    if ("pod" in subject) this.#noteGap(subject, event);
    for (const instance of this.#taking(event)) {
      const { method, payload } = notice(event, subject, this.nri, news);
      if (news !== undefined && instance.cut?.side !== "call") instance.newsOf.set(subject, news);
      instance.call(method, payload, this.now);
      this.watch.notified();
    }
  }

  /** A start is under way. */
  get isStartPending(): boolean {
    return this.#pending !== undefined;
  }

  /** StartContainer; `done` gets the message of a refusal, maybe later. */
  askStart(container: Container, done: PendingStart["done"]): void {
    if (this.#pending?.container === container) return;
    this.await();
    this.#noteGap(container, Event.START_CONTAINER);
    const left = this.#taking(Event.START_CONTAINER);
    this.#pending = { container, left, at: undefined, refusal: undefined, done };
    this.poll();
  }

  /** Takes the answer to the start that is under way, if it has come. */
  poll(): void {
    const pending = this.#pending;
    if (pending === undefined) return;
    for (;;) {
      const answer = pending.at === undefined ? this.#askNext(pending) : pending.at.takeAnswer();
      if (answer === "later") return;
      if (pending.at === undefined) break;
      this.watch.notified();
      if (answer?.kind === "refusal") {
        // The others aren't asked.
        pending.refusal = answer.message;
        break;
      }
      pending.at = undefined;
    }
    this.#pending = undefined;
    pending.done(pending.refusal);
  }

  #askNext(pending: PendingStart): Answer | Later {
    const { container } = pending;
    const instance = pending.at = pending.left.shift();
    if (instance === undefined) return undefined;
    const { method, payload } = notice(Event.START_CONTAINER, container, this.nri);
    const ended = this.watch.asking(instance, method, container);
    const answer = instance.call(method, payload, this.now);
    if (answer !== undefined && answer !== "later") {
      ended(answer.kind === "refusal" ? answer.message : undefined);
    }
    return answer;
  }

  /** Nothing is under way any more: the runtime has ended. */
  forget(): void {
    this.#pending = undefined;
  }

  /** One call after the other: ends the start that is under way before the next call. */
  await(): void {
    for (let polls = 0; this.#pending !== undefined && polls < MAX_POLLS; polls++) {
      this.watch.elapses(POLL_MS);
      this.poll();
    }
    if (this.#pending === undefined) return;
    const { done } = this.#pending;
    this.#pending = undefined;
    this.watch.ignored("StartContainer");
    done(undefined);
  }

  /** Between its synchronization and its joining a plugin gets no events (NRI 0.6). */
  get inGap(): boolean {
    return this.instances.some(({ synced, joined }) => synced && !joined);
  }

  #noteGap(container: Container, event: Event): void {
    if (!this.inGap) return;
    this.watch.missed(container, ENDS.includes(event));
  }

  #isUnreported({ mentioned }: Container, event: Event): boolean {
    return this.isLegacyLaunched && !mentioned && ENDS.includes(event);
  }

  #taking(event: Event): Instance[] {
    return this.instances.filter(({ joined, events }) => joined && (events & (1 << (event - 1))) !== 0);
  }

  /** Synchronize, in parts; the plugin's updates, or undefined when the connection didn't last. */
  synchronize(
    instance: Instance,
    pods: readonly Pod[],
    containers: readonly Container[],
    parts: number,
  ): readonly Update[] | undefined {
    this.await();
    const count = Math.max(1, Math.min(parts, pods.length, containers.length));
    let updates: readonly Update[] = [];
    for (let part = 0; part < count; part++) {
      const share = <T>(all: readonly T[]) =>
        all.slice(Math.floor(part * all.length / count), Math.floor((part + 1) * all.length / count));
      const request = aboutAll(share(pods), share(containers), this.nri, part < count - 1);
      const answer = instance.call("Synchronize", request, this.now);
      if (answer === undefined || answer === "later") return undefined;
      if (answer.kind === "refusal") throw new Error(`Synchronize was refused: ${answer.message}`);
      updates = this.mangle(
        "Synchronize",
        updatesOf(fromBinary(SynchronizeResponseSchema, answer.payload).update),
      );
    }
    this.watch.answered(instance, "Synchronize", undefined, {}, updates);
    return updates;
  }
}

const ENDS: readonly Event[] = [Event.STOP_CONTAINER, Event.REMOVE_CONTAINER];

const ASKED = {
  CreateContainer: { event: Event.CREATE_CONTAINER, subject: (id: string) => ({ creating: id }) },
  UpdateContainer: { event: Event.UPDATE_CONTAINER, subject: (id: string) => ({ updating: id }) },
  StopContainer: { event: Event.STOP_CONTAINER, subject: () => ({}) },
} as const;

function read(method: keyof typeof ASKED, payload: Uint8Array): { own: Resources; others: Update[] } {
  if (payload.length === 0) return { own: {}, others: [] };
  if (method === "CreateContainer") {
    const { adjust, update } = fromBinary(CreateContainerResponseSchema, payload);
    return { own: adjustedOf(adjust), others: updatesOf(update) };
  }
  const schema = method === "UpdateContainer" ? UpdateContainerResponseSchema : StopContainerResponseSchema;
  return { own: {}, others: updatesOf(fromBinary(schema, payload).update) };
}
