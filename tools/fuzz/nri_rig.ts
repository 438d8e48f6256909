/** An agent and a runtime that watches what it answers; what must hold after any input is here. */
import { checkPools } from "../../src/ledger/holdings.ts";
import { fromBinary } from "@bufbuild/protobuf";
import { type Agent, newAgent, type Output, step } from "../../src/agent/step.ts";
import type { Input } from "../../src/agent/agent.ts";
import { settingsOf } from "../../src/daemon/settings.ts";
import { checkedLayer, resolve } from "../../src/config/layers.ts";
import { parseYaml } from "../../src/config/parse.ts";
import { CpuSet } from "../../src/cpu/cpu_set.ts";
import { FORMATS } from "../../src/platform/log_format.ts";
import type { LogRecord } from "../../src/log_record.ts";
import {
  ConfigureRequestSchema,
  type ContainerUpdate,
  CreateContainerResponseSchema,
  StopContainerResponseSchema,
  SynchronizeRequestSchema,
  SynchronizeResponseSchema,
  UpdateContainerResponseSchema,
} from "../../src/nri/gen/nri_pb.ts";
import { PLUGIN_SERVICE } from "../../src/nri/methods.ts";
import type { Settings } from "../../src/agent/state.ts";
import { Session } from "../../src/wire/session.ts";
import { DEFAULT_SETTINGS } from "../../tests/kit/policy.ts";
import { topologyOf } from "../../tests/kit/sysfs.ts";
import { encoded, type Happening } from "./nri_calls.ts";
import { PRINTABLE, require } from "./target.ts";

/** 16 CPUs in two sockets of two NUMA nodes. */
const TOPOLOGY = topologyOf({ sockets: 2, nodesPerSocket: 2, coresPerNode: 2, threads: 2 });
/** What a session may hold besides messages that are on their way. */
const IDLE = new Session("plugin").capacity;
/** Bytes of an answer's status message, which NRI hands on to kubelet. */
const MAX_REFUSAL = 1024;
const MAX_LOGS = 60;

const RESPONSES = {
  CreateContainer: CreateContainerResponseSchema,
  UpdateContainer: UpdateContainerResponseSchema,
  StopContainer: StopContainerResponseSchema,
  Synchronize: SynchronizeResponseSchema,
} as const;

