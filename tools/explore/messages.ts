/** Containers and pods as NRI's messages. There are few different ones, so each is made once. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  type Container,
  ContainerSchema,
  ContainerState,
  type LinuxResourcesSchema,
  type PodSandbox,
  PodSandboxSchema,
} from "../../src/nri/gen/nri_pb.ts";
import type { Subject } from "../../src/nri/methods.ts";
import { type Box, type Kind, PINNED } from "./node.ts";

const PERIOD_US = 100_000;

function remembered<V>(make: (key: string) => V): (key: string) => V {
  const known = new Map<string, V>();
  return (key) => {
    const before = known.get(key);
    if (before !== undefined) return before;
    const value = make(key);
    known.set(key, value);
    return value;
  };
}

const podOf = remembered((key): PodSandbox => {
  const [slot = "", kind] = key.split(" ");
  const parent = kind === "exclusive" ? "/kubepods" : "/kubepods/burstable";
  return create(PodSandboxSchema, {
    id: `sandbox${slot}`,
    name: `pod${slot}`,
    uid: `uid${slot}`,
    namespace: "default",
    pid: 1,
    annotations: kind === "pinned" ? { "weka.io/cores-ids": PINNED.toString() } : {},
    linux: { cgroupParent: `${parent}/pod${slot}` },
  });
});

const containerOf = remembered((key): Container => {
  const [id = "", slot = "", kind, limit, state, cpus = ""] = key.split(" ");
  return create(ContainerSchema, {
    id,
    podSandboxId: `sandbox${slot}`,
    name: "main",
    state: state === "running" ? ContainerState.CONTAINER_RUNNING : ContainerState.CONTAINER_CREATED,
    linux: {
      resources: { cpu: { ...figuresOf(kind as Kind, Number(limit)), cpus } },
      cgroupsPath: `/kubepods/pod${slot}/${id}`,
    },
  });
});

/** The figures that kubelet derives from requests and limits. */
export function figuresOf(
  kind: Kind,
  limit: number,
): NonNullable<MessageInitShape<typeof LinuxResourcesSchema>["cpu"]> {
  const period = { value: BigInt(PERIOD_US) };
  if (kind !== "exclusive") return { shares: { value: 512n }, period };
  return { shares: { value: BigInt(1024 * limit) }, quota: { value: BigInt(PERIOD_US * limit) }, period };
}

export function podMessage({ slot, kind }: Pick<Box, "slot" | "kind">): PodSandbox {
  return podOf(`${slot} ${kind}`);
}

export function subjectOf(box: Box): Subject {
  const { id, slot, kind, limit, life, record } = box;
  const state = life === "running" ? life : "created";
  const container = containerOf(`${id} ${slot} ${kind} ${limit} ${state} ${record ?? ""}`);
  return { pod: podMessage(box), container };
}
