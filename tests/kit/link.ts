/** An agent and a runtime's end of the wire, joined without a socket: what one sends the other receives. */
import assert from "node:assert/strict";
import { type Agent, type Input, newAgent, type Output, step } from "../../src/agent/step.ts";
import { type ContainerView, viewOf } from "../../src/agent/view.ts";
import type { AgentOptions } from "../../src/agent/agent.ts";
import type { LogRecord } from "../../src/log_record.ts";
import { type Container, Event, type PodSandbox } from "../../src/nri/gen/nri_pb.ts";
import { PLUGIN_SERVICE } from "../../src/nri/methods.ts";
import type { SessionEvent } from "../../src/wire/session.ts";
import { type MachineSpec, topologyOf, twoCpuVm } from "./sysfs.ts";
import { containerOf, podOf, type Wanted } from "./messages.ts";
import { DEFAULT_SETTINGS } from "./policy.ts";
import {
  decode,
  encode,
  type Method,
  type Request,
  type Response,
  RuntimeEnd,
  texts,
} from "./runtime_end.ts";

/** How the bytes on their way to the agent are cut. */
export type Cut = (bytes: Uint8Array) => Iterable<Uint8Array>;

const whole: Cut = (bytes) => [bytes];

export class Link {
  /** What the host was asked for, besides sending and logging. */
  readonly asked: Output[] = [];
  agent: Agent;
  runtime = new RuntimeEnd();
  readonly logs: LogRecord[] = [];
  closed = false;
  now = 0;

  constructor(
    public machine: MachineSpec = twoCpuVm,
    readonly setup: Partial<AgentOptions> = {},
    readonly cut: Cut = whole,
  ) {
    this.agent = newAgent({
      identity: { name: "weka-cpuset", index: "99" },
      topology: topologyOf(machine),
      ...DEFAULT_SETTINGS,
      growDelayMs: 0,
      standby: false,
      ...setup,
    });
  }

  /** Everything up to Configure. */
  static configured(machine?: MachineSpec, setup?: Partial<AgentOptions>): Link {
    const link = new Link(machine, setup);
    link.register();
    link.configure();
    return link;
  }

  /** Everything up to serving, with these containers already running. */
  static serving(
    running: readonly Wanted[] = [],
    machine?: MachineSpec,
    setup?: Partial<AgentOptions>,
  ): Link {
    const link = Link.configured(machine, setup);
    link.synchronize(running);
    return link;
  }

  connect(): void {
    this.runtime = new RuntimeEnd();
    this.closed = false;
    this.feed({ kind: "connected", now: this.now, topology: topologyOf(this.machine) });
  }

  /** Connects, and accepts the registration. */
  register(): { name: string; index: string } {
    this.connect();
    const { bytes, ...plugin } = this.runtime.accept();
    this.toAgent(bytes);
    return plugin;
  }

  configure(config = ""): number {
    const runtime = { runtimeName: "containerd", runtimeVersion: "v2", requestTimeout: 2000n };
    return this.ask("Configure", { config, ...runtime }).events;
  }

  synchronize(running: readonly Wanted[], more = false, pods = running): string[] {
    const request = { pods: pods.map(podOf), containers: running.map(containerOf), more };
    const response = this.ask("Synchronize", request);
    assert.equal(response.more, more);
    return texts(response.update);
  }

  /** Creates a container that then runs, unless it is to stay in between. */
  create(wanted: Wanted, { runs = true } = {}): { cpus: string; mems: string; updates: string[] } {
    const response = this.ask("CreateContainer", subject(wanted));
    if (runs) this.mention(Event.POST_START_CONTAINER, wanted);
    const cpu = response.adjust?.linux?.resources?.cpu;
    return { cpus: cpu?.cpus ?? "", mems: cpu?.mems ?? "", updates: texts(response.update) };
  }

  /** `asked`: the CPUs that the request itself names. */
  update(wanted: Wanted, asked = ""): string[] {
    const request = { ...subject(wanted), linuxResources: { cpu: { cpus: asked } } };
    return texts(this.ask("UpdateContainer", request).update);
  }

