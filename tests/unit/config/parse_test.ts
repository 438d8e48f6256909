import assert from "node:assert/strict";
import { MAX_TEXT_CHARACTERS, parseYaml } from "../../../src/config/parse.ts";

const TREES: readonly [text: string, tree: unknown][] = [
  ["", {}],
  ["# nothing yet\n", {}],
  ["---\n", {}],
  ["null", {}],
  ["\ufeffminShared: 1", { minShared: "1" }],
  ["pluginIndex: 05\n", { pluginIndex: "05" }],
  ["pluginIndex: '05' # quoted\n", { pluginIndex: "05" }],
  ["dryRun: true\nsystemReserved: 0-1", { dryRun: "true", systemReserved: "0-1" }],
  ["systemReserved: [0, 2-3]", { systemReserved: ["0", "2-3"] }],
  ["systemReserved:\n- 0\n-\n", { systemReserved: ["0", ""] }],
  ["log:\n  level: debug\n  file: ''\n", { log: { level: "debug", file: "" } }],
  ["log: {level: debug}\n...\n", { log: { level: "debug" } }],
  // A key without a value is as none, at every level.
  ["log:\n  # level: debug\nminShared: ~\ndryRun: null\n", {}],
  ["log:\n  level:\n  keep: 1\n", { log: { keep: "1" } }],
  ["minShared: 'null'\n", { minShared: "null" }],
  ["<<: {a: 1}\n", { "<<": { a: "1" } }],
  ["__proto__:\n  a: 1\n", Object.fromEntries([["__proto__", { a: "1" }]])],
];

for (const [text, tree] of TREES) {
  Deno.test(`${JSON.stringify(text)} is parsed to texts`, () => {
    assert.deepEqual(parseYaml(text), { kind: "parsed", tree });
  });
}

const MAPPING = "a configuration is a mapping of keys to values, as in key: value";
const ANCHOR = "has an anchor (&) or an alias (*); write the value out";
const BARE = 'has a bare * or &; write it in quotes, as in "*"';
const TAG = "has a tag (!); write the plain value";
const DEEP = "is nested too deeply; no key has so many levels";

const INVALID: readonly [text: string, reason: string][] = [
  ["- minShared: 1", MAPPING],
  ["minShared", MAPPING],
  ["\0", MAPPING],
  ["a: 1\nb: 2\na: 3", 'line 3 has the key "a" for the second time'],
  ["log:\n  keep: 1\n  'keep': 2", 'line 3 has the key "keep" for the second time'],
  ["a: 1\na:", 'line 2 has the key "a" for the second time'],
  ["a: 1\n---\nb: 2", "line 2 begins a second document; a configuration is one"],
  ["a: &x 1", `line 1 ${ANCHOR}`],
  ["a: 1\nb: *x", `line 2 ${ANCHOR}`],
  ["a: 1\n*x : 2", `line 2 ${ANCHOR}`],
  ["pinnedNamespaces: *", `line 1 ${BARE}`],
  ["a: 1\npinnedNamespaces: [*, b]", `line 2 ${BARE}`],
  ["&x a: 1", `line 1 ${ANCHOR}`],
  ["&x\na: 1", `line 2 ${ANCHOR}`],
  ["a: 1\nb: &x", `line 2 ${ANCHOR}`],
  ["a: !!int 1", `line 1 ${TAG}`],
  ["a: 1\nb: !secret", `line 2 ${TAG}`],
  ["!!map\na: 1", `line 2 ${TAG}`],
  ["? [a, b]\n: 1", "line 1 has a list or a mapping as a key"],
  ["a: 1\n? {b: 1}\n: 1", "line 2 has a list or a mapping as a key"],
  ["a: {b: {c: {d: {e: {f: {g: {h: {i: {}}}}}}}}}", `line 1 ${DEEP}`],
  ["a: 1\nb: " + "[".repeat(8000) + "]".repeat(8000), `line 2 ${DEEP}`],
  ["- ".repeat(10000), `line 1 ${DEEP}`],
  [
    "a: " + "x".repeat(MAX_TEXT_CHARACTERS),
    `a configuration has 32768 characters at most, but this one has 32771`,
  ],
];

for (const [text, reason] of INVALID) {
  Deno.test(`${JSON.stringify(text.slice(0, 60))} is invalid, with one clause as the reason`, () => {
    assert.deepEqual(parseYaml(text), { kind: "invalid", reason });
  });
}

const BROKEN: readonly [text: string, reason: RegExp][] = [
  ["a: [1\nb: 2", /^line 2 is not valid YAML: Flow sequence [^\n]+$/],
  ["a: 1\n\tb: 2", /^line 2 is not valid YAML: Tabs are not allowed as indentation$/],
  ["a: 1\n  b: 2", /^line 1 is not valid YAML: [^\n]+$/],
  ["a: 'x", /^line 1 is not valid YAML: Missing closing 'quote$/],
  ["a: b: c", /^line 1 is not valid YAML: Nested mappings [^\n]+$/],
  ["\n\n}", /^line 3 is not valid YAML: [^\n]+$/],
];

for (const [text, reason] of BROKEN) {
  Deno.test(`${JSON.stringify(text)} is a syntax error with its line`, () => {
    const parsed = parseYaml(text);
    assert(parsed.kind === "invalid");
    assert.match(parsed.reason, reason);
  });
}

Deno.test("a billion laughs are not expanded", () => {
  const levels = "bcdefghij".split("").map((name, i) => {
    const below = "abcdefghi"[i];
    return `${name}: &${name} [${Array.from({ length: 9 }, () => `*${below}`).join(", ")}]`;
  });
  assert.deepEqual(parseYaml(`a: &a lol\n${levels.join("\n")}\n`), {
    kind: "invalid",
    reason: `line 1 ${ANCHOR}`,
  });
});
