/**
 * The kinds of changes. They are made by looking at tokens, not at a syntax tree: some make no valid program, or the
 * same one as before (in a type, say). Those are sorted out later, see `valid.ts`.
 */
import { closingOf, nesting, scan, type Token } from "./tokens.ts";

/** Other text in place of what is from `start` up to `end`. */
export interface Edit {
  /** What is done, in words of the language and none of the source: `< to <=`, `drop right of &&`. */
  readonly kind: string;
  readonly start: number;
  readonly end: number;
  readonly replacement: string;
}

type Tokens = readonly Token[];
type Editor = (source: string, list: Tokens, index: number) => Edit[];

/** Every change at every token. */
export function edits(source: string, list: Tokens): Edit[] {
  const editors: readonly Editor[] = [operators, operands, branches, conditions, numbers, calls, statements];
  return list.flatMap((_, index) => editors.flatMap((editor) => editor(source, list, index)));
}

const OPERATORS: Readonly<Record<string, readonly string[]>> = {
  "+": ["-"],
  "-": ["+"],
  "*": ["/"],
  "/": ["*"],
  "%": ["*"],
  "<": ["<=", ">="],
  ">": [">=", "<="],
  "<=": ["<", ">"],
  ">=": [">", "<"],
  "===": ["!=="],
  "!==": ["==="],
  "&&": ["||"],
  "||": ["&&"],
  "+=": ["-="],
  "-=": ["+="],
  "++": ["--"],
  "--": ["++"],
  "&": ["|"],
  "|": ["&"],
  "^": ["|"],
  "<<": [">>>"],
  ">>>": ["<<"],
  "??=": ["="],
  "!": [""],
};

function operators(source: string, list: Tokens, index: number): Edit[] {
  const token = list[index];
  if (token?.kind !== "punctuation" || !Object.hasOwn(OPERATORS, token.text)) return [];
  // Without a space before it, it is a bracket around types.
  if ((token.text === "<" || token.text === ">") && source.charAt(token.start - 1) !== " ") return [];
  return (OPERATORS[token.text] ?? []).map((other) =>
    replace(token, other, other === "" ? `drop ${token.text}` : `${token.text} to ${other}`)
  );
}

const OPERAND_ENDS = new Set(["&&", "||", "??", "?", ":", ",", ";", "=", "=>", "...", "return", "+=", "-="]);

/** `a && b` without one of the two; also for `||` and `??`. */
function operands(_: string, list: Tokens, index: number): Edit[] {
  const token = list[index];
  if (token === undefined || !["&&", "||", "??"].includes(token.text)) return [];
  const ends = ({ text }: Token) => OPERAND_ENDS.has(text);
  const first = list[scan(list, index - 1, -1, ends) + 1];
  const next = list[index + 1];
  const last = list[scan(list, index + 1, 1, ends) - 1];
  const before = list[index - 1];
  if (first === undefined || next === undefined || last === undefined || before === undefined) return [];
  return [
    { kind: `drop left of ${token.text}`, start: first.start, end: next.start, replacement: "" },
    { kind: `drop right of ${token.text}`, start: before.end, end: last.end, replacement: "" },
  ];
}

/** `c ? a : b` with the two swapped, and with the same in both places. */
function branches(source: string, list: Tokens, index: number): Edit[] {
  const next = list[index + 1];
  if (list[index]?.text !== "?" || next === undefined || [":", ",", ")"].includes(next.text)) return [];
  const colon = partingColon(list, index);
  const stop = scan(list, colon + 1, 1, ({ text }) => text === "," || text === ";");
  const [left, right, end] = [list[colon - 1], list[colon + 1], list[stop - 1]];
  if (list[colon]?.text !== ":" || left === undefined || right === undefined || end === undefined) return [];
  const [yes, no] = [source.slice(next.start, left.end), source.slice(right.start, end.end)];
  const both = (kind: string, a: string, b: string) => ({
    kind,
    start: next.start,
    end: end.end,
    replacement: `${a} : ${b}`,
  });
  return [
    both("swap branches", no, yes),
    both("first branch twice", yes, yes),
    both("second branch twice", no, no),
  ];
}

/** The `:` of the `?` at `index`. */
function partingColon(list: Tokens, index: number): number {
  let open = 0;
  return scan(list, index + 1, 1, ({ text }) => {
    if (text === "?") open++;
    return text === ";" || (text === ":" && open-- === 0);
  });
}

/** The condition of `if`, `while` or `for` is always or never true; what loops for ever is left out. */
function conditions(_: string, list: Tokens, index: number): Edit[] {
  const word = list[index]?.text ?? "";
  if (!["if", "while", "for"].includes(word) || list[index + 1]?.text !== "(") return [];
  const close = closingOf(list, index + 1);
  const semicolon = ({ text }: Token) => text === ";";
  const open = word === "for" ? scan(list, index + 2, 1, semicolon) : index + 1;
  const stop = word === "for" ? scan(list, open + 1, 1, semicolon) : close;
  const [first, last] = [list[open + 1], list[stop - 1]];
  if (open >= close || stop <= open + 1 || first === undefined || last === undefined) return [];
  const values = word === "if" ? ["true", "false"] : ["false"];
  return values.map((replacement) => ({
    kind: `${word} ${replacement}`,
    start: first.start,
    end: last.end,
    replacement,
  }));
}

