import assert from "node:assert/strict";
import { parseRun } from "../../../e2e/harness/options.ts";
import { choose } from "../../../e2e/harness/runner.ts";
import { SUITES } from "../../../e2e/suites/all.ts";

const none = () => undefined;

Deno.test("the original's variables, and what they must be", () => {
  const env = (values: Record<string, string>) => parseRun([], (name) => values[name]);
  assert.equal(parseRun([], none).parallel, 8);
  assert.equal(env({ TEST_PARALLEL: "3" }).parallel, 3);
  assert.throws(() => env({ TEST_PARALLEL: "many" }), /whole number from 1 to 64, but it is "many"/);
  assert.equal(env({ TEST_TIMEOUT: "5" }).timeoutMs, 5000);
  assert(env({}).goOn && !env({ CONTINUE_ON_FAILURE: "false" }).goOn);
  assert(!env({}).preserve && env({ PRESERVE_ON_FAILURE: "true" }).preserve);
});

Deno.test("an unknown option, a missing value and a bad pattern are said", () => {
  assert.throws(() => parseRun(["--fokus"], none), /--fokus is no option/);
  assert.throws(() => parseRun(["--nodes", "9"], none), /--nodes must be a whole number from 1 to 4/);
  assert.throws(() => parseRun(["--focus"], none), /--focus needs a value/);
  assert.throws(() => parseRun(["--focus", "("], none), /--focus must be a regular expression/);
});

Deno.test("suites, focus and skip choose, and a small node skips with a reason", () => {
  const chosen = (cpus: number, ...words: string[]) => choose(SUITES, parseRun(words, none), cpus);
  const titles = chosen(64, "annotated", "--focus", "pins", "--skip", "ranges").chosen.map(({ title }) =>
    title
  );
  assert.deepEqual(titles, ["Annotated Pod / pins to one CPU", "Annotated Pod / pins to a list"]);
  const all = chosen(64);
  assert.deepEqual(all.skipped, []);
  assert.equal(new Set(all.chosen.map(({ title }) => title)).size, all.chosen.length);
  assert.equal(chosen(64, "--one").chosen.length, SUITES.length);
  const conflicts = chosen(64, "tests/e2e/suites/conflict.ts").chosen;
  assert(
    conflicts.length > 0 && conflicts.every(({ title }) => title.startsWith("CPU Conflict Resolution / ")),
  );
  const small = chosen(2);
  assert(
    small.chosen.length > 0 &&
      small.skipped.some(({ why }) => why === "it needs a node with 4 CPUs, and this one has 2"),
  );
});
