/** The CRI's answers: the JSON of the verbose part, messages with broken bytes, and the ledger that is rebuilt of them. */
import { checkPools } from "../../src/ledger/holdings.ts";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { nriContainer, nriPod } from "../../src/cri/to_nri.ts";
import { ContainerStatusResponseSchema, PodSandboxStatusResponseSchema } from "../../src/cri/gen/cri_pb.ts";
import { ContainerSchema, PodSandboxSchema } from "../../src/nri/gen/nri_pb.ts";
import { initialState } from "../../src/agent/state.ts";
import { adoptListing } from "../../src/agent/adopt.ts";
import { DEFAULT_SETTINGS } from "../../tests/kit/policy.ts";
import { topologyOf, twoCpuVm } from "../../tests/kit/sysfs.ts";
import { Recorded, RUNTIMES } from "../../tests/kit/cri_recordings.ts";
import type { Random } from "../random.ts";
import { cpuListText } from "./cpu_lists.ts";
import { mutatedBytes, mutatedText, nastyText, NUMBERS } from "./nasty.ts";
import { requireLine } from "./nri_rig.ts";
import { require, type Target } from "./target.ts";

/** As they come on the wire, and the JSON in them. */
interface Answers {
  readonly containers: readonly Uint8Array[];
  readonly pods: readonly Uint8Array[];
  readonly infos: readonly string[];
}

let recorded: Answers | undefined;

function answers(): Answers {
  const all = RUNTIMES.map((runtime) => new Recorded(runtime));
  return recorded ??= {
    containers: all.flatMap(({ containers }) =>
      containers.map((answer) => toBinary(ContainerStatusResponseSchema, { ...answer, info: {} }))
    ),
    pods: all.flatMap(({ pods }) =>
      pods.map((answer) => toBinary(PodSandboxStatusResponseSchema, { ...answer, info: {} }))
    ),
    infos: all.flatMap(({ containers, pods }) =>
      [...containers, ...pods].map(({ info }) => info["info"] ?? "")
    ),
  };
}

type Input = {
  readonly container: Uint8Array;
  readonly containerInfo: string;
  readonly pod: Uint8Array;
  readonly podInfo: string;
};

const NODE = initialState(topologyOf(twoCpuVm), DEFAULT_SETTINGS, false);

export const criAnswers: Target<Input> = {
  name: "cri",
  share: 50,
  draw(random) {
    const { containers, pods, infos } = answers();
    return {
      container: message(random, containers),
      containerInfo: drawInfo(random, infos),
      pod: message(random, pods),
      podInfo: drawInfo(random, infos),
    };
  },
  check({ container, containerInfo, pod, podInfo }) {
    const status = orUndefined(() => fromBinary(ContainerStatusResponseSchema, container))?.status;
    const sandbox = orUndefined(() => fromBinary(PodSandboxStatusResponseSchema, pod))?.status;
    if (status === undefined || sandbox === undefined) return;
    const one = nriContainer(sandbox.id, status, { info: containerInfo });
    const its = nriPod(sandbox, { info: podInfo });
    toBinary(ContainerSchema, one);
    toBinary(PodSandboxSchema, its);
    const { state: node, logs } = adoptListing(NODE, { pods: [its], containers: [one] });
    checkPools(node.ledger);
    require(node.ledger.assignments.size <= 1, () => "one container, and more in the ledger");
    logs.forEach(requireLine);
  },
};

/** What isn't a message the CRI's client turns into an error of the call. */
function orUndefined<T>(decode: () => T): T | undefined {
  try {
    return decode();
  } catch (error) {
    require(error instanceof Error, () => `thrown: ${error}`);
    return undefined;
  }
}

function message(random: Random, of: readonly Uint8Array[]): Uint8Array {
  const bytes = random.pick(of) ?? new Uint8Array();
  return random.chance(0.4) ? mutatedBytes(random, bytes) : bytes;
}

const KEYS = [
  "pid",
  "runtimeSpec",
  "linux",
  "resources",
  "cpu",
  "cpus",
  "quota",
  "shares",
  "cgroupsPath",
  "config",
];

/** The text changed, or one value somewhere in it. */
function drawInfo(random: Random, infos: readonly string[]): string {
  const info = random.pick(infos) ?? "";
  const kind = random.weighted({ same: 1, text: 4, value: 5 });
  if (kind === "same") return info;
  if (kind === "text") return mutatedText(random, info);
  const key = random.pick(KEYS);
  return info.replace(new RegExp(`"${key}": ?("[^"]*"|-?\\d+)`), `"${key}":${value(random)}`);
}

function value(random: Random): string {
  const kind = random.weighted({ text: 3, list: 3, number: 4, other: 2 });
  if (kind === "text") return JSON.stringify(nastyText(random));
  if (kind === "list") return JSON.stringify(cpuListText(random));
  if (kind === "number") {
    return random.oneOf("1e999", "-1e30", "1.5", String(JSON.stringify(random.pick(NUMBERS))));
  }
  return random.oneOf("null", "[]", "{}", "true", '{"__proto__":1}', "[".repeat(2000) + "]".repeat(2000));
}
