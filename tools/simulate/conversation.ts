/** What the runtime says to its plugins, one call at a time, and who doesn't hear it. */
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
import { adjustedOf, merge, type Merged, nothingMerged, type Wanted, wantedOf } from "./reply.ts";
import type { Outcome } from "./updates.ts";

/** Who watches the runtime. */
export interface Watch {
  /** A call is made; what comes back says what came of it: a refusal is its sentence. */
  asking(by: Instance, method: string, subject: Container): (refusal: string | undefined) => void;
  /** The runtime waits so many milliseconds for an answer. */
  waits(ms: number): void;
  /** It has waited in vain. */
  ignored(method: string): void;
  /** An instance's answer, before it is applied. */
  answered(
    by: Instance,
    method: string,
    subject: Container | undefined,
    own: Resources,
    others: readonly Wanted[],
  ): void;
  applied(container: Container, outcome: Outcome, update: Resources): void;
  /** A container that no agent has had a say in. */
  unplaced(container: Container): void;
  refused(container: Container, message: string): void;
  /** It may start. */
  started(container: Container): void;
  /** The plugins were told of something in a way that has no answer to speak of. */
  told(): void;
  /** An instance that knows what runs wasn't told of this. */
  missed(container: Container, end: boolean): void;
}

/** Lets a test change what an instance has answered: how a broken agent looks from outside. */
export type Mangle = (method: string, others: Wanted[]) => Wanted[];

/** A start that the plugins are asked about, one after the other, and that one of them hasn't answered yet. */
interface Waiting {
  readonly container: Container;
  readonly left: Instance[];
  at: Instance | undefined;
  refusal: string | undefined;
  readonly done: (refusal: string | undefined) => void;
}

/** Milliseconds between looks for an answer, and how many: the agent puts none off for longer than 300 ms. */
const LOOK = 20;
const MAX_LOOKS = 20;

export class Conversation {
  /** In the order of their indices. */
  instances: Instance[] = [];
  now = 0;
  #waiting: Waiting | undefined;

  constructor(
    readonly nri: Nri,
    /** Ends of containers that this run of the runtime hasn't created or started aren't told (1.7.24, launched). */
    readonly forgetful: boolean,
    private readonly watch: Watch,
    private readonly mangle: Mangle = (_, others) => others,
  ) {}

  /** Asks the plugins; their merged answer, or the sentence with which the call fails. */
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
    if (this.#unheardOf(container, event)) return reply;
    for (const instance of this.#taking(event)) {
      const told = this.watch.asking(instance, method, container);
      const answer = instance.call(method, payload, this.now);
      if (answer === undefined || answer === "later") continue;
      told(answer.kind === "refusal" ? answer.message : undefined);
      if (answer.kind === "refusal") return answer.message;
      reply.answered++;
      const { own, others } = read(method, answer.payload);
      const mangled = this.mangle(method, others);
      this.watch.answered(instance, method, container, own, mangled);
      merge(reply, own, mangled, subject(container.id));
    }
    return reply.conflict ?? reply;
  }

