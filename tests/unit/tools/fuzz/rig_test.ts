/** That fuzzing finds what is broken, and tells it in a way that is of use. */
import assert from "node:assert/strict";
import { literal, smaller } from "../../../../tools/fuzz/literal.ts";
import { TARGETS as PLANTED } from "../../../../tools/fuzz/planted.ts";
import { inputOf, runTarget } from "../../../../tools/fuzz/run.ts";
import type { Value } from "../../../../tools/fuzz/target.ts";
import { sharesOf, TARGETS } from "../../../../tools/fuzz/targets.ts";

const FUZZ = new URL("../../../../tools/fuzz/main.ts", import.meta.url).pathname;

function evaluated(text: string): unknown {
  return new Function(`return ${text};`)();
}

Deno.test("what is printed of an input is plain JavaScript that gives it again, whatever is in it", () => {
  const values: Value[] = [
    undefined,
    null,
    -0,
    NaN,
    5n,
    '\x1b\u2028\ud800é"\\',
    Uint8Array.of(1, 255),
    [[], [1]],
    { a: "x", "b-c": { "": 1 } },
    JSON.parse('{ "__proto__": "x" }'),
  ];
  for (const value of values) {
    assert.match(literal(value), /^[\x20-\x7e]*$/);
    assert.deepEqual(evaluated(literal(value)), value);
  }
});

Deno.test("the same seed gives the same inputs, another one others", () => {
  for (const target of TARGETS) {
    const inputs = (seed: number) => [0, 1, 2, 3, 4, 5].map((index) => literal(inputOf(target, seed, index)));
    assert.deepEqual(inputs(1), inputs(1), target.name);
    assert.notDeepEqual(inputs(1), inputs(2), target.name);
    assert(new Set(inputs(1)).size > 1, target.name);
  }
});

Deno.test("every target gets a share, together what was asked for", () => {
  const shares = [...sharesOf(TARGETS, 20_000).values()];
  assert(shares.every((count) => count > 0));
  assert(Math.abs(shares.reduce((sum, count) => sum + count, 0) - 20_000) < TARGETS.length);
});

Deno.test("making smaller ends, and never gives the value itself", () => {
  const value = { text: "a\x1bb", list: [1, 2], bytes: Uint8Array.of(7), names: { x: "y" }, big: 9n };
  const all = [...smaller(value)].map(literal);
  assert(all.length > 10 && !all.includes(literal(value)));
});

Deno.test("a broken parser is found, with the smallest input that shows it", async () => {
  const [throws] = PLANTED;
  assert(throws);
  const found = await runTarget(throws, { seed: 1, from: 0, to: 10_000 });
  assert(found !== undefined);
  assert.deepEqual(evaluated(found.input), { text: '""', more: [] });
  assert.match(found.error, /^Error: too many quotes: ""\n/);
});

/** What is printed, and the exit code. */
async function fuzz(...args: string[]): Promise<{ text: string; code: number }> {
  const planted = import.meta.resolve("../../../../tools/fuzz/planted.ts");
  const command = ["run", "--quiet", "--allow-all", FUZZ, "--targets", planted, ...args];
  const { stdout, code } = await new Deno.Command(Deno.execPath(), { args: command, stdin: "null" }).output();
  return { text: new TextDecoder().decode(stdout), code };
}

Deno.test("a parser that hangs, and one that grows, are failures", async () => {
  const hanging = await fuzz("--only", "hangs", "--inputs", "10000", "--deadline", "1");
  assert.match(hanging.text, /\nFAILED hangs, input \d+ of seed 1: takes more than 1000 ms\n\n42\n/);
  const growing = await fuzz("--only", "grows", "--inputs", "20000");
  assert.match(growing.text, /\nFAILED grows of seed 1: the heap has grown by \d+ bytes\n/);
  assert.deepEqual([hanging.code, growing.code], [1, 1]);
});
