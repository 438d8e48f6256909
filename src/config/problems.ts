/** The problems of a layer of the configuration, as sentences. */
import type * as z from "zod/mini";
import { KEYS, valueAt } from "./keys.ts";
import { nearMiss } from "../near_miss.ts";
import { quoted } from "../quoted.ts";

/** The kind of source that a value comes from. */
export type Source = "default" | "file" | "runtime" | "environment" | "flag";

/** One error in a layer, because of which the whole layer is ignored. */
export interface Problem {
  readonly source: Source;
  /** The path of the file, or the name of the flag or of the variable. */
  readonly where: string;
  /** The key, such as `log.maxSizeMiB`; empty for an error of the whole layer. */
  readonly path: string;
  /** One sentence with file and key: what is accepted and what was found. */
  readonly sentence: string;
}

/** A source as its users know it. */
export interface Place {
  readonly source: Source;
  /** The file; absent where each key has a name of its own (a flag, a variable). */
  readonly file?: string;
  /** The name of the key at `path` in this source: `log.level`, `--log-level`, `WEKA_CPUSET_LOG_LEVEL`. */
  nameOf(path: string): string;
}

/** Reported of one layer. */
const MAX_PROBLEMS = 20;

type Issue = z.core.$ZodIssue;

/** One problem for each key that the schema rejected; `tree` is the schema's input. */
export function problemsOf(issues: readonly Issue[], tree: unknown, place: Place): Problem[] {
  const found = new Map<string, Problem>();
  for (const issue of issues) {
    const steps = issue.path.filter((step) => typeof step === "string");
    // A list may have thousands of invalid items: its sentence is made once.
    for (const path of pathsOf(issue, steps).filter((path) => !found.has(path))) {
      if (found.size === MAX_PROBLEMS) break;
      found.set(path, problem(place, path, explain(issue, path, tree, place)));
    }
  }
  return [...found.values()];
}

function pathsOf(issue: Issue, steps: readonly string[]): string[] {
  return issue.code === "unrecognized_keys"
    ? issue.keys.map((key) => [...steps, key].join("."))
    : [steps.join(".")];
}

function explain(issue: Issue, path: string, tree: unknown, place: Place): string {
  if (issue.code === "unrecognized_keys") {
    return `${shownKey(path)} is not a key of the configuration; ${advice(path)}`;
  }
  const because = issue.code === "custom" ? `: ${issue.params?.["because"]}` : "";
  return `${place.nameOf(path)} ${issue.message}, but it is ${shown(valueAt(tree, path))}${because}`;
}

/** The problem of one key or, with an empty path, of the whole source; `what` is the sentence without the file. */
export function problem(place: Place, path: string, what: string): Problem {
  const { source, file } = place;
  const sentence = file === undefined ? what : `${file}: ${what}`;
  return { source, where: file ?? place.nameOf(path), path, sentence };
}

/** The probable correction of an unknown key, or the known keys. */
function advice(path: string): string {
  const keys = KEYS.map((key) => key.path);
  const sections = new Set(keys.filter((key) => key.includes(".")).map((key) => key.replace(/\..*/, "")));
  if (keys.includes(path)) return `write ${path.replace(".", ": and, indented below it, ")}:`;
  const meant = nearMiss(path, [...keys, ...sections]) ?? keys.find((key) => key.endsWith(`.${path}`));
  if (meant !== undefined) return `did you mean ${meant}?`;
  const above = path.slice(0, path.lastIndexOf(".") + 1);
  const beside = keys.filter((key) => key.startsWith(above));
  return `there are ${(beside.length > 0 ? beside : keys).join(", ")}`;
}

/** Unquoted where it looks like a key or a variable. */
export function shownKey(path: string): string {
  return /^[\w.-]{1,60}$/.test(path) ? path : quoted(path);
}

function shown(value: unknown): string {
  if (typeof value === "string") return quoted(value);
  if (!Array.isArray(value)) return "a mapping";
  return value.every((item) => typeof item === "string") ? quoted(value.join(",")) : "a list of other things";
}
