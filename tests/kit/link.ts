/** An agent and a runtime's end of the wire, joined without a socket: what one says the other hears. */
import assert from "node:assert/strict";
import {
  create,
  type DescMessage,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { type Agent, type Input, newAgent, type Output, step } from "../../src/agent/step.ts";
import type { AgentOptions } from "../../src/agent/agent.ts";
import type { LogRecord } from "../../src/log_record.ts";
import {
  ConfigureRequestSchema,
  ConfigureResponseSchema,
  type Container,
  ContainerRequestSchema,
  type ContainerUpdate,
  CreateContainerRequestSchema,
  CreateContainerResponseSchema,
  EmptySchema,
  Event,
  type PodSandbox,
  RegisterPluginRequestSchema,
  StateChangeEventSchema,
  StopContainerRequestSchema,
  StopContainerResponseSchema,
  SynchronizeRequestSchema,
  SynchronizeResponseSchema,
  UpdateContainerRequestSchema,
  UpdateContainerResponseSchema,
} from "../../src/nri/gen/nri_pb.ts";
import { PLUGIN_SERVICE } from "../../src/nri/methods.ts";
import { Session, type SessionEvent } from "../../src/wire/session.ts";
import { type MachineSpec, topologyOf, twoCpuVm } from "./sysfs.ts";
import { containerOf, podOf, type Wanted } from "./messages.ts";
import { DEFAULT_SETTINGS } from "./policy.ts";

/** How the bytes on their way to the agent are cut. */
export type Cut = (bytes: Uint8Array) => Iterable<Uint8Array>;

const whole: Cut = (bytes) => [bytes];

export class Link {
  /** What the host was asked for, besides sending and logging. */
  readonly asked: Output[] = [];
  agent: Agent;
  runtime = new Session("runtime");
  readonly logs: LogRecord[] = [];
  closed = false;
  now = 0;

  constructor(
    readonly machine: MachineSpec = twoCpuVm,
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

  /** Everything up to serving, with these containers already running. */
  static serving(
    running: readonly Wanted[] = [],
    machine?: MachineSpec,
    setup?: Partial<AgentOptions>,
  ): Link {
    const link = new Link(machine, setup);
    link.register();
    link.configure();
    link.synchronize(running);
    return link;
  }

  connect(): void {
    this.runtime = new Session("runtime");
    this.closed = false;
    this.feed({ kind: "connected", now: this.now, topology: topologyOf(this.machine) });
  }

  /** Connects, and accepts the registration. */
  register(): { name: string; index: string } {
    this.connect();
    const event = this.runtime.next();
    assert(event?.kind === "called" && event.method === "RegisterPlugin");
    const { pluginName, pluginIdx } = fromBinary(RegisterPluginRequestSchema, event.payload);
    this.toAgent(this.runtime.answer(event.stream, new Uint8Array()));
    return { name: pluginName, index: pluginIdx };
  }

  configure(config = ""): number {
    const request = { config, runtimeName: "containerd", runtimeVersion: "v2", requestTimeout: 2000n };
    return this.ask("Configure", ConfigureRequestSchema, request, ConfigureResponseSchema).events;
  }

  synchronize(running: readonly Wanted[], more = false, pods = running): string[] {
    const request = { pods: pods.map(podOf), containers: running.map(containerOf), more };
    const response = this.ask("Synchronize", SynchronizeRequestSchema, request, SynchronizeResponseSchema);
    assert.equal(response.more, more);
    return texts(response.update);
  }

  /** Creates a container that then runs, unless it is to stay in between. */
  create(wanted: Wanted, { runs = true } = {}): { cpus: string; mems: string; updates: string[] } {
    const response = this.ask(
      "CreateContainer",
      CreateContainerRequestSchema,
      subject(wanted),
      CreateContainerResponseSchema,
    );
    if (runs) this.mention(Event.POST_START_CONTAINER, wanted);
    const cpu = response.adjust?.linux?.resources?.cpu;
    return { cpus: cpu?.cpus ?? "", mems: cpu?.mems ?? "", updates: texts(response.update) };
  }

  /** `asked`: the CPUs that the request itself names. */
  update(wanted: Wanted, asked = ""): string[] {
    const request = { ...subject(wanted), linuxResources: { cpu: { cpus: asked } } };
    return texts(
      this.ask("UpdateContainer", UpdateContainerRequestSchema, request, UpdateContainerResponseSchema)
        .update,
    );
  }

  stop(wanted: Wanted): string[] {
    return texts(
      this.ask("StopContainer", StopContainerRequestSchema, subject(wanted), StopContainerResponseSchema)
        .update,
    );
  }

  /** An event without an answer of its own. */
  mention(event: Event, wanted: Wanted): void {
    this.ask("StateChange", StateChangeEventSchema, { event, ...subject(wanted) }, EmptySchema);
  }

  start(wanted: Wanted): void {
    this.mention(Event.START_CONTAINER, wanted);
  }

  remove(wanted: Wanted): void {
    this.mention(Event.REMOVE_CONTAINER, wanted);
  }

  /** Calls the agent and expects success. */
  ask<I extends DescMessage, O extends DescMessage>(
    method: string,
    input: I,
    request: MessageInitShape<I>,
    output: O,
  ): MessageShape<O> {
    const event = this.call(method, toBinary(input, create(input, request)));
    assert(event?.kind === "answered", `no answer to ${method}`);
    assert.equal(event.status.code, 0, event.status.message);
    return fromBinary(output, event.payload);
  }

  /** The message with which the agent refuses to create this container. */
  refusal(wanted: Wanted): string {
    return this.refused("CreateContainer", CreateContainerRequestSchema, subject(wanted));
  }

  /** The message with which the agent refuses to let this container start. */
  startRefusal(wanted: Wanted): string {
    return this.refused("StartContainer", ContainerRequestSchema, subject(wanted));
  }

  /** The message with which the agent refuses a call. */
  refused<I extends DescMessage>(method: string, input: I, request: MessageInitShape<I>): string {
    const event = this.call(method, toBinary(input, create(input, request)));
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
      if (output.kind === "log") this.logs.push(output.record);
      if (output.kind === "close") this.closed = true;
      if (["list", "count", "scan", "apply", "configure", "wake"].includes(output.kind)) {
        this.asked.push(output);
      }
    }
  }

  /** What was logged at this level or above it, as `message` lines. */
  logged(...levels: LogRecord["level"][]): string[] {
    return this.logs.filter((r) => levels.includes(r.level)).map((r) => r.message);
  }
}

export function subject(wanted: Wanted): { pod: PodSandbox; container: Container } {
  return { pod: podOf(wanted), container: containerOf(wanted) };
}

/** As `id=cpus`. */
export function texts(updates: readonly ContainerUpdate[]): string[] {
  return updates.map((u) => `${u.containerId}=${u.linux?.resources?.cpu?.cpus}`);
}
