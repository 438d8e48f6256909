/** What a script's runtime has: pods, containers, and its own record of each. It applies all that it is answered. */
import { create } from "@bufbuild/protobuf";
import {
  type Container,
  ContainerSchema,
  ContainerState,
  type ContainerUpdate,
  type LinuxCPU,
  type LinuxResources,
  type PodSandbox,
  PodSandboxSchema,
} from "../../src/nri/gen/nri_pb.ts";
import { FIGURES, figuresOf, resourcesOf, type Words } from "./figures.ts";
import { wholeNumber } from "./script.ts";
import { WordError } from "./words.ts";

interface Pod {
  readonly sandbox: PodSandbox;
  /** What has been said of it so far; holds for its later containers. */
  readonly words: Words;
}

/** A container as the runtime knows it. */
export interface Box {
  readonly pod: PodSandbox;
  readonly container: Container;
  /** It was reported to the agent: by its creation, its start or a list. */
  told: boolean;
}

/** Seconds since 1970 at which a script begins. */
const BEGINNING = 1_700_000_000;

const ANNOTATIONS: Readonly<Record<string, string>> = {
  "cores-ids": "weka.io/cores-ids",
  "forbid": "weka.io/forbid-core-ids",
  "placement": "weka.io/placement",
  "movable": "weka.io/movable",
  "unmanaged": "weka.io/cpuset",
};

export class FakeRuntime {
  /** By the name that the script has for it, which is also its id. */
  readonly boxes = new Map<string, Box>();
  readonly #pods = new Map<string, Pod>();
  /** What was last said of a container, by its name without `#2`. */
  readonly #said = new Map<string, Words>();
  #created = 0;

  /** A new container, which isn't in {@link boxes} yet. `main#2` without a figure asks for what `main` did. */
  box(name: string, said: Words): Box {
    const { pod, container } = partsOf(name);
    const before = this.#said.get(`${pod}/${container}`);
    const words = before !== undefined && !FIGURES.some((key) => said.has(key))
      ? new Map([...before].filter(([key]) => FIGURES.includes(key)).concat([...said]))
      : said;
    this.#said.set(`${pod}/${container}`, words);
    const { sandbox } = this.#pod(pod, words);
    this.#created++;
    const resources = resourcesOf(figuresOf(words), words);
    const created = create(ContainerSchema, {
      id: name,
      podSandboxId: sandbox.id,
      name: container,
      state: ContainerState.CONTAINER_CREATED,
      createdAt: BigInt(BEGINNING + this.#created) * 1_000_000_000n,
      linux: { resources },
    });
    return { pod: sandbox, container: created, told: false };
  }

  /** A container that is there without having been reported to the agent. */
  found(name: string, words: Words): void {
    const box = this.box(name, words);
    const age = words.get("age");
    const state = words.has("starting")
      ? ContainerState.CONTAINER_CREATED
      : words.has("stopped")
      ? ContainerState.CONTAINER_STOPPED
      : ContainerState.CONTAINER_RUNNING;
    box.container.state = state;
    box.container.createdAt = age === undefined
      ? 0n
      : BigInt(BEGINNING - wholeNumber("age", age)) * 1_000_000_000n;
    this.boxes.set(name, box);
  }

  /** The container of that name; a {@link WordError} where there is none. */
  named(name: string): Box {
    const box = this.boxes.get(name);
    if (box === undefined) throw new WordError(`the runtime has no container "${name}"`);
    return box;
  }

  get livingSandboxes(): ReadonlySet<string> {
    const all = [...this.boxes.values()].map(({ pod }) => pod);
    return new Set(
      [...all, ...[...this.#pods.values()].map(({ sandbox }) => sandbox)].filter(({ pid }) => pid > 0).map((
        { id },
      ) => id),
    );
  }

  sandbox(pod: string): PodSandbox {
    const known = this.#pods.get(pod);
    if (known === undefined) throw new WordError(`the runtime has no pod "${pod}"`);
    return known.sandbox;
  }

  /** Writes an update of others, as a reply carries it, into the record. Unknown ids are passed over. */
  apply(update: ContainerUpdate): void {
    const box = this.boxes.get(update.containerId);
    if (box !== undefined) merge(box, update.linux?.resources);
  }

  #pod(name: string, said: Words): Pod {
    const known = this.#pods.get(name);
    const same = known !== undefined && (!said.has("uid") || said.get("uid") === known.words.get("uid"));
    const words = new Map([...same ? known.words : [], ...[...said].filter(([key]) => isOfPod(key))]);
    if (!words.has("parent")) words.set("parent", parentOf(words, said));
    const uid = words.get("uid") ?? "1";
    const sandbox = create(PodSandboxSchema, {
      id: `${name}~${uid}`,
      name,
      uid: `${name}-${uid}`,
      namespace: words.get("namespace") ?? "ns",
      runtimeHandler: words.get("handler") ?? "",
      annotations: annotationsOf(words),
      pid: 1,
      linux: {
        cgroupParent: words.get("parent") ?? "",
        ...(words.has("pod-limit")
          ? {
            podResources: resourcesOf(
              figuresOf(new Map([["cpus", words.get("pod-limit") ?? ""]])),
              new Map(),
            ),
          }
          : {}),
      },
    });
    const pod = { sandbox, words };
    this.#pods.set(name, pod);
    return pod;
  }
}

