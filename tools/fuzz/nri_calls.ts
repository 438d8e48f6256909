/** Calls of a runtime, allowed and not: in any order, valid or broken, and loose bytes. */
import { create, type DescMessage, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import {
  ConfigureRequestSchema,
  ContainerRequestSchema,
  CreateContainerRequestSchema,
  PodRequestSchema,
  StateChangeEventSchema,
  StopContainerRequestSchema,
  SynchronizeRequestSchema,
  UpdateContainerRequestSchema,
} from "../../src/nri/gen/nri_pb.ts";
import type { Random } from "../random.ts";
import { mutatedBytes, nastyText, randomBytes, textLike } from "./nasty.ts";
import { containerOf, cpuOf, type Drawn, drawPod, podOf } from "./pods.ts";

/** One thing that happens to the agent. */
export type Happening =
  | { readonly call: string; readonly payload: Uint8Array }
  /** Not even a frame. */
  | { readonly bytes: Uint8Array }
  /** Milliseconds that go by. */
  | { readonly tick: number }
  /** The connection ends. */
  | { readonly lost: true };

export function drawHappening(random: Random): Happening {
  const kind = random.weighted({ call: 30, bytes: 0.3, tick: 2, lost: 0.5 });
  if (kind === "bytes") return { bytes: randomBytes(random, random.between(1, 40)) };
  if (kind === "tick") return { tick: random.oneOf(1, 600, 20_000) };
  if (kind === "lost") return { lost: true };
  const { call, payload } = drawCall(random);
  return { call, payload: random.chance(0.12) ? mutatedBytes(random, payload) : payload };
}

interface Call {
  readonly call: string;
  readonly payload: Uint8Array;
}

const EVENTS = [
  "RunPodSandbox",
  "UpdatePodSandbox",
  "PostUpdatePodSandbox",
  "RemovePodSandbox",
  "PostCreateContainer",
  "PostUpdateContainer",
  "ValidateContainerAdjustment",
  "Shutdown",
];
const CONFIGS = [
  "",
  "minShared: 2\n",
  "systemReserved: 0\nplacement: spread\n",
  "dryRun: true\n",
  "socket: /x\n",
];

function drawCall(random: Random): Call {
  const drawn = drawPod(random);
  const subject = { pod: podOf(drawn), container: containerOf(drawn) };
  const kind = random.weighted({
    create: 10,
    start: 3,
    update: 5,
    stop: 4,
    change: 8,
    pod: 2,
    list: 2,
    configure: 1,
    event: 1,
    odd: 0.5,
  });
  switch (kind) {
    case "create":
      return encoded("CreateContainer", CreateContainerRequestSchema, subject);
    case "start":
      return encoded(random.oneOf("StartContainer", "PostStartContainer"), ContainerRequestSchema, subject);
    case "update": {
      const linuxResources = random.chance(0.9) ? { linuxResources: { cpu: cpuOf(drawPod(random)) } } : {};
      return encoded("UpdateContainer", UpdateContainerRequestSchema, { ...subject, ...linuxResources });
    }
    case "stop":
      return encoded("StopContainer", StopContainerRequestSchema, subject);
    case "change":
      return encoded("StateChange", StateChangeEventSchema, { ...subject, event: random.below(20) });
    case "pod":
      return encoded("StopPodSandbox", PodRequestSchema, { pod: subject.pod });
    case "list":
      return list(random);
    case "configure":
      return encoded("Configure", ConfigureRequestSchema, {
        config: textLike(random, CONFIGS),
        runtimeName: nastyText(random),
        requestTimeout: 2000n,
      });
    case "event":
      return encoded(random.pick(EVENTS) ?? "", ContainerRequestSchema, subject);
    case "odd":
      return { call: nastyText(random), payload: randomBytes(random, random.below(20)) };
  }
}

function list(random: Random): Call {
  const drawn: Drawn[] = Array.from({ length: random.below(6) }, () => drawPod(random));
  const pods = random.some(drawn, random.below(7)).map(podOf);
  const more = random.chance(0.2);
  return encoded("Synchronize", SynchronizeRequestSchema, { pods, containers: drawn.map(containerOf), more });
}

export function encoded<D extends DescMessage>(call: string, schema: D, message: MessageInitShape<D>): Call {
  return { call, payload: toBinary(schema, create<D>(schema, message)) };
}