  stop(wanted: Wanted): string[] {
    return texts(this.ask("StopContainer", subject(wanted)).update);
  }

  /** It has ended, and its pod with it. */
  end(wanted: Wanted): void {
    this.stop(wanted);
    this.mention(Event.STOP_POD_SANDBOX, wanted);
  }

  /** An event without an answer of its own. */
  mention(event: Event, wanted: Wanted): void {
    this.ask("StateChange", { event, ...subject(wanted) });
  }

  start(wanted: Wanted): void {
    this.mention(Event.START_CONTAINER, wanted);
  }

  /** Why it isn't started, once that is final: the agent gives up within 0.3 s. */
  refusedStart(wanted: Wanted): string {
    const payload = encode("StateChange", { event: Event.START_CONTAINER, ...subject(wanted) });
    assert.equal(this.call("StateChange", payload), undefined);
    for (const end = this.now + 300; this.now < end;) this.tick(this.now + 20);
    const answer = this.runtime.next();
    assert(answer?.kind === "answered" && answer.status.code !== 0);
    return answer.status.message;
  }

  remove(wanted: Wanted): void {
    this.mention(Event.REMOVE_CONTAINER, wanted);
  }

  tick(now: number): void {
    this.feed({ kind: "tick", now: this.now = now });
  }

  /** Calls the agent and expects success. */
  ask<M extends Method>(method: M, request: Request<M>): Response<M> {
    const event = this.call(method, encode(method, request));
    assert(event?.kind === "answered", `no answer to ${method}`);
    assert.equal(event.status.code, 0, event.status.message);
    return decode(method, event.payload);
  }

  /** The message with which the agent refuses to create this container. */
  refusal(wanted: Wanted): string {
    return this.refused("CreateContainer", subject(wanted));
  }

  /** The message with which the agent refuses a call. */
  refused<M extends Method>(method: M, request: Request<M>): string {
    const event = this.call(method, encode(method, request));
    assert(event?.kind === "answered" && event.status.code !== 0, "it was not refused");
    return event.status.message;
  }

  call(method: string, payload: Uint8Array, service = PLUGIN_SERVICE): SessionEvent | undefined {
    this.toAgent(this.runtime.call(service, method, payload).bytes);
    return this.closed ? undefined : this.runtime.next();
  }

  toAgent(bytes: Uint8Array): void {
    for (const piece of this.cut(bytes)) this.feed({ kind: "received", now: this.now, bytes: piece });
  }

  feed(input: Input): void {
    const { agent, outputs } = step(this.agent, input);
    this.agent = agent;
    for (const output of outputs) {
      if (output.kind === "send") this.runtime.receive(output.bytes);
      else if (output.kind === "log") this.logs.push(output.record);
      else if (output.kind === "close") this.closed = true;
      else this.asked.push(output);
    }
  }

  /** The updates that the host was asked to apply since the last call, as `id=cpus`. */
  applied(): string[] {
    return this.asked.splice(0).flatMap((output) => output.kind === "apply" ? output.changes : [])
      .map(({ id, cpus }) => `${id}=${cpus}`);
  }

  /** The kinds of what the host was asked for. */
  get askedFor(): string[] {
    return this.asked.map(({ kind }) => kind);
  }

  /** The CPUs that are claimed. */
  get claimed(): string {
    return `${this.agent.state.ledger.claimed}`;
  }

  /** What was logged at these levels: the messages, each with its reason. */
  logged(...levels: LogRecord["level"][]): string[] {
    return this.logs.filter((r) => levels.includes(r.level)).map(({ message, fields }) =>
      fields?.reason === undefined ? message : `${message}: ${fields.reason}`
    );
  }

  /** What the agent knows of a container. */
  container(id: string): ContainerView | undefined {
    return viewOf(this.agent.state).containers.get(id);
  }
}

export function subject(wanted: Wanted): { pod: PodSandbox; container: Container } {
  return { pod: podOf(wanted), container: containerOf(wanted) };
}