/** One more and one less. What stands behind `??` is mostly there for the compiler alone, and is left as it is. */
function numbers(_: string, list: Tokens, index: number): Edit[] {
  const token = list[index];
  const sign = list[index - 1]?.text === "-" ? 1 : 0;
  if (list[index - 1 - sign]?.text === "??") return [];
  if (token?.kind !== "number" || !/^(0x[\da-f_]+|[\d_]+)n?$/i.test(token.text)) return [];
  const suffix = token.text.endsWith("n") ? "n" : "";
  const value = BigInt(token.text.replace(/[n_]/g, ""));
  const less = value === 0n ? `(-1${suffix})` : `${value - 1n}${suffix}`;
  return [replace(token, `${value + 1n}${suffix}`, "one more"), replace(token, less, "one less")];
}

const METHODS: Readonly<Record<string, readonly string[]>> = {
  union: ["difference"],
  difference: ["intersection"],
  intersection: ["union"],
  isSubsetOf: ["intersects"],
  intersects: ["isSubsetOf"],
  some: ["every"],
  every: ["some"],
  min: ["max"],
  max: ["min"],
  floor: ["ceil"],
  first: ["last"],
  find: ["findLast"],
  indexOf: ["lastIndexOf"],
};

/** Calls whose result may as well be what they are made on. */
const DROPPED = new Set([
  ...["union", "difference", "intersection", "filter", "sort", "toSorted", "slice", "trim", "forgetting"],
]);

/** Another method, no call at all, two arguments swapped. */
function calls(source: string, list: Tokens, index: number): Edit[] {
  const [before, token, open] = [list[index - 1], list[index], list[index + 1]];
  if (token?.kind !== "word" || open?.text !== "(" || NO_CALL.has(token.text)) return [];
  const swapped = swappedArguments(source, list, index + 1);
  if (before?.text !== ".") return swapped;
  const others = Object.hasOwn(METHODS, token.text) ? METHODS[token.text] ?? [] : [];
  const close = list[closingOf(list, index + 1)];
  const dropped = close !== undefined && DROPPED.has(token.text)
    ? [{ kind: `drop ${token.text}`, start: before.start, end: close.end, replacement: "" }]
    : [];
  return [
    ...others.map((other) => replace(token, other, `${token.text} to ${other}`)),
    ...dropped,
    ...swapped,
  ];
}

const NO_CALL = new Set(["if", "for", "while", "switch", "catch", "return", "function"]);

function swappedArguments(source: string, list: Tokens, open: number): Edit[] {
  const found: Edit[] = [];
  const comma = ({ text }: Token) => text === ",";
  const close = closingOf(list, open);
  for (let from = open + 1, middle = scan(list, from, 1, comma); middle < close;) {
    const to = scan(list, middle + 1, 1, comma);
    const [a, b] = [simple(source, list, from, middle), simple(source, list, middle + 1, to)];
    if (a !== undefined && b !== undefined) {
      const replacement = `${b.replacement}, ${a.replacement}`;
      found.push({ kind: "swap arguments", start: a.start, end: b.end, replacement });
    }
    [from, middle] = [middle + 1, to];
  }
  return found;
}

/** Names, numbers, and names of names; where they are. */
function simple(source: string, list: Tokens, from: number, to: number): Omit<Edit, "kind"> | undefined {
  const part = list.slice(from, to);
  const [first, last] = [part[0], part.at(-1)];
  const plain = part.every(({ kind, text }) => kind === "word" || kind === "number" || text === ".");
  if (first === undefined || last === undefined || !plain) return undefined;
  return { start: first.start, end: last.end, replacement: source.slice(first.start, last.end) };
}

const BEFORE_STATEMENT = new Set([";", "{", "}", "else", ")"]);
const NO_STATEMENT = new Set(
  ("const let var return import export type interface function class if for while do switch case default else " +
    "readonly private static get set try catch finally throw break continue override").split(" "),
);

/** A statement that calls or assigns, left out. */
function statements(_: string, list: Tokens, index: number): Edit[] {
  const [before, first] = [list[index - 1], list[index]];
  if (before === undefined || first === undefined || !BEFORE_STATEMENT.has(before.text)) return [];
  if (first.kind !== "word" || NO_STATEMENT.has(first.text)) return [];
  const stop = scan(list, index, 1, ({ text }) => text === ";");
  const last = list[stop];
  const acts = list.slice(index, stop).some((token) => token.text.endsWith("=") || nesting(token) > 0);
  return last?.text === ";" && acts
    ? [{ kind: "drop statement", start: first.start, end: last.end, replacement: ";" }]
    : [];
}

function replace({ start, end }: Token, replacement: string, kind: string): Edit {
  return { kind, start, end, replacement };
}
