import assert from "node:assert/strict";
import { Copy } from "../../tools/mutate/copy.ts";
import { edited, mutantsOf } from "../../tools/mutate/mutants.ts";
import {
  figuresOf,
  loadResults,
  printed,
  type Result,
  resultOf,
  saveResults,
} from "../../tools/mutate/results.ts";
import { suiteOf, testsFor } from "../../tools/mutate/suite.ts";
import { type Baseline, measureBaseline, onCopies, tryChange } from "../../tools/mutate/trial.ts";

const ROOT = new URL("../..", import.meta.url).pathname;

const SOURCE = `
export function most(a: number, b: number): number {
  if (a === b) return a;
  return a > b ? a : b;
}
export function half(n: number): number {
  while (n % 2 !== 0) n--;
  return n / 2;
}
`;
const TEST = `
import { half, most } from "../../../src/part/numbers.ts";
Deno.test("the larger one", () => {
  if (most(1, 2) !== 2 || most(2, 1) !== 2) throw new Error("no");
});
Deno.test("half of it", () => {
  if (half(9) !== 4) throw new Error("no");
});
`;

/** Does something with a copy of a checkout that has one source and its tests. */
async function withSample(work: (copy: Copy, root: string) => Promise<void>, test = TEST): Promise<void> {
  const root = await Deno.makeTempDir();
  for (const folder of ["src/part", "tests/unit/part", "tests/scenarios"]) {
    await Deno.mkdir(`${root}/${folder}`, { recursive: true });
  }
  await Deno.writeTextFile(`${root}/src/part/numbers.ts`, SOURCE);
  await Deno.writeTextFile(`${root}/tests/unit/part/numbers_test.ts`, test);
  await Deno.writeTextFile(`${root}/deno.json`, "{}");
  const copy = await Copy.of(root);
  try {
    await work(copy, root);
  } finally {
    await copy.remove();
    await Deno.remove(root, { recursive: true });
  }
}

const FILE = "src/part/numbers.ts";

async function baselineOf(copy: Copy): Promise<Baseline> {
  const baseline = await measureBaseline(copy);
  assert(typeof baseline !== "string", `${baseline}`);
  return baseline;
}

Deno.test("a bug is found and named by its test, a change that makes no difference survives", async () => {
  await withSample(async (copy, root) => {
    const baseline = await baselineOf(copy);
    const bug = await tryChange(baseline, copy, FILE, SOURCE.replace("a > b", "a < b"));
    assert.deepEqual([bug.status, bug.by], ["killed", "the larger one"]);
    const same = await tryChange(baseline, copy, FILE, SOURCE.replace("a > b", "a >= b"));
    assert.equal(same.status, "survived");
    const untyped = await tryChange(baseline, copy, FILE, SOURCE.replace("return a;", 'return "a";'));
    assert.equal(untyped.status, "invalid", "no test looks there, but the compiler does");
    assert.equal(await copy.read(FILE), SOURCE, "it is as it was");
    assert.equal(await Deno.readTextFile(`${root}/${FILE}`), SOURCE);
  });
});

Deno.test("a change that makes the program loop for ever is found by the clock", async () => {
  await withSample(async (copy) => {
    const { outcome, by } = await copyWith(copy, SOURCE.replace("n--", "n -= 2"));
    assert.deepEqual([outcome, by], ["timed out", "no end after 2 s"]);
  });
});

/** How the tests end on a copy with that source, if they may take two seconds. */
async function copyWith(copy: Copy, source: string) {
  await copy.write(FILE, source);
  return await copy.test(["tests/unit/part/numbers_test.ts"], 2);
}

Deno.test("where the tests fail without any change nothing is tried", async () => {
  await withSample(async (copy) => {
    assert.match(`${await measureBaseline(copy)}`, /don't pass without any change \(half of it\)/);
  }, TEST.replace("!== 4", "!== 5"));
});

Deno.test("all mutants of a file are tried, and a run goes on where it was stopped", async () => {
  await withSample(async (copy, root) => {
    const baseline = await baselineOf(copy);
    const results = loadResults(`${root}/results.json`);
    assert.equal(results.size, 0);
    const mutants = mutantsOf(FILE, SOURCE).filter(({ before }) => before.startsWith("return a > b"));
    await onCopies([copy], mutants, async (mutant) => {
      const outcome = await tryChange(baseline, copy, FILE, edited(SOURCE, mutant));
      results.set(mutant.after, resultOf(mutant, outcome));
    });
    saveResults(`${root}/results.json`, results);
    const again = [...loadResults(`${root}/results.json`).values()];
    assert.deepEqual(again.filter(({ status }) => status === "survived").map(({ after }) => after), [
      "return a >= b ? a : b;",
    ]);
    assert.equal(again.length, mutants.length);
  });
});

Deno.test("the figures leave out what the compiler finds, and list the survivors with their lines", () => {
  const result = (status: Result["status"], line: number): Result => ({
    ...{
      file: "src/a.ts",
      part: "most",
      edit: "> to >=",
      line,
      before: "a",
      after: `b${line}`,
      status,
      by: "",
      seconds: 2,
    },
  });
  const results = [result("survived", 3), result("killed", 1), result("invalid", 2), result("survived", 1)];
  const { tried, killed, invalid, accepted, survivors, secondsEach } = figuresOf(results);
  assert.deepEqual([tried, killed, invalid, accepted, secondsEach], [4, 1, 1, 0, 2]);
  assert.equal(survivors.length, 2);
  const [file = "", all = "", , ...lines] = printed(results);
  assert.match(file, /^src\/a.ts +3 tried, 1 killed, 2 survived, 0 explained$/);
  assert.match(all, /^all +3 tried/);
  assert.deepEqual(lines.slice(0, 5), [
    "survived: src/a.ts:1, most: > to >=",
    "  - a",
    "  + b1",
    "",
    "survived: src/a.ts:3, most: > to >=",
  ]);
});

Deno.test("the tests that a change may concern: its own first, then its folder's, then all that import it", () => {
  const suite = suiteOf(ROOT);
  const [near = [], others = []] = testsFor(suite, "src/ledger/room.ts", new Map());
  assert.equal(near[0], "tests/unit/ledger/room_test.ts");
  assert(near.every((test) => test.startsWith("tests/unit/ledger/")) && near.length > 3);
  assert(
    others.includes("tests/unit/agent/step_test.ts") &&
      !others.some((test) => test.startsWith("tests/unit/cpu/")),
  );
  assert(!suite.files.some((test) => /^tests\/(cli|host|mutation|node)\//.test(test)));
});
