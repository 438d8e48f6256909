/**
 * YAML text → tree of texts. Only plain YAML is accepted: mappings, lists, and scalars as the texts they were written
 * as. Anchors, aliases, tags and further documents have no use in a configuration of some ten keys.
 *
 * The parser takes longer to load (some 8 ms) than the rest of the configuration, and is needed only where there is a
 * text: import this file dynamically. It must not import the schema, which would then be loaded dynamically too.
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
import type { Mapping, RawValue } from "./layers.ts";
import { escaped, quoted } from "../quoted.ts";

/**
 * The longest accepted text; a file may have as many bytes. Some ten times a usual one. The parser takes quadratic
 * time for some input, and the runtime waits only 2 s for a plugin's reply.
 */
export const MAX_TEXT_CHARACTERS = 32 * 1024;
/** Of the parser's messages, which may quote a whole text. */
const MAX_MESSAGE_CHARACTERS = 200;
/** More levels than any key has. */
const MAX_DEPTH = 8;

/** The tree of a text, or one clause on why there is none. */
type Parsed =
  | { readonly kind: "parsed"; readonly tree: Mapping }
  | { readonly kind: "invalid"; readonly reason: string };

/** Parses a text of at most {@link MAX_TEXT_CHARACTERS}. */
export function parseYaml(text: string): Parsed {
  try {
    return { kind: "parsed", tree: read(text) };
  } catch (error) {
    if (error instanceof InvalidText) return { kind: "invalid", reason: error.message };
    // A stack overflow that the parser doesn't report as an error of the text.
    if (error instanceof RangeError) return { kind: "invalid", reason: `the text ${TOO_DEEP}` };
    throw error;
  }
}

/** Why a text isn't the YAML of a configuration; always caught in this file. */
class InvalidText extends Error {}

function read(text: string): Mapping {
  if (text.length > MAX_TEXT_CHARACTERS) {
    throw new InvalidText(
      `a configuration has ${MAX_TEXT_CHARACTERS} characters at most, but this one has ${text.length}`,
    );
  }
  const lineCounter = new LineCounter();
  const document = parseDocument(text, {
    schema: "failsafe",
    lineCounter,
    // Duplicate keys are detected below; the parser's own detection, and its excerpts, take quadratic time.
    uniqueKeys: false,
    prettyErrors: false,
  });
  const lineOf: LineOf = (offset) => `line ${lineCounter.linePos(offset).line}`;
  const [error] = document.errors;
  if (error !== undefined) throw new InvalidText(explain(error, lineOf(error.pos[0])));
  const { contents } = document;
  if (contents === null || isEmpty(contents)) return {};
  if (!isMap(contents)) {
    throw new InvalidText("a configuration is a mapping of keys to values, as in key: value");
  }
  rejectUnsupported(contents, lineOf, 0);
  return mappingOf(contents, lineOf, 0);
}

type LineOf = (offset: number) => string;

const TOO_DEEP = "is nested too deeply; no key has so many levels";

function explain({ code, message }: YAMLParseError, line: string): string {
  if (code === "MULTIPLE_DOCS") return `${line} begins a second document; a configuration is one`;
  // Usually meant as "all namespaces".
  if (code === "BAD_ALIAS") return `${line} has a bare * or &; write it in quotes, as in "*"`;
  // The parser recurses, and reports a stack overflow as an error of the text.
  return /call stack/.test(message)
    ? `${line} ${TOO_DEEP}`
    : `${line} is not valid YAML: ${escaped(message.slice(0, MAX_MESSAGE_CHARACTERS))}`;
}

/** Converts a node to texts, lists and mappings. */
function valueOf(node: ParsedNode | null, lineOf: LineOf, depth: number): RawValue {
  if (node === null) return "";
  rejectUnsupported(node, lineOf, depth);
  if (isScalar(node)) return String(node.value);
  if (isMap(node)) return mappingOf(node, lineOf, depth);
  return isSeq(node) ? node.items.map((item) => valueOf(item, lineOf, depth + 1)) : "";
}

function rejectUnsupported(node: ParsedNode, lineOf: LineOf, depth: number): void {
  const line = lineOf(node.range[0]);
  if (depth > MAX_DEPTH) throw new InvalidText(`${line} ${TOO_DEEP}`);
  if (isAlias(node) || node.anchor !== undefined) {
    throw new InvalidText(`${line} has an anchor (&) or an alias (*); write the value out`);
  }
  if (node.tag !== undefined) throw new InvalidText(`${line} has a tag (!); write the plain value`);
}

/** Keys without a value (`log:` with all that belongs to it commented out) count as not given. */
function mappingOf(node: YAMLMap.Parsed, lineOf: LineOf, depth: number): Mapping {
  const given = new Map<string, RawValue>();
  const seen = new Set<string>();
  for (const { key, value } of node.items) {
    const name = valueOf(key, lineOf, depth + 1);
    const line = lineOf(key.range[0]);
    if (typeof name !== "string") throw new InvalidText(`${line} has a list or a mapping as a key`);
    if (seen.has(name)) throw new InvalidText(`${line} has the key ${quoted(name)} for the second time`);
    seen.add(name);
    if (!isEmpty(value)) given.set(name, valueOf(value, lineOf, depth + 1));
  }
  return Object.fromEntries(given);
}

/** No value, or one of YAML's forms of null. */
function isEmpty(node: ParsedNode | null): boolean {
  if (node === null) return true;
  const bare = isScalar(node) && node.type === "PLAIN" && node.anchor === undefined && node.tag === undefined;
  return bare && ["", "~", "null"].includes(String(node.value));
}