  /** Tells the plugins. */
  tell(event: Event, subject: Container | Pod): void {
    this.await();
    if ("pod" in subject && this.#unheardOf(subject, event)) return;
    if ("pod" in subject) this.#noteGap(subject, event);
    for (const instance of this.#taking(event)) {
      const { method, payload } = notice(event, subject, this.nri);
      instance.call(method, payload, this.now);
      this.watch.told();
    }
  }

  /** A start is under way. */
  get isWaiting(): boolean {
    return this.#waiting !== undefined;
  }

  /** Asks whether a container may start; `done` gets the sentence of a refusal, maybe later. */
  askStart(container: Container, done: Waiting["done"]): void {
    if (this.#waiting?.container === container) return;
    this.await();
    this.#noteGap(container, Event.START_CONTAINER);
    const left = this.#taking(Event.START_CONTAINER);
    this.#waiting = { container, left, at: undefined, refusal: undefined, done };
    this.look();
  }

  /** Whether the start that is under way is answered by now. */
  look(): void {
    const waiting = this.#waiting;
    if (waiting === undefined) return;
    for (;;) {
      const answer = waiting.at === undefined ? this.#askNext(waiting) : waiting.at.heard();
      if (answer === "later") return;
      if (waiting.at === undefined) break;
      if (answer?.kind === "refusal") waiting.refusal ??= answer.message;
      this.watch.told();
      waiting.at = undefined;
    }
    this.#waiting = undefined;
    waiting.done(waiting.refusal);
  }

  #askNext(waiting: Waiting): Answer | Later {
    const { container } = waiting;
    const instance = waiting.at = waiting.left.shift();
    if (instance === undefined) return undefined;
    const { method, payload } = notice(Event.START_CONTAINER, container, this.nri);
    const told = this.watch.asking(instance, method, container);
    const answer = instance.call(method, payload, this.now);
    if (answer !== undefined && answer !== "later") {
      told(answer.kind === "refusal" ? answer.message : undefined);
    }
    return answer;
  }

  /** Nothing is under way any more: the runtime has ended. */
  forget(): void {
    this.#waiting = undefined;
  }

  /** One call after the other: the next has to wait. */
  await(): void {
    for (let looks = 0; this.#waiting !== undefined && looks < MAX_LOOKS; looks++) {
      this.watch.waits(LOOK);
      this.look();
    }
    if (this.#waiting === undefined) return;
    const { done } = this.#waiting;
    this.#waiting = undefined;
    this.watch.ignored("StartContainer");
    done(undefined);
  }

  /** Between its synchronization and its taking part a plugin hears nothing (NRI 0.6). */
  get inGap(): boolean {
    return this.instances.some(({ synced, joined }) => synced && !joined);
  }

  #noteGap(container: Container, event: Event): void {
    if (!this.inGap) return;
    this.watch.missed(container, ENDS.includes(event));
  }

  #unheardOf({ mentioned }: Container, event: Event): boolean {
    return this.forgetful && !mentioned && ENDS.includes(event);
  }

  #taking(event: Event): Instance[] {
    return this.instances.filter(({ joined, events }) => joined && (events & (1 << (event - 1))) !== 0);
  }

  /** Synchronize, in parts; what the plugin wants of it, or undefined when the connection didn't last. */
  synchronize(
    instance: Instance,
    pods: readonly Pod[],
    containers: readonly Container[],
    parts: number,
  ): readonly Wanted[] | undefined {
    this.await();
    const count = Math.max(1, Math.min(parts, pods.length, containers.length));
    let wanted: readonly Wanted[] = [];
    for (let part = 0; part < count; part++) {
      const share = <T>(all: readonly T[]) =>
        all.slice(Math.floor(part * all.length / count), Math.floor((part + 1) * all.length / count));
      const request = aboutAll(share(pods), share(containers), this.nri, part < count - 1);
      const answer = instance.call("Synchronize", request, this.now);
      if (answer === undefined || answer === "later") return undefined;
      if (answer.kind === "refusal") throw new Error(`Synchronize was refused: ${answer.message}`);
      wanted = this.mangle(
        "Synchronize",
        wantedOf(fromBinary(SynchronizeResponseSchema, answer.payload).update),
      );
    }
    this.watch.answered(instance, "Synchronize", undefined, {}, wanted);
    return wanted;
  }
}

const ENDS: readonly Event[] = [Event.STOP_CONTAINER, Event.REMOVE_CONTAINER];

const ASKED = {
  CreateContainer: { event: Event.CREATE_CONTAINER, subject: (id: string) => ({ creating: id }) },
  UpdateContainer: { event: Event.UPDATE_CONTAINER, subject: (id: string) => ({ updating: id }) },
  StopContainer: { event: Event.STOP_CONTAINER, subject: () => ({}) },
} as const;

function read(method: keyof typeof ASKED, payload: Uint8Array): { own: Resources; others: Wanted[] } {
  if (payload.length === 0) return { own: {}, others: [] };
  if (method === "CreateContainer") {
    const { adjust, update } = fromBinary(CreateContainerResponseSchema, payload);
    return { own: adjustedOf(adjust), others: wantedOf(update) };
  }
  const schema = method === "UpdateContainer" ? UpdateContainerResponseSchema : StopContainerResponseSchema;
  return { own: {}, others: wantedOf(fromBinary(schema, payload).update) };
}
