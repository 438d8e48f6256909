/**
 * A scenario as plain text, in the manner of datadriven tests:
 *
 *     # The one sentence that it proves.
 *     machine cores=4 threads=2
 *     configure systemReserved: 0
 *
 *     run db cpus=2
 *     ----
 *     db gets 1,5
 *     claimed: db 1,5
 *     pool: 0,2-4,6-7
 *
 * The head, up to the first empty line: comments, `machine`, and where wanted `configure` (any number), `standby`,
 * `cgroups`, `draw` with a caption. Then blocks: events, one a line; `----`; what came of them, up to an empty line. README.md says it in full.
 */
import { AssertionError } from "node:assert/strict";
import type { MachineSpec } from "../kit/sysfs.ts";
import { parseEvent, parseWords, type ScriptEvent, tokens, WordError } from "./words.ts";

export interface Block {
  readonly events: readonly { readonly line: number; readonly event: ScriptEvent }[];
  /** The lines of what should come of them. */
  readonly expected: readonly string[];
  /** The number of the `----` line. */
  readonly at: number;
}

export interface Script {
  readonly sentence: string;
  readonly machine: MachineSpec;
  /** `key: value` lines of the configuration with which the agent starts. */
  readonly configuration: readonly string[];
  /** The agent reads and writes cgroups (v2) itself. */
  readonly cgroups: boolean;
  /** Another agent decides until `promoted`. */
  readonly standby: boolean;
  /** What docs/placement.md says above the drawing of the end; absent: not drawn. */
  readonly caption?: string;
  readonly blocks: readonly Block[];
}

/** A script that can't be read: `FILE:LINE: what is wrong`. */
export class ScriptError extends Error {
  constructor(file: string, line: number, why: string) {
    super(`${file}:${line}: ${why}`);
  }
}

const DIVIDER = "----";
const MACHINE_WORDS = [
  "sockets",
  "nodes",
  "cores",
  "threads",
  "cache",
  "adjacent",
  "node-ids",
  "memory-less",
  "cpuless",
  "huge",
  "offline",
  "isolated",
];

/** What `text` says; `file` is only for the sentence of a {@link ScriptError}. */
export function parseScript(text: string, file: string): Script {
  const lines = text.split("\n");
  const end = lines.findIndex((line) => line.trim() === "");
  const head = readHead(end < 0 ? lines : lines.slice(0, end), file);
  const blocks = readBlocks(lines, end < 0 ? lines.length : end, file);
  if (blocks.length === 0) throw new ScriptError(file, lines.length, "no event is there");
  return { ...head, blocks };
}

/** The text with what came of each block in place of what was expected of it. */
export function withResults(text: string, script: Script, results: readonly (readonly string[])[]): string {
  const lines = text.split("\n");
  for (const [index, { at, expected }] of [...script.blocks.entries()].reverse()) {
    lines.splice(at, expected.length, ...results[index] ?? []);
  }
  return lines.join("\n");
}

type Head = Omit<Script, "blocks">;

function readHead(lines: readonly string[], file: string): Head {
  const [first = ""] = lines;
  if (!first.startsWith("# ")) {
    throw new ScriptError(
      file,
      1,
      "the first line is the sentence that the script proves, after a # and a space",
    );
  }
  const head = {
    sentence: first.slice(2).trim(),
    configuration: [] as string[],
    standby: false,
    cgroups: false,
  };
  let machine: MachineSpec | undefined;
  let caption: string | undefined;
  for (const [index, line] of lines.entries()) {
    const [, word = "", rest = ""] = /^(\S+)\s*(.*)$/.exec(line) ?? [];
    if (word.startsWith("#")) continue;
    if (word === "machine") machine = at(file, index + 1, () => readMachine(rest));
    else if (word === "configure") head.configuration.push(rest);
    else if (word === "standby") head.standby = true;
    else if (word === "cgroups") head.cgroups = true;
    else if (word === "draw") caption = rest;
    else throw new ScriptError(file, index + 1, `"${word}" is no word of the head, which an empty line ends`);
  }
  if (machine === undefined) {
    throw new ScriptError(file, lines.length, "the head names no machine, as in machine cores=4 threads=2");
  }
  return { ...head, machine, ...(caption === undefined ? {} : { caption }) };
}

