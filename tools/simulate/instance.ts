/**
 * One agent process, without its process: the pure agent, its end of the wire and the runtime's, and what it has
 * asked of its host. The bytes on their way are cut at random, and may end anywhere.
 */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import type { Agent, Input, Output, step } from "../../src/agent/step.ts";
import type { Topology } from "../../src/cpu/topology.ts";
import type { CpuUpdate } from "../../src/ledger/updates.ts";
import type { LogRecord } from "../../src/log_record.ts";
import { ConfigureRequestSchema, ConfigureResponseSchema } from "../../src/nri/gen/nri_pb.ts";
import { PLUGIN_SERVICE } from "../../src/nri/methods.ts";
import type { Settings } from "../../src/agent/state.ts";
import type { Listing, Living } from "../../src/agent/early.ts";
import { Session, type SessionEvent } from "../../src/wire/session.ts";
import type { Resources } from "./pods.ts";
import type { Random } from "../random.ts";
import { clockOf, isAnswerDeferred } from "./view.ts";

export type Step = typeof step;

/** The runtime's result of a call; undefined: none, the connection has ended. */
export type Answer =
  | { readonly kind: "answer"; readonly payload: Uint8Array }
  | { readonly kind: "refusal"; readonly message: string }
  | undefined;

/** The call is taken in, and answered by a later step. */
export type Later = "later";

/** Where a connection is to break: inside a call or inside its answer. */
export interface Cut {
  readonly side: "call" | "answer";
  readonly at: number;
}

/** An `apply` of the agent under way: the rest of it, and whether its first was tried. */
export interface Sequence {
  readonly number: number;
  readonly left: CpuUpdate[];
  begun: boolean;
  /** Agreed to by the plugins, not applied yet: nothing more is asked for before. */
  busy: boolean;
}

/** Observer of an instance. */
export interface InstanceObserver {
  logged(record: LogRecord): void;
  /** `step` has thrown. */
  thrown(error: unknown): void;
  /** The agent has put out an `apply` of these. */
  requested(changes: readonly CpuUpdate[]): void;
  /** The agent has closed the connection by itself. */
  closed(): void;
  /** A call has come in whole, and neither is there an answer nor will there be one. */
  unanswered(method: string): void;
  /** An input was taken in. */
  stepped(by: Instance, before: Agent): void;
}

/** More than an agent ever has under way; what is beyond is dropped, as with a CRI that can't be reached. */
const MAX_SEQUENCES = 64;
/** As many ticks as a driver has under way besides the regular ones. */
const MAX_WAKES = 64;
/** The longest piece in which bytes arrive; a message has some hundreds. */
const MAX_PIECE = 400;

export class Instance {
  /** It takes part in events. */
  joined = false;
  /** It has been synchronized on this connection. */
  synced = false;
  /** It had a connection, and has lost it. */
  ended = false;
  /** It has no list, only a scan of the CPUs that seem to be taken. */
  blind = false;
  /** Its event mask, once it is configured. */
  events = 0;
  /** Its process has ended. */
  dead = false;
  /** Lists that are asked for and not taken yet, and those that are taken and not handed over yet. */
  listsAsked = 0;
  readonly listsTaken: Listing[] = [];
  countsAsked = 0;
  readonly countsTaken: Living[] = [];
  scansAsked = 0;
  /** Containers that it has had in its ledger, since it was last synchronized. */
  readonly everPlaced = new Set<string>();
  /** Those of which it has seen that they pin their own threads. */
  readonly pinsItself = new Set<string>();
  /** What it was told that pods may use by now. */
  readonly newsOf = new WeakMap<object, Resources>();
  /** When ticks were asked for. */
  #wakes: number[] = [];
  readonly sequences: Sequence[] = [];
  cut: Cut | undefined;
  #end: Session | undefined;
  #outbox: Uint8Array[] = [];
  #closing = false;
  #sequence = 0;

  constructor(
    public agent: Agent,
    readonly settings: Settings,
    private readonly step: Step,
    private readonly observer: InstanceObserver,
    private readonly chance: Random,
  ) {}

  get connected(): boolean {
    return this.#end !== undefined;
  }

  /** Connects, registers and is configured. */
  connect(now: number, topology: Topology, nri: string): void {
    if (this.connected || this.dead) return;
    this.#end = new Session("runtime");
    this.#outbox = [];
    this.feed({ kind: "connected", now, topology });
    const registration = this.#receive(this.#outbox.splice(0));
    if (registration?.kind !== "called" || registration.method !== "RegisterPlugin") {
      throw new Error("the agent didn't register");
    }
    this.#deliver(this.#end.answer(registration.stream, new Uint8Array()), now);
    const config = this.chance.chance(0.5) ? "dryRun: false" : "";
    // It reports its version since 0.8.
    const nriVersion = nri === "0.6" ? "" : `v${nri}.0`;
    const request = create(ConfigureRequestSchema, { config, runtimeName: "c", nriVersion });
    const answer = this.call("Configure", toBinary(ConfigureRequestSchema, request), now);
    if (answer === undefined || answer === "later") return;
    if (answer.kind === "refusal") throw new Error(`Configure was refused on NRI ${nri}: ${answer.message}`);
    this.events = fromBinary(ConfigureResponseSchema, answer.payload).events;
  }

