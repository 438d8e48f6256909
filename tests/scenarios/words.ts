/** The words of a script: which events there are, what may be said with each, and the sentence for what may not. */

/** One event line, taken apart: `run db cpus=4 movable=false`. */
export interface ScriptEvent {
  readonly verb: Verb;
  /** What it is about: a container, a pod, a list of CPUs, milliseconds, a configuration line; or nothing. */
  readonly subject: string;
  /** By its key; a bare word has the empty value, and an empty value is a bare word. */
  readonly words: ReadonlyMap<string, string>;
}

export type Verb = keyof typeof VERBS;

const FIGURES = ["cpus", "shares", "quota", "period", "memory", "cpuset", "mems"];
const CLASSES = ["guaranteed", "burstable", "besteffort"];
const POD = [...CLASSES, "parent", "namespace", "uid", "pod-limit", "handler"];
const ANNOTATED = ["cores-ids", "forbid", "placement", "movable", "unmanaged"];
const CREATION = [...FIGURES, "huge", ...POD, ...ANNOTATED];

/** Each with what its subject is and the words that may follow. `/` among these: annotations by their full keys. */
export const VERBS = {
  "run": { subject: "container", words: [...CREATION, "/"] },
  "create": { subject: "container", words: [...CREATION, "/"] },
  "found": { subject: "container", words: [...CREATION, "/", "age", "uses", "starting", "stopped"] },
  "start": { subject: "container", words: [] },
  "post-start": { subject: "container", words: [] },
  "stop": { subject: "container", words: [] },
  "remove": { subject: "container", words: [] },
  "end": { subject: "container", words: [] },
  "fail": { subject: "container", words: [] },
  "dies": { subject: "container", words: [] },
  "cgroup": { subject: "container", words: ["populated", "empty", "absent"] },
  "update": { subject: "container", words: FIGURES },
  "threads": { subject: "container", words: ["pinned"] },
  "stop-sandbox": { subject: "pod", words: [] },
  "update-pod": { subject: "pod", words: ["pod-limit"] },
  "connect": { subject: "", words: [] },
  "disconnect": { subject: "", words: [] },
  "kill-agent": { subject: "", words: [] },
  "restart-agent": { subject: "", words: [] },
  "restart-runtime": { subject: "", words: [] },
  "register": { subject: "", words: [] },
  "synchronize": { subject: "", words: ["parts"] },
  "listed": { subject: "", words: [] },
  "counted": { subject: "", words: [] },
  "scanned": { subject: "CPU list", words: [] },
  "promoted": { subject: "", words: [] },
  "tick": { subject: "number of milliseconds", words: [] },
  "offline": { subject: "CPU list", words: ["struck"] },
  "online": { subject: "CPU list", words: [] },
  "configure": { subject: "key: value", words: [] },
} as const satisfies Record<string, { subject: string; words: readonly string[] }>;

/** A line that can't be understood: one clause that says what is wrong and what would be right. */
export class WordError extends Error {}

/** What an event line says. Throws a {@link WordError} where it says nothing that a script can say. */
export function parseEvent(line: string): ScriptEvent {
  const [first = "", ...rest] = tokens(line);
  if (!isVerb(first)) {
    throw new WordError(`there is no event "${first}"; it is one of ${list(Object.keys(VERBS))}`);
  }
  const { subject: what, words: allowed } = VERBS[first];
  if (what === "key: value") {
    return { verb: first, subject: line.slice(first.length).trim(), words: new Map() };
  }
  const subject = what === "" ? "" : rest.shift() ?? "";
  if (what !== "" && subject === "") throw new WordError(`"${first}" needs a ${what} after it`);
  return { verb: first, subject, words: parseWords(rest, allowed, first) };
}

/** An event as a line of a script; {@link parseEvent} gives it back. */
export function eventText({ verb, subject, words }: ScriptEvent): string {
  const said = [...words].map(([key, value]) =>
    value === "" ? key : `${key}=${/\s/.test(value) ? `"${value}"` : value}`
  );
  return [verb, ...(subject === "" ? [] : [subject]), ...said].join(" ");
}

/** `key=value` and bare words, each once and each one of `allowed`. */
export function parseWords(
  given: readonly string[],
  allowed: readonly string[],
  head: string,
): ReadonlyMap<string, string> {
  const words = new Map<string, string>();
  for (const token of given) {
    const [, key = token, value = ""] = /^([^=]+)=(.*)$/s.exec(token) ?? [];
    const known = allowed.includes(key) || (key.includes("/") && allowed.includes("/"));
    if (!known) throw new WordError(`"${head}" doesn't know the word "${key}"; ${choice(allowed)}`);
    if (words.has(key)) throw new WordError(`"${key}" is there twice`);
    words.set(key, value.replaceAll('"', ""));
  }
  return words;
}

/** Split at spaces, those within double quotes excepted. */
export function tokens(line: string): string[] {
  const found = line.match(/(?:[^\s"]|"[^"]*")+/g) ?? [];
  if ((line.match(/"/g)?.length ?? 0) % 2 === 1) throw new WordError("a quote is opened and not closed");
  return found;
}

function isVerb(word: string): word is Verb {
  return Object.hasOwn(VERBS, word);
}

function choice(allowed: readonly string[]): string {
  const named = allowed.map((word) => word === "/" ? "an annotation's full key" : word);
  return named.length === 0 ? "it takes none" : `it may be ${list(named)}`;
}

function list(words: readonly string[]): string {
  return words.length < 2 ? words.join() : `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;
}
