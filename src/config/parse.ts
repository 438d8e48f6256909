/**
 * YAML text → tree of texts. Only the plain part of YAML is taken: mappings, lists, and scalars as the texts they were
 * written as. Anchors, aliases, tags and further documents have no use in a configuration of some ten keys.
 *
 * The parser takes longer to load (some 8 ms) than all the rest of the configuration, and is only needed where there
 * is a text: import this file dynamically. It must not import the schema, which would then be loaded so as well.
 */
import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type ParsedNode,
  parseDocument,
  type YAMLMap,
  type YAMLParseError,
} from "yaml";
import type { Given, Mapping } from "./layers.ts";
import { escaped, quoted } from "../quoted.ts";

/**
 * The longest text that is read, in characters; a file may have as many bytes. Some ten times what anybody writes.
 * The parser takes time squared for some nonsense, and the runtime waits only 2 s for a plugin's answer.
 */
export const MAX_TEXT = 32 * 1024;
/** Of the parser's own words, which may quote a whole text. */
const MAX_COMPLAINT = 200;
/** More levels than any key has. */
const MAX_DEPTH = 8;

/** What a text says, or one clause that says why it can't be taken. */
export type Parsed = { readonly tree: Mapping } | { readonly why: string };

export function parseYaml(text: string): Parsed {
  try {
    return { tree: read(text) };
  } catch (error) {
    if (error instanceof Unusable) return { why: error.message };
    // The end of the stack, where the parser doesn't report it as an error of the text.
    if (error instanceof RangeError) return { why: `the text ${TOO_DEEP}` };
    throw error;
  }
}

/** Why a text isn't the YAML of a configuration. */
class Unusable extends Error {}

function read(text: string): Mapping {
  if (text.length > MAX_TEXT) {
    throw new Unusable(`a configuration has ${MAX_TEXT} characters at most, but this one has ${text.length}`);
  }
  const lineCounter = new LineCounter();
  const document = parseDocument(text, {
    schema: "failsafe",
    lineCounter,
    // Doubled keys are found below; the parser's own search, and its errors with excerpts, take time squared.
    uniqueKeys: false,
    prettyErrors: false,
  });
  const lineOf: LineOf = (offset) => `line ${lineCounter.linePos(offset).line}`;
  const [error] = document.errors;
  if (error !== undefined) throw new Unusable(explain(error, lineOf(error.pos[0])));
  const { contents } = document;
  if (contents === null || isNothing(contents)) return {};
  if (!isMap(contents)) {
    throw new Unusable("a configuration is a mapping of keys to values, as in key: value");
  }
  refuseOddities(contents, lineOf, 0);
  return mappingOf(contents, lineOf, 0);
}

type LineOf = (offset: number) => string;

const TOO_DEEP = "is nested too deeply; no key has so many levels";

function explain({ code, message }: YAMLParseError, line: string): string {
  if (code === "MULTIPLE_DOCS") return `${line} begins a second document; a configuration is one`;
  // What people write who mean all namespaces.
  if (code === "BAD_ALIAS") return `${line} has a bare * or &; write it in quotes, as in "*"`;
  // The parser calls itself for each level, and reports the end of the stack as an error of the text.
  return /call stack/.test(message)
    ? `${line} ${TOO_DEEP}`
    : `${line} is not valid YAML: ${escaped(message.slice(0, MAX_COMPLAINT))}`;
}

/** A node as texts, lists and mappings. */
function valueOf(node: ParsedNode | null, lineOf: LineOf, depth: number): Given {
  if (node === null) return "";
  refuseOddities(node, lineOf, depth);
  if (isScalar(node)) return String(node.value);
  if (isMap(node)) return mappingOf(node, lineOf, depth);
  return isSeq(node) ? node.items.map((item) => valueOf(item, lineOf, depth + 1)) : "";
}

function refuseOddities(node: ParsedNode, lineOf: LineOf, depth: number): void {
  const line = lineOf(node.range[0]);
  if (depth > MAX_DEPTH) throw new Unusable(`${line} ${TOO_DEEP}`);
  if (isAlias(node) || node.anchor !== undefined) {
    throw new Unusable(`${line} has an anchor (&) or an alias (*); write the value out`);
  }
  if (node.tag !== undefined) throw new Unusable(`${line} has a tag (!); write the plain value`);
}

/** Keys without a value (`log:` with all that belongs to it commented out) count as not given. */
function mappingOf(node: YAMLMap.Parsed, lineOf: LineOf, depth: number): Mapping {
  const given = new Map<string, Given>();
  const seen = new Set<string>();
  for (const { key, value } of node.items) {
    const name = valueOf(key, lineOf, depth + 1);
    const line = lineOf(key.range[0]);
    if (typeof name !== "string") throw new Unusable(`${line} has a list or a mapping as a key`);
    if (seen.has(name)) throw new Unusable(`${line} has the key ${quoted(name)} for the second time`);
    seen.add(name);
    if (!isNothing(value)) given.set(name, valueOf(value, lineOf, depth + 1));
  }
  return Object.fromEntries(given);
}

/** No value at all, or YAML's words for it. */
function isNothing(node: ParsedNode | null): boolean {
  if (node === null) return true;
  const bare = isScalar(node) && node.type === "PLAIN" && node.anchor === undefined && node.tag === undefined;
  return bare && ["", "~", "null"].includes(String(node.value));
}
