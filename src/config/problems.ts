/** What is wrong with a layer of the configuration, as sentences. */
import type * as z from "zod/mini";
import { KEYS, valueAt } from "./keys.ts";
import { nearMiss } from "./near_miss.ts";
import { quoted } from "../quoted.ts";

/** Where a value comes from. */
export type Source = "default" | "file" | "runtime" | "environment" | "flag";

/** Why a layer can't be used. */
export interface Problem {
  readonly source: Source;
  /** The path of the file, or the name of the flag or of the variable. */
  readonly where: string;
  /** The key, e.g. `log.maxSizeMiB`; empty when it is about the whole layer. */
  readonly path: string;
  /** The whole sentence, with place and key: what is wrong and what would be right. */
  readonly sentence: string;
}

/** A source as people know it. */
export interface Place {
  readonly source: Source;
  /** The file; absent where every value has a place of its own (a flag, a variable). */
  readonly file?: string;
  /** What the key at `path` is called there: `log.level`, `--log-level`, `WEKA_CPUSET_LOG_LEVEL`. */
  nameOf(path: string): string;
}

/** More problems than this of one layer are not told. */
const MAX_PROBLEMS = 20;

type Issue = z.core.$ZodIssue;

/** One sentence for each key that the schema didn't take; `tree` is what it was given. */
export function problemsOf(issues: readonly Issue[], tree: unknown, place: Place): Problem[] {
  const found = new Map<string, Problem>();
  for (const issue of issues) {
    const steps = issue.path.filter((step) => typeof step === "string");
    // A list may have thousands of bad items: its sentence is made once.
    for (const path of pathsOf(issue, steps).filter((path) => !found.has(path))) {
      if (found.size === MAX_PROBLEMS) break;
      found.set(path, problem(place, path, complaint(issue, path, tree, place)));
    }
  }
  return [...found.values()];
}

function pathsOf(issue: Issue, steps: readonly string[]): string[] {
  return issue.code === "unrecognized_keys"
    ? issue.keys.map((key) => [...steps, key].join("."))
    : [steps.join(".")];
}

function complaint(issue: Issue, path: string, tree: unknown, place: Place): string {
  if (issue.code === "unrecognized_keys") {
    return `${shownKey(path)} is not a key of the configuration; ${advice(path)}`;
  }
  const because = issue.code === "custom" ? `: ${issue.params?.["because"]}` : "";
  return `${place.nameOf(path)} ${issue.message}, but it is ${shown(valueAt(tree, path))}${because}`;
}

/** The problem of one key, or with an empty path of the whole place; `what` is the sentence without the file. */
export function problem(place: Place, path: string, what: string): Problem {
  const { source, file } = place;
  const sentence = file === undefined ? what : `${file}: ${what}`;
  return { source, where: file ?? place.nameOf(path), path, sentence };
}

/** What might have been meant by an unknown key, or what there is. */
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

/** Plain where it looks like a key or a variable. */
export function shownKey(path: string): string {
  return /^[\w.-]{1,60}$/.test(path) ? path : quoted(path);
}

function shown(value: unknown): string {
  if (typeof value === "string") return quoted(value);
  if (!Array.isArray(value)) return "a mapping";
  return value.every((item) => typeof item === "string") ? quoted(value.join(",")) : "a list of other things";
}
