/**
 * Words, numbers and punctuation of a TypeScript source: as much as a mutator needs. Comments are left out; a string,
 * a template (with all that is in it) and a regular expression are one token each.
 */
export interface Token {
  readonly kind: "word" | "number" | "punctuation" | "text";
  readonly text: string;
  /** Its first character in the source, and the one behind its last. */
  readonly start: number;
  readonly end: number;
}

const BLANK = /\s+|\/\/[^\n]*|\/\*[\s\S]*?\*\//y;
const WORD = /[#@]?[A-Za-z_$][\w$]*/y;
const NUMBER = /0x[\da-f_]+n?|\d[\d_]*(?:\.\d+)?(?:e[+-]?\d+)?n?/yi;
const STRING = /"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'/y;
const REGEX = /\/(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/y;
const PUNCTUATION =
  /\.{3}|>>>=|[!=]==|\*\*=|<<=|>>=|>>>|&&=|\|\|=|\?\?=|=>|[!=<>]=|&&|\|\||\?\?|\?\.|\+\+|--|[-+*/%&|^]=|<<|>>|\*\*|[^\s\w]/y;

/** Behind these a slash divides; behind anything else it begins a regular expression. */
const ENDS_OPERAND = new Set([")", "]", "}"]);

/** The tokens of a source that the compiler takes; of another one anything. */
export function tokens(source: string): Token[] {
  const found: Token[] = [];
  const at = (pattern: RegExp, from: number) => {
    pattern.lastIndex = from;
    return pattern.exec(source)?.[0].length ?? 0;
  };
  for (let start = 0; start < source.length;) {
    const blank = at(BLANK, start);
    if (blank > 0) {
      start += blank;
      continue;
    }
    const [kind, length] = tokenAt(source, start, at, found.at(-1));
    found.push({ kind, text: source.slice(start, start + length), start, end: start + length });
    start += length;
  }
  return found;
}

function tokenAt(
  source: string,
  start: number,
  at: (pattern: RegExp, from: number) => number,
  before: Token | undefined,
): [Token["kind"], number] {
  const first = source.charAt(start);
  if (first === "`") return ["text", templateEnd(source, start) - start];
  const divides = before !== undefined && (before.kind !== "punctuation" || ENDS_OPERAND.has(before.text)) &&
    before.text !== "return";
  const text = at(STRING, start) || (first === "/" && !divides ? at(REGEX, start) : 0);
  if (text > 0) return ["text", text];
  const word = at(WORD, start);
  if (word > 0) return ["word", word];
  const number = at(NUMBER, start);
  return number > 0 ? ["number", number] : ["punctuation", at(PUNCTUATION, start) || 1];
}

/** Where the template that begins at `start` is over; templates in its `${}` are passed over. */
function templateEnd(source: string, start: number): number {
  let depth = 0;
  for (let i = start + 1; i < source.length; i++) {
    const char = source.charAt(i);
    if (char === "\\") i++;
    else if (depth === 0 && char === "`") return i + 1;
    else if (depth === 0 && char === "$" && source.charAt(i + 1) === "{") depth = 1, i++;
    else if (depth > 0 && char === "{") depth++;
    else if (depth > 0 && char === "}") depth--;
    else if (depth > 0 && char === "`") i = templateEnd(source, i) - 1;
  }
  return source.length;
}

const PAIRS: Readonly<Record<string, string>> = { "(": ")", "[": "]", "{": "}" };
const OPENING = new Set(Object.keys(PAIRS));
const CLOSING = new Set(Object.values(PAIRS));

/** How a token changes the depth of brackets. */
export function nesting({ text, kind }: Token): -1 | 0 | 1 {
  if (kind !== "punctuation") return 0;
  return OPENING.has(text) ? 1 : CLOSING.has(text) ? -1 : 0;
}

/** The index of the bracket that closes the one at `open`. */
export function closingOf(list: readonly Token[], open: number): number {
  return scan(list, open + 1, 1, () => false);
}

/**
 * The first index from `from` in direction `step` at the same depth of brackets whose token `stops`, or is the
 * bracket that ends the part.
 */
export function scan(
  list: readonly Token[],
  from: number,
  step: 1 | -1,
  stops: (token: Token) => boolean,
): number {
  let depth = 0;
  let index = from;
  for (let token = list[index]; token !== undefined; token = list[index += step]) {
    const nests = nesting(token) * step;
    if (depth === 0 && (nests < 0 || stops(token))) return index;
    depth += nests;
  }
  return index;
}
