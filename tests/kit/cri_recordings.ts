/** What real runtimes answered, from tests/kit/cri (shortened), and a runtime that repeats it. */
import { type DescMessage, fromJson, type JsonValue, type MessageShape } from "@bufbuild/protobuf";
import { type CriClient, CriError } from "../../src/cri/client.ts";
import {
  ContainerStatusResponseSchema,
  ListContainersResponseSchema,
  PodSandboxStatusResponseSchema,
} from "../../src/cri/gen/cri_pb.ts";

interface Recording {
  listContainers: JsonValue;
  containerStatus: JsonValue[];
  podSandboxStatus: JsonValue[];
}

/** On each: a shared and an exclusive container, one that isn't started and one that has ended. */
export const RUNTIMES = ["containerd-1.7.24", "containerd-2.1.9"] as const;

/** The answers of one runtime. */
export class Recorded {
  readonly list;
  readonly containers;
  readonly pods;

  constructor(runtime: typeof RUNTIMES[number]) {
    const file = new URL(`./cri/${runtime}.json`, import.meta.url);
    const recording: Recording = JSON.parse(Deno.readTextFileSync(file));
    this.list = fromJson(ListContainersResponseSchema, recording.listContainers);
    this.containers = recording.containerStatus.map((json) => withInfo(ContainerStatusResponseSchema, json));
    this.pods = recording.podSandboxStatus.map((json) => withInfo(PodSandboxStatusResponseSchema, json));
  }
}

/** In the files the verbose part is JSON, to be read by people; on the wire it is text. */
function withInfo<D extends DescMessage>(schema: D, json: JsonValue): MessageShape<D> {
  const { info, ...rest } = json as { info: { info: JsonValue } };
  return fromJson(schema, { ...rest, info: { info: JSON.stringify(info.info) } });
}

/** A runtime that answers with `recorded`, and may be set to fail at a container or a pod. */
export class RecordedClient implements CriClient {
  /** What was asked, in order: the call, and the id that it was about. */
  readonly asked: string[] = [];
  /** Calls that were under way at the same time, at most. */
  busiest = 0;
  #busy = 0;

  constructor(readonly recorded: Recorded, private readonly failing: Record<string, Error> = {}) {}

  call: CriClient["call"] = async (name, request) => {
    const { containerId, podSandboxId } = request as { containerId?: string; podSandboxId?: string };
    const id = containerId ?? podSandboxId ?? "";
    this.asked.push(`${name} ${id}`.trim());
    this.busiest = Math.max(this.busiest, ++this.#busy);
    await Promise.resolve();
    this.#busy--;
    const error = this.failing[id];
    if (error !== undefined) throw error;
    return this.#answer(name, id) as never; // which answer belongs to which call, only the caller's types know
  };

  close(): void {}

  #answer(name: string, id: string) {
    const { list, containers, pods } = this.recorded;
    if (name === "listContainers") return list;
    if (name === "listPodSandbox") {
      return { items: pods.map(({ status }) => ({ id: status?.id, state: status?.state })) };
    }
    const answers = name === "containerStatus" ? containers : pods;
    const found = answers.find(({ status }) => status?.id === id);
    if (found === undefined) throw new CriError(`${name} failed: nothing has the id ${id}`, true);
    return found;
  }
}