export class Rig {
  #agent: Agent = newAgent({
    identity: { name: "weka-cpuset", index: "99" },
    topology: TOPOLOGY,
    standby: false,
    ...DEFAULT_SETTINGS,
  });
  #runtime = new Session("runtime");
  #closed = true;
  /** Bytes were sent that are no message: what they mean to the agent is what comes after them. */
  #garbled = false;
  #now = 0;

  /** A new connection; configured and synchronized with nothing. */
  begin(): void {
    if (this.#garbled) this.happen({ lost: true });
    if (this.#closed) this.#connect();
    this.#forget();
  }

  #connect(): void {
    this.#runtime = new Session("runtime");
    this.#closed = false;
    this.#garbled = false;
    this.#feed({ kind: "connected", now: this.#now, topology: TOPOLOGY });
    const event = this.#runtime.next();
    require(event?.kind === "called" && event.method === "RegisterPlugin", () => "it doesn't register");
    this.#feed({
      kind: "received",
      now: this.#now,
      bytes: this.#runtime.answer(event.stream, new Uint8Array()),
    });
    this.happen(encoded("Configure", ConfigureRequestSchema, {}));
  }

  /** A runtime without containers: after this the agent knows of none, and holds nothing on to them. */
  #forget(): void {
    this.#feed({ kind: "settings", settings: DEFAULT_SETTINGS });
    // The first may end a list that came in parts, and what was reported meanwhile counts with it.
    for (let times = 0; times < 2; times++) this.happen(encoded("Synchronize", SynchronizeRequestSchema, {}));
    const { ledger, parts, untracked, early, awaitsListing, phase } = this.#agent.state;
    const left = [
      ledger.assignments.size,
      ledger.degraded.length,
      parts.length,
      untracked.size,
    ];
    require([...left, early.size].every((size) => size === 0), () => `held on to: ${left} ${early.size}`);
    require(phase === "serving" && !awaitsListing, () => `phase ${phase}`);
    require((this.#agent.connection?.session.capacity ?? 0) <= IDLE, () => "the session holds memory");
  }

  happen(happening: Happening): void {
    if (this.#closed) return;
    if ("tick" in happening) return this.#feed({ kind: "tick", now: this.#now += happening.tick });
    if ("lost" in happening) {
      this.#closed = true;
      return this.#feed({ kind: "disconnected" });
    }
    if ("bytes" in happening) {
      this.#garbled = true;
      return this.#feed({ kind: "received", now: this.#now, bytes: happening.bytes });
    }
    this.#call(happening.call, happening.payload);
  }

  #call(method: string, payload: Uint8Array): void {
    const { stream, bytes } = this.#runtime.call(PLUGIN_SERVICE, method, payload);
    this.#feed({ kind: "received", now: this.#now, bytes });
    if (this.#closed || this.#garbled) return;
    const event = this.#runtime.next();
    require(event?.kind === "answered" && event.stream === stream, () => `no answer to ${method}`);
    if (event.status.code !== 0) {
      return require(event.status.message.length <= MAX_REFUSAL, () => "an endless refusal");
    }
    const schema = RESPONSES[method as keyof typeof RESPONSES];
    if (schema === undefined) return;
    const answer = fromBinary(schema, event.payload);
    requireSets("update" in answer ? answer.update : []);
    if ("adjust" in answer) requireSet(answer.adjust?.linux?.resources?.cpu?.cpus ?? "");
  }

  #feed(input: Input): void {
    const { agent, outputs } = step(this.#agent, input);
    this.#agent = agent;
    checkPools(agent.state.ledger);
    require(outputs.filter(({ kind }) => kind === "log").length <= MAX_LOGS, () => "endless logs");
    for (const output of outputs) this.#act(output);
    require(this.#closed === (agent.connection === undefined), () => "closed, and yet not");
  }

  #act(output: Output): void {
    if (output.kind === "send") this.#runtime.receive(output.bytes);
    if (output.kind === "log") requireLine(output.record);
    if (output.kind === "close") this.#closed = true;
    if (output.kind === "configure") this.#feed({ kind: "settings", settings: settingsFrom(output.text) });
  }
}

function settingsFrom(text: string): Settings {
  const place = { source: "runtime", file: "its text", nameOf: (path: string) => path } as const;
  const parsed = parseYaml(text);
  return parsed.kind === "parsed"
    ? settingsOf(resolve([checkedLayer(place, parsed.tree)]).config)
    : DEFAULT_SETTINGS;
}

/** One printable line in either format, that doesn't report a bug. */
export function requireLine(record: LogRecord): void {
  require(!/please report it/.test(record.message), () => record.message);
  for (const format of Object.values(FORMATS)) {
    const line = format(record, 0);
    require(
      line.endsWith("\n") && PRINTABLE.test(line.slice(0, -1)),
      () => `not printable: ${JSON.stringify(line)}`,
    );
  }
}

function requireSets(updates: readonly ContainerUpdate[]): void {
  for (const { linux } of updates) {
    const cpus = linux?.resources?.cpu?.cpus ?? "";
    require(cpus !== "", () => "an update without CPUs");
    requireSet(cpus);
  }
  const ids = new Set(updates.map(({ containerId }) => containerId));
  require(ids.size === updates.length, () => "a container is named twice");
}

/** No CPU that isn't online is ever given. */
function requireSet(text: string): void {
  const cpus = CpuSet.parse(text);
  require(cpus instanceof CpuSet && cpus.isSubsetOf(TOPOLOGY.online), () => `given the CPUs ${text}`);
}
