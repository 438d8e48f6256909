/** Pods and containers as no kubelet makes them. */
import { create } from "@bufbuild/protobuf";
import {
  type Container,
  ContainerSchema,
  ContainerState,
  type PodSandbox,
  PodSandboxSchema,
} from "../../src/nri/gen/nri_pb.ts";
import { ANNOTATIONS, containerKeys } from "../../src/nri/annotations.ts";
import type { Random } from "../random.ts";
import { cpuListText } from "./cpu_lists.ts";
import { nastyBigint, nastyText, textLike } from "./nasty.ts";

/** What is drawn of a pod with one container. Ids come again and again, so that events are about the same ones. */
export interface Drawn {
  readonly [key: string]: string | number | bigint | undefined | Readonly<Record<string, string>>;
  readonly id: string;
  readonly sandboxId: string;
  readonly name: string;
  readonly pod: string;
  readonly podUid: string;
  readonly namespace: string;
  readonly annotations: Readonly<Record<string, string>>;
  readonly cgroupParent: string;
  readonly cgroupsPath: string;
  readonly state: number;
  readonly createdAt: bigint;
  readonly shares: bigint | undefined;
  readonly quota: bigint | undefined;
  readonly period: bigint | undefined;
  readonly podQuota: bigint | undefined;
  readonly memory: bigint | undefined;
  readonly cpus: string;
  readonly mems: string;
}

const VALUES = [
  "spread",
  "packed",
  "full-cores",
  "single-thread",
  "true",
  "false",
  "unmanaged",
  "0,2-3",
  "1",
];

export function drawPod(random: Random): Drawn {
  const few = random.below(4);
  const name = random.chance(0.9) ? "c" : nastyText(random);
  const whole = random.chance(0.4) ? BigInt(random.below(5)) : undefined;
  return {
    id: random.chance(0.95) ? `id${random.below(6)}` : nastyText(random),
    sandboxId: random.chance(0.95) ? `s${few}` : nastyText(random),
    name,
    pod: random.chance(0.9) ? `p${few}` : nastyText(random),
    podUid: random.chance(0.95) ? `u${few}` : nastyText(random),
    namespace: random.chance(0.9) ? random.oneOf("ns", "kube-system") : nastyText(random),
    annotations: drawAnnotations(random, name),
    cgroupParent: textLike(random, ["/kubepods/pod1", "/kubepods/burstable/pod1", "kubepods-pod1.slice", ""]),
    cgroupsPath: textLike(random, ["/kubepods/pod1/id1", "kubepods-pod1.slice:cri-containerd:id1", ""]),
    state: random.oneOf<number>(
      ContainerState.CONTAINER_RUNNING,
      ContainerState.CONTAINER_CREATED,
      ContainerState.CONTAINER_STOPPED,
      77,
    ),
    createdAt: nastyBigint(random, true),
    shares: whole === undefined ? figure(random, false) : whole * 1024n,
    quota: whole === undefined ? figure(random, true) : whole * 100_000n,
    period: whole === undefined ? figure(random, false) : 100_000n,
    podQuota: random.chance(0.2) ? nastyBigint(random, true) : undefined,
    memory: figure(random, true),
    cpus: random.chance(0.5) ? "" : cpuListText(random),
    mems: random.chance(0.8) ? "" : cpuListText(random),
  };
}

function figure(random: Random, signed: boolean): bigint | undefined {
  return random.chance(0.6) ? undefined : nastyBigint(random, signed);
}

function drawAnnotations(random: Random, name: string): Record<string, string> {
  const all = Array.from({ length: random.below(4) }, () => {
    const annotation = random.pick(ANNOTATIONS) ?? ANNOTATIONS[0];
    const key = random.oneOf<string>(annotation, ...containerKeys(annotation, name), nastyText(random));
    return [key, random.chance(0.5) ? cpuListText(random) : textLike(random, VALUES)] as const;
  });
  return Object.fromEntries(all);
}

export function podOf(drawn: Drawn): PodSandbox {
  const { sandboxId, pod, podUid, namespace, annotations, cgroupParent, podQuota } = drawn;
  const limit = podQuota === undefined ? {} : {
    podResources: { cpu: { quota: { value: podQuota }, period: { value: 100_000n } } },
  };
  return create(PodSandboxSchema, {
    id: sandboxId,
    name: pod,
    uid: podUid,
    namespace,
    annotations: { ...annotations },
    linux: { cgroupParent, ...limit },
  });
}

export function containerOf(drawn: Drawn): Container {
  const { id, sandboxId, name, state, createdAt, cgroupsPath, memory } = drawn;
  return create(ContainerSchema, {
    id,
    podSandboxId: sandboxId,
    name,
    state: state as ContainerState,
    createdAt,
    linux: {
      cgroupsPath,
      resources: {
        ...(memory === undefined ? {} : { memory: { limit: { value: memory } } }),
        cpu: cpuOf(drawn),
      },
    },
  });
}

export function cpuOf({ shares, quota, period, cpus, mems }: Drawn) {
  return {
    ...(shares === undefined ? {} : { shares: { value: shares } }),
    ...(quota === undefined ? {} : { quota: { value: quota } }),
    ...(period === undefined ? {} : { period: { value: period } }),
    cpus,
    mems,
  };
}