function readMachine(text: string): MachineSpec {
  const words = parseWords(tokens(text), MACHINE_WORDS, "machine");
  const count = (key: string, otherwise: number) =>
    words.has(key) ? wholeNumber(key, words.get(key)) : otherwise;
  const list = (key: string) => words.get(key)?.split(",").map((item) => wholeNumber(key, item));
  const [nodeIds, memoryLess, cpuless] = [list("node-ids"), list("memory-less"), list("cpuless")];
  const huge = words.get("huge")?.split(",").map((item) => {
    const [node, size = "", mib] = item.split(":");
    return {
      node: wholeNumber("huge", node),
      pageKiB: pageKiB(size),
      freeKiB: wholeNumber("huge", mib) * 1024,
    };
  });
  const [offline, isolated] = [words.get("offline"), words.get("isolated")];
  return {
    sockets: count("sockets", 1),
    nodesPerSocket: count("nodes", 1),
    coresPerNode: count("cores", 1),
    threads: count("threads", 1),
    ...(words.has("cache") ? { coresPerCache: count("cache", 0) } : {}),
    ...(words.has("adjacent") ? { siblings: "adjacent" } : {}),
    ...(nodeIds === undefined ? {} : { nodeIds }),
    ...(memoryLess === undefined ? {} : { memoryLess }),
    ...(cpuless === undefined ? {} : { cpuless }),
    ...(huge === undefined ? {} : { hugePages: huge }),
    ...(offline === undefined ? {} : { offline }),
    ...(isolated === undefined ? {} : { isolated }),
  };
}

/** `2MB` or `1GB`, as the kernel has them. */
function pageKiB(size: string): number {
  const known = new Map([["2MB", 2048], ["1GB", 1024 * 1024]]).get(size);
  if (known === undefined) throw new WordError(`"huge" is NODE:SIZE:MIB, SIZE 2MB or 1GB, not "${size}"`);
  return known;
}

/** The number that `text` says. */
export function wholeNumber(key: string, text: string | undefined): number {
  if (!/^\d{1,9}$/.test(text ?? "")) {
    throw new WordError(`"${key}" needs a whole number, not "${text ?? ""}"`);
  }
  return Number(text);
}

function readBlocks(lines: readonly string[], from: number, file: string): Block[] {
  const blocks: Block[] = [];
  for (let index = from; index < lines.length;) {
    const events: { line: number; event: ScriptEvent }[] = [];
    for (; index < lines.length && lines[index] !== DIVIDER; index++) {
      const line = lines[index]?.trim() ?? "";
      if (line === "" || line.startsWith("#")) continue;
      events.push({ line: index + 1, event: at(file, index + 1, () => parseEvent(line)) });
    }
    const [first] = events;
    if (index === lines.length && first === undefined) break;
    if (first === undefined) {
      throw new ScriptError(file, index + 1, `no event is there before the ${DIVIDER}`);
    }
    if (index === lines.length) {
      throw new ScriptError(file, first.line, `no ${DIVIDER} comes after this event`);
    }
    const empty = lines.findIndex((line, i) => i > index && line.trim() === "");
    const end = empty < 0 ? lines.length : empty;
    blocks.push({ events, expected: lines.slice(index + 1, end), at: index + 1 });
    index = end;
  }
  return blocks;
}

/** What `read` gives; what can't be understood, and what must never be, is said with file and line. */
export function at<T>(file: string, line: number, read: () => T): T {
  try {
    return read();
  } catch (error) {
    const readable = error instanceof WordError || error instanceof AssertionError;
    throw readable ? new ScriptError(file, line, error.message) : error;
  }
}