  /** When the next tick is due that was asked for. */
  get nextWake(): number | undefined {
    return this.#wakes.length === 0 ? undefined : Math.min(...this.#wakes);
  }

  /** The next tick that was asked for, or a regular one. */
  tick(now: number): void {
    const next = this.nextWake;
    if (next !== undefined && next <= now) this.#wakes.splice(this.#wakes.indexOf(next), 1);
    this.feed({ kind: "tick", now });
  }

  /** One call of the runtime, to its end, or until the agent defers it. */
  call(method: string, payload: Uint8Array, now: number): Answer | Later {
    const end = this.#end;
    if (end === undefined) return undefined;
    const { bytes } = end.call(PLUGIN_SERVICE, method, payload);
    const cut = this.cut;
    this.cut = undefined;
    if (cut?.side === "call") {
      this.#deliver(bytes.subarray(0, cut.at % bytes.length), now);
      this.lose();
      return undefined;
    }
    this.#deliver(bytes, now);
    if (cut?.side === "answer") {
      this.lose();
      return undefined;
    }
    const answer = this.takeAnswer();
    if (answer === undefined && this.connected) this.observer.unanswered(method);
    return answer;
  }

  /** The answer to the call that is under way, if there is one by now. */
  takeAnswer(): Answer | Later {
    const bytes = this.#outbox.splice(0);
    if (bytes.length === 0 && isAnswerDeferred(this.agent) && this.connected) return "later";
    const event = this.connected ? this.#receive(bytes) : undefined;
    if (event?.kind !== "answered") return undefined;
    return event.status.code === 0
      ? { kind: "answer", payload: event.payload }
      : { kind: "refusal", message: event.status.message };
  }

  /** The connection is gone. */
  lose(): void {
    if (this.#end === undefined) return;
    this.#end = undefined;
    this.joined = this.synced = false;
    this.ended = true;
    this.cut = undefined;
    this.#askNothing();
    this.feed({ kind: "disconnected" });
  }

  /** The process ends. */
  end(): void {
    this.#end = undefined;
    this.joined = this.synced = false;
    this.dead = true;
    this.sequences.length = this.#wakes.length = 0;
    this.#askNothing();
  }

  /** Answers to questions of an earlier connection are of no use to a later one. */
  #askNothing(): void {
    this.#dropLists();
    this.countsTaken.length = this.countsAsked = this.scansAsked = 0;
  }

  #dropLists(): void {
    this.listsTaken.length = this.listsAsked = 0;
  }

  feed(input: Input): void {
    try {
      const before = this.agent;
      const { agent, outputs } = this.step(before, input);
      this.agent = agent;
      this.observer.stepped(this, before);
      for (const output of outputs) this.#act(output, clockOf(this.agent));
    } catch (error) {
      this.observer.thrown(error);
    }
    if (!this.#closing) return;
    this.#closing = false;
    this.observer.closed();
    this.lose();
  }

  #act(output: Output, now: number): void {
    switch (output.kind) {
      case "send":
        this.#outbox.push(output.bytes);
        return;
      case "log":
        return this.observer.logged(output.record);
      case "configure":
        return this.feed({ kind: "settings", settings: this.settings });
      case "list":
        if (output.anew) this.#dropLists();
        this.listsAsked++;
        return;
      case "count":
        // One at a time.
        if (this.countsAsked + this.countsTaken.length === 0) this.countsAsked++;
        return;
      case "scan":
        this.scansAsked++;
        return;
      case "apply":
        this.observer.requested(output.changes);
        if (this.sequences.length < MAX_SEQUENCES) {
          const left = [...output.changes];
          this.sequences.push({ number: this.#sequence++, left, begun: false, busy: false });
        }
        return;
      case "wake":
        if (this.#wakes.length < MAX_WAKES) this.#wakes.push(now + output.after);
        return;
      case "close":
        this.#closing = true;
    }
  }

  #receive(pieces: readonly Uint8Array[]): SessionEvent | undefined {
    for (const piece of pieces) this.#end?.receive(piece);
    return this.#end?.next();
  }

  #deliver(bytes: Uint8Array, now: number): void {
    for (let at = 0; at < bytes.length && this.connected;) {
      const length = this.chance.chance(0.7) ? bytes.length : this.chance.between(1, MAX_PIECE);
      this.feed({ kind: "received", bytes: bytes.subarray(at, at + length), now });
      at += length;
    }
  }
}