/** `app/main#2`: the second container `main` of the pod `app`; `web` is the container `c` of the pod `web`. */
function partsOf(name: string): { pod: string; container: string } {
  const [pod = "", container = "c"] = name.replace(/#\d+$/, "").split("/");
  if (!/^[a-z0-9]+(-[a-z0-9]+)*(\/[a-z0-9]+(-[a-z0-9]+)*)?(#\d+)?$/.test(name)) {
    throw new WordError(`"${name}" is no name of a container, as web, app/main or app/main#2`);
  }
  return { pod, container };
}

/** Fields that are zero or absent stay as they are, as the runtime does it. */
export function merge(box: Box, given: LinuxResources | undefined): void {
  const own = cpuOf(box);
  const { shares, quota, period, cpus, mems } = given?.cpu ?? {};
  if (shares?.value) own.shares = shares;
  if (quota?.value) own.quota = quota;
  if (period?.value) own.period = period;
  if (cpus) own.cpus = cpus;
  if (mems) own.mems = mems;
}

/** The CPU part of the runtime's record. */
export function cpuOf(box: Box): LinuxCPU {
  const cpu = box.container.linux?.resources?.cpu;
  if (cpu === undefined) throw new Error(`${box.container.id} has no CPU part`);
  return cpu;
}

function isOfPod(key: string): boolean {
  return key.includes("/") || Object.hasOwn(ANNOTATIONS, key) || [...CLASS_PARENTS.keys()].includes(key) ||
    ["parent", "namespace", "uid", "pod-limit", "handler"].includes(key);
}

function annotationsOf(words: Words): Record<string, string> {
  return Object.fromEntries(
    [...words].flatMap(([key, value]) => {
      if (key === "unmanaged") return [[ANNOTATIONS[key] ?? "", value || "unmanaged"]];
      const full = ANNOTATIONS[key] ?? (key.includes("/") ? key : undefined);
      return full === undefined ? [] : [[full, value]];
    }),
  );
}

const CLASS_PARENTS = new Map([
  ["guaranteed", "/kubepods/pod1"],
  ["burstable", "/kubepods/burstable/pod1"],
  ["besteffort", "/kubepods/besteffort/pod1"],
]);

/** The cgroup parent by which kubelet shows the pod's class; unsaid, it follows from the first container. */
function parentOf(pod: Words, first: Words): string {
  for (const [word, parent] of CLASS_PARENTS) if (pod.has(word)) return parent;
  const asks = ["shares", "quota", "period"].some((key) => first.has(key));
  const word = first.has("cpus") ? "guaranteed" : asks ? "burstable" : "besteffort";
  return CLASS_PARENTS.get(word) ?? "";
}
