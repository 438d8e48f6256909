// A plugin that does what a test asks it for, over the real socket. It tests the runtime; the agent has its own tests.

import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import {
  ConfigureResponseSchema,
  type Container,
  ContainerRequestSchema,
  type ContainerUpdateSchema,
  CreateContainerRequestSchema,
  CreateContainerResponseSchema,
  EmptySchema,
  Event,
  type PodSandbox,
  RegisterPluginRequestSchema,
  StateChangeEventSchema,
  type SynchronizeRequest,
  SynchronizeRequestSchema,
  SynchronizeResponseSchema,
  type UpdateContainerRequest,
  UpdateContainerRequestSchema,
  UpdateContainerResponseSchema,
  UpdateContainersRequestSchema,
} from "../../../src/nri/gen/nri_pb.ts";
import { Session, type SessionEvent } from "../../../src/wire/session.ts";

export type UpdateInit = MessageInitShape<typeof ContainerUpdateSchema>;
type Reply<T> = T | Promise<T>;
type Called = Extract<SessionEvent, { kind: "called" }>;

/** What the plugin answers. A handler that throws refuses; one that never resolves never answers. */
export interface PluginScript {
  name?: string;
  index?: string;
  /** The event mask; 0, all events, if it isn't given. */
  events?: number;
  /** For every message of a Synchronize; without it, no updates and `more` as it was asked. */
  synchronize?: (request: SynchronizeRequest) => Reply<MessageInitShape<typeof SynchronizeResponseSchema>>;
  /** CPUs for the new container, if any, and updates of others. */
  create?: (pod: PodSandbox, container: Container) => Reply<{ cpus?: string; update?: UpdateInit[] }>;
  update?: (request: UpdateContainerRequest) => Reply<UpdateInit[]>;
  stop?: (container: Container) => Reply<UpdateInit[]>;
  /** Every other event, by the name of its call. */
  notice?: (event: string, container: Container | undefined) => Reply<void>;
  /** Bytes to answer with instead of a message. */
  raw?: (method: string) => Uint8Array | undefined;
}

/** An update that sets CPUs, as plugins send it. */
export function cpusUpdate(containerId: string, cpus: string): UpdateInit {
  return { containerId, linux: { resources: { cpu: { cpus } } } };
}

export class ScriptedPlugin {
  /** Method names, as they came: for StateChange with the event behind a colon. */
  readonly calls: string[] = [];
  readonly #conn: Deno.Conn;
  readonly #session = new Session("plugin");
  readonly #script: PluginScript;
  readonly #answers = new Map<number, PromiseWithResolvers<Uint8Array>>();
  readonly #reading: Promise<void>;
  #writing: Promise<unknown> = Promise.resolve();
  #open = true;

  private constructor(conn: Deno.Conn, script: PluginScript) {
    this.#conn = conn;
    this.#script = script;
    this.#reading = this.#read();
  }

  /** Connects and says nothing. */
  static async connect(path: string, script: PluginScript = {}): Promise<ScriptedPlugin> {
    return new ScriptedPlugin(await Deno.connect({ transport: "unix", path }), script);
  }

  /** Connects and registers; throws what the runtime answers if it refuses. */
  static async register(path: string, script: PluginScript = {}): Promise<ScriptedPlugin> {
    const plugin = await ScriptedPlugin.connect(path, script);
    try {
      await plugin.register();
      return plugin;
    } catch (error) {
      await plugin.close();
      throw error;
    }
  }

  async register(): Promise<void> {
    const { name = "scripted", index = "50" } = this.#script;
    const request = create(RegisterPluginRequestSchema, { pluginName: name, pluginIdx: index });
    await this.call("RegisterPlugin", toBinary(RegisterPluginRequestSchema, request));
  }

  /** Unsolicited updates; rejects with the runtime's message. */
  async updateContainers(update: UpdateInit[]): Promise<void> {
    const request = create(UpdateContainersRequestSchema, { update });
    await this.call("UpdateContainers", toBinary(UpdateContainersRequestSchema, request));
  }

