/**
 * The named parts of a source: functions, methods, and the constants and fields of modules and classes. Changes are
 * anchored by them, so that neither moved lines nor other names break an anchor.
 */
import { nesting, type Token } from "./tokens.ts";

export interface Part {
  readonly name: string;
  /** Its first character in the source, and the one behind its last. */
  readonly start: number;
  readonly end: number;
}

/** The name of what stands before the first declaration. */
const MODULE = "module";
const DECLARING = new Set(["function", "const", "let", "class", "interface", "type"]);
const MODIFIERS = new Set([
  ..."public private protected static readonly override async get set declare abstract *".split(" "),
]);

/** The parts in the order of their text; what is declared inside a function or an expression belongs to it. */
export function partsOf(list: readonly Token[]): Part[] {
  const names = declarations(list);
  if (names.at(0)?.index !== 0) names.unshift({ name: MODULE, index: 0 });
  return names.flatMap(({ name, index }, at) => {
    const [first, last] = [list[index], list[(names[at + 1]?.index ?? list.length) - 1]];
    return first === undefined || last === undefined ? [] : [{ name, start: first.start, end: last.end }];
  });
}

/** The name of the part in which a character is. */
export function partAt(parts: readonly Part[], character: number): string {
  return parts.findLast(({ start }) => start <= character)?.name ?? MODULE;
}

interface Declaration {
  readonly name: string;
  /** Of the token that is its name. */
  readonly index: number;
}

function declarations(list: readonly Token[]): Declaration[] {
  const found: Declaration[] = [];
  let depth = 0;
  let isClass = false;
  for (const [index, token] of list.entries()) {
    const before = list[index - 1]?.text ?? "";
    if (depth === 0 && before === "class") isClass = true;
    if (token.kind === "word" && isDeclared(list, index, depth, isClass)) {
      found.push({ name: token.text, index });
    }
    depth += nesting(token);
    if (depth === 0 && token.text === "}") isClass = false;
  }
  return found;
}

function isDeclared(list: readonly Token[], index: number, depth: number, isClass: boolean): boolean {
  const { text = "" } = list[index] ?? {};
  if (MODIFIERS.has(text)) return false;
  let before = index - 1;
  while (MODIFIERS.has(list[before]?.text ?? "")) before--;
  const behind = list[before]?.text ?? "";
  return depth === 0 ? DECLARING.has(behind) : depth === 1 && isClass && ["{", "}", ";"].includes(behind);
}
