/** What a container asks of the CPU, in the figures that kubelet hands over. */
import { create } from "@bufbuild/protobuf";
import { type LinuxResources, LinuxResourcesSchema } from "../../src/nri/gen/nri_pb.ts";
import { type ScriptEvent, WordError } from "./words.ts";

export type Words = ScriptEvent["words"];

/** CPU figures as kubelet hands them over; an absent one is absent on the wire too. */
export interface Figures {
  readonly shares?: bigint;
  readonly quota?: bigint;
  readonly period?: bigint;
  readonly memory?: bigint;
}

/** Of the request, without what names CPUs. */
export const FIGURES = ["cpus", "shares", "quota", "period", "memory"];
/** Kubelet's cap on shares. */
const MAX_SHARES = 262144;
const PERIOD = 100_000;

/** What `words` ask of the CPU, as an update or a creation carries it. */
export function requestOf(words: Words): LinuxResources {
  const base = words.has("cpus") ? ofCpus(words.get("cpus") ?? "") : {};
  return create(LinuxResourcesSchema, resourcesOf(given(base, words), words));
}

/** Without a word about CPUs: what kubelet sends for a container that asks for none. */
export function figuresOf(words: Words): Figures {
  const any = ["shares", "quota", "period"].some((key) => words.has(key));
  const nothing = { shares: 2n, quota: 0n, period: BigInt(PERIOD) };
  return given(words.has("cpus") ? ofCpus(words.get("cpus") ?? "") : any ? {} : nothing, words);
}

/** `base` with each figure that is given by itself in place of its own; `none` takes one away. */
function given(base: Figures, words: Words): Figures {
  const figures: Record<string, bigint> = { ...base };
  for (const key of ["shares", "quota", "period", "memory"]) {
    const text = words.get(key);
    if (text === undefined) continue;
    if (!/^(none|-?\d{1,18})$/.test(text)) {
      throw new WordError(`"${key}" needs a whole number or none, not "${text}"`);
    }
    if (text === "none") delete figures[key];
    else figures[key] = BigInt(text);
  }
  return figures;
}

/** As kubelet computes them of a request and limit of so many CPUs: `4`, `0.5`. */
function ofCpus(text: string): Figures {
  if (!/^\d{1,5}(\.\d{1,3})?$/.test(text)) {
    throw new WordError(`a number of CPUs is expected, as 4 or 0.5, not "${text}"`);
  }
  const cpus = Number(text);
  return {
    shares: BigInt(Math.min(Math.floor(cpus * 1024), MAX_SHARES)),
    quota: BigInt(Math.round(cpus * PERIOD)),
    period: BigInt(PERIOD),
  };
}

/** `2MB:512`: so many MiB in pages of that size; kubelet sends the other size too. */
function hugePagesOf(text: string): { pageSize: string; limit: bigint }[] {
  if (text === "") return [];
  const [size, mib = ""] = text.split(":");
  if (!/^\d{1,9}$/.test(mib)) {
    throw new WordError(`"huge" needs a size and MiB, as in 2MB:512, not "${text}"`);
  }
  return ["2MB", "1GB"].map((pageSize) => ({
    pageSize,
    limit: pageSize === size ? BigInt(mib) * 1024n * 1024n : 0n,
  }));
}

/** The figures as the wire has them, and the sets that `words` name. */
export function resourcesOf({ shares, quota, period, memory }: Figures, words: Words) {
  return {
    ...(memory === undefined ? {} : { memory: { limit: { value: memory } } }),
    cpu: {
      ...(shares === undefined ? {} : { shares: { value: shares } }),
      ...(quota === undefined ? {} : { quota: { value: quota } }),
      ...(period === undefined ? {} : { period: { value: period } }),
      cpus: words.get("cpuset") ?? "",
      mems: words.get("mems") ?? "",
    },
    hugepageLimits: hugePagesOf(words.get("huge") ?? ""),
  };
}
