/** Pods drawn at random, in the proportions that make claims meet. */
import { CpuSet } from "../../src/cpu/cpu_set.ts";
import type { ContainerSpec, PodSpec } from "./pods.ts";
import { figures } from "./pods.ts";
import type { Random } from "../random.ts";

const SHAPES = { exclusive: 8, pinned: 5, shared: 6, mixed: 2, guaranteed: 1, odd: 1, level: 3 };
const BAD_LISTS = ["", "0-", "5-2", "a,b", "0,,2", "999", "0-1,x"];
const NAMES = ["a", "b", "c"] as const;

/** `cpus`: the machine's. */
export function drawPod(random: Random, cpus: CpuSet): PodSpec {
  const spec = drawSpec(random, cpus);
  return random.chance(0.15) ? { ...spec, handler: random.oneOf("gvisor", "unknown") } : spec;
}

function drawSpec(random: Random, cpus: CpuSet): PodSpec {
  const shape = random.weighted(SHAPES);
  if (shape === "level") return drawPodLevel(random, cpus.size);
  const namespace = random.oneOf("ns", "ns", "ns", "kube-system", "unmanaged");
  const annotations: Record<string, string> = {};
  if (shape !== "pinned" && random.chance(0.25)) {
    annotations["weka.io/forbid-core-ids"] = drawList(random, cpus, Math.ceil(cpus.size / 2));
  }
  if (random.chance(0.15)) annotations["weka.io/movable"] = random.oneOf("false", "false", "true", "no");
  if (random.chance(0.1)) {
    annotations["weka.io/placement"] = random.oneOf("packed", "spread", "full-cores", "single-thread", "any");
  }
  if (shape === "pinned") annotations["weka.io/cores-ids"] = drawList(random, cpus, 3);
  const containers = random.some(NAMES, random.chance(0.7) ? 1 : random.between(2, 3)).map((name) => ({
    name,
    resources: drawFigures(random, shape, cpus.size),
  }));
  return { namespace, annotations, ...qosOf(random, shape, containers) };
}

/** With resources of the pod's own: kubelet gives its figures to each container without any. */
function drawPodLevel(random: Random, cpus: number): PodSpec {
  const limit = random.between(1, Math.max(2, Math.ceil(cpus / 3)));
  const containers = random.some(NAMES, random.between(1, 3)).map((name) => {
    const millis = random.weighted({ pod: 3, whole: 3, part: 1 });
    const own = { pod: limit * 1000, whole: 1000 * random.between(1, limit), part: 500 };
    return { name, resources: figures(own[millis], true) };
  });
  const annotations = random.chance(0.1)
    ? { "weka.io/placement": random.oneOf("spread", "full-cores", "single-thread") }
    : {};
  return { namespace: "ns", annotations, qos: "guaranteed", containers, limit };
}

function qosOf(
  random: Random,
  shape: keyof typeof SHAPES,
  containers: readonly ContainerSpec[],
): Pick<PodSpec, "qos" | "containers"> {
  if (shape === "shared") {
    return { qos: random.oneOf("burstable", "besteffort"), containers };
  }
  return {
    qos: shape === "odd" || shape === "pinned" ? random.oneOf("burstable", "guaranteed") : "guaranteed",
    containers,
  };
}

function drawFigures(random: Random, shape: keyof typeof SHAPES, cpus: number): ContainerSpec["resources"] {
  const whole = 1000 * random.between(1, Math.max(1, random.chance(0.1) ? cpus : Math.ceil(cpus / 4)));
  switch (shape) {
    case "exclusive":
      return figures(whole, true);
    case "mixed":
      return figures(random.chance(0.5) ? whole : 500, true);
    case "guaranteed":
      return figures(1500, true);
    case "odd":
      return { ...figures(whole, true), shares: 512 };
    default:
      return random.chance(0.5) ? { shares: 2, period: 100_000 } : figures(random.between(1, 4) * 250, false);
  }
}

/** A list of at most `most` CPUs; now and then one that is none, or names what isn't there. */
function drawList(random: Random, cpus: CpuSet, most: number): string {
  if (random.chance(0.08)) return random.pick(BAD_LISTS) ?? "";
  if (random.chance(0.03)) return cpus.toString();
  const ids = random.chance(0.5)
    ? random.some(cpus.toArray(), random.between(1, most))
    : neighbours(cpus.toArray(), random.below(cpus.size), random.between(1, most));
  const text = CpuSet.from(ids).toString();
  return random.chance(0.1) ? ` ${text.replaceAll(",", " , ")} ` : text;
}

function neighbours(cpus: readonly number[], from: number, count: number): number[] {
  return cpus.slice(from, from + count);
}
