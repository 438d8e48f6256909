/**
 * The annotations, and how one is found for one container. They are read from the pod. A pod may say something of
 * one container alone, in a key of the form that NRI plugins have made usual (`cores-ids.weka.io/container.app`):
 * Kubernetes takes only one slash in a key. Without Kubernetes in between, `weka.io/cores-ids/container.app` says
 * the same.
 */
import { CpuSet } from "../cpu/cpu_set.ts";
import { type Placement, PLACEMENTS } from "../cpu/placement.ts";
import { quoted as quotedText } from "../quoted.ts";
import type { PodSandbox } from "./gen/nri_pb.ts";

export const CORES_IDS = "weka.io/cores-ids";
export const FORBID_CORE_IDS = "weka.io/forbid-core-ids";
export const PLACEMENT = "weka.io/placement";
export const MOVABLE = "weka.io/movable";
export const CPUSET = "weka.io/cpuset";
export const ISOLATION = "weka.io/isolation";

export const ANNOTATIONS = [CORES_IDS, FORBID_CORE_IDS, PLACEMENT, MOVABLE, CPUSET, ISOLATION] as const;
export type Annotation = (typeof ANNOTATIONS)[number];

/** An annotation as the pod has it. */
export interface AnnotationValue {
  readonly key: string;
  readonly text: string;
  /** Its key names the container; it takes precedence over the value for the whole pod. */
  readonly own: boolean;
}

/** The values that `pod` has by this annotation for the container called `name`; the first takes precedence. */
export function valuesOf(
  { annotations }: PodSandbox,
  annotation: Annotation,
  name: string,
): readonly AnnotationValue[] {
  return [...containerKeys(annotation, name), annotation].flatMap((key) => {
    const text = annotations[key];
    return text === undefined ? [] : [{ key, text, own: key !== annotation }];
  });
}

/** `weka.io/movable` → `movable.weka.io/container.NAME`, and the form for users of the CRI itself. */
export function containerKeys(annotation: Annotation, name: string): readonly [string, string] {
  const [domain = "", word = ""] = annotation.split("/");
  return [`${word}.${domain}/container.${name}`, `${annotation}/container.${name}`];
}

/** A text that isn't what its annotation takes: what is wrong with it, as in `must be …, not …`. */
export class InvalidValue {
  constructor(readonly why: string) {}
}

/** The value in force, and a sentence for each one that is ignored. */
export interface ReadValue<T> {
  readonly value: T | undefined;
  /** Where the value comes from. */
  readonly from: AnnotationValue | undefined;
  readonly warnings: readonly string[];
}

/** The first value that `parse` accepts; an invalid one counts as if it weren't there. */
export function firstValid<T>(
  all: readonly AnnotationValue[],
  parse: (text: string) => T | InvalidValue,
): ReadValue<T> {
  const warnings: string[] = [];
  for (const from of all) {
    const value = parse(from.text);
    if (!(value instanceof InvalidValue)) return { value, from, warnings };
    warnings.push(`${from.key} is ignored, it ${value.why}`);
  }
  return { value: undefined, from: undefined, warnings };
}

export function cpuList(text: string): CpuSet | InvalidValue {
  const cpus = CpuSet.parse(text);
  return cpus instanceof CpuSet ? cpus : new InvalidValue(`is not a CPU list: ${cpus.problem}`);
}

export function placement(text: string): Placement | InvalidValue {
  return PLACEMENTS.find((name) => name === text.trim()) ??
    new InvalidValue(`must be packed, spread, full-cores or single-thread, not ${quoted(text)}`);
}

export function movable(text: string): boolean | InvalidValue {
  const word = text.trim();
  return word === "true" || word === "false"
    ? word === "true"
    : new InvalidValue(`must be "true" or "false", not ${quoted(text)}`);
}

export function unmanaged(text: string): true | InvalidValue {
  return text.trim() === "unmanaged" || new InvalidValue(`must be "unmanaged", not ${quoted(text)}`);
}

export function isolation(text: string): "partition" | InvalidValue {
  const word = text.trim();
  return word === "partition" ? word : new InvalidValue(`must be "partition", not ${quoted(text)}`);
}

/** How much of an offending text is quoted back. */
const MAX_QUOTED = 40;

function quoted(text: string): string {
  return quotedText(text, MAX_QUOTED);
}