  call(method: string, payload: Uint8Array): Promise<Uint8Array> {
    const { stream, bytes } = this.#session.call("nri.pkg.api.v1alpha1.Runtime", method, payload);
    const answer = Promise.withResolvers<Uint8Array>();
    this.#answers.set(stream, answer);
    this.send(bytes);
    return answer.promise;
  }

  /** Writes bytes as they are, good or bad. */
  send(bytes: Uint8Array): void {
    this.#writing = this.#writing.then(async () => {
      for (let at = 0; at < bytes.length;) at += await this.#conn.write(bytes.subarray(at));
    }).catch(() => {});
  }

  /** Resolves when all that was to be sent is sent. */
  async idle(): Promise<void> {
    await this.#writing;
  }

  /** Resolves when the runtime has closed the connection. */
  async gone(): Promise<void> {
    await this.#reading;
  }

  async close(): Promise<void> {
    this.#end();
    await this.#reading;
    await this.#writing;
  }

  async #read(): Promise<void> {
    const buffer = new Uint8Array(64 * 1024);
    try {
      for (let count; (count = await this.#conn.read(buffer)) !== null;) {
        this.#session.receive(buffer.slice(0, count));
        for (let event; (event = this.#session.next());) this.#handle(event);
      }
    } catch (error) {
      // Closed by us, or cut off by the runtime: both are what tests of this file are about.
      if (!this.#open || error instanceof Deno.errors.ConnectionReset) return;
      throw error;
    } finally {
      this.#end();
    }
  }

  #handle(event: SessionEvent): void {
    if (event.kind === "called") return void this.#serve(event);
    const answer = this.#answers.get(event.stream);
    this.#answers.delete(event.stream);
    if (event.status.code === 0) answer?.resolve(event.payload);
    else answer?.reject(new Error(event.status.message));
  }

  async #serve(called: Called): Promise<void> {
    try {
      const payload = this.#script.raw?.(called.method) ?? await this.#answer(called);
      if (this.#open) this.send(this.#session.answer(called.stream, payload));
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      if (this.#open) this.send(this.#session.refuse(called.stream, { code: 2, message }));
    }
  }

  async #answer({ method, payload }: Called): Promise<Uint8Array> {
    const script = this.#script;
    if (method !== "StateChange") this.calls.push(method);
    switch (method) {
      case "Configure": {
        return toBinary(
          ConfigureResponseSchema,
          create(ConfigureResponseSchema, { events: script.events ?? 0 }),
        );
      }
      case "Synchronize": {
        const request = fromBinary(SynchronizeRequestSchema, payload);
        const reply = await script.synchronize?.(request) ?? { more: request.more };
        return toBinary(SynchronizeResponseSchema, create(SynchronizeResponseSchema, reply));
      }
      case "CreateContainer": {
        const { pod, container } = fromBinary(CreateContainerRequestSchema, payload);
        if (!pod || !container) throw new Error("a CreateContainer without a pod or a container");
        const { cpus = "", update = [] } = await script.create?.(pod, container) ?? {};
        const adjust = { linux: { resources: { cpu: { cpus } } } };
        return toBinary(
          CreateContainerResponseSchema,
          create(CreateContainerResponseSchema, { adjust, update }),
        );
      }
      case "UpdateContainer": {
        const update = await script.update?.(fromBinary(UpdateContainerRequestSchema, payload)) ?? [];
        return toBinary(UpdateContainerResponseSchema, create(UpdateContainerResponseSchema, { update }));
      }
      case "StopContainer": {
        const { container } = fromBinary(ContainerRequestSchema, payload);
        const update = container ? await script.stop?.(container) ?? [] : [];
        return toBinary(UpdateContainerResponseSchema, create(UpdateContainerResponseSchema, { update }));
      }
      case "StateChange": {
        const { event, container } = fromBinary(StateChangeEventSchema, payload);
        this.calls.push(`StateChange:${Event[event]}`);
        await script.notice?.(Event[event] ?? "", container);
        break;
      }
      default:
        await script.notice?.(method, fromBinary(ContainerRequestSchema, payload).container);
    }
    return toBinary(EmptySchema, create(EmptySchema));
  }

  #end(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#conn.close();
    for (const { reject } of this.#answers.values()) reject(new Error("the connection is closed"));
    this.#answers.clear();
  }
}
