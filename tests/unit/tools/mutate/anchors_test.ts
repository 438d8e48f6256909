/** The places of planted bugs and accepted mutants: that they are there, and what is said where they aren't. */
import assert from "node:assert/strict";
import { ACCEPTED } from "../../../../tools/mutate/accepted.ts";
import { type Anchored, applied } from "../../../../tools/mutate/anchors.ts";
import { mutantsOf } from "../../../../tools/mutate/mutants.ts";
import { partAt, partsOf } from "../../../../tools/mutate/parts.ts";
import { PLANTED } from "../../../../tools/mutate/planted.ts";
import { accepts } from "../../../../tools/mutate/results.ts";
import { closeCompiler, programOf } from "../../../../tools/mutate/valid.ts";
import { tokens } from "../../../../tools/mutate/tokens.ts";

const ROOT = new URL("../../../..", import.meta.url).pathname;

const SOURCE = `
import { other } from "./other.ts";
const LIMIT = 3;
interface Shape {
  readonly size: number | undefined;
}
export function* first(a: number): Generator<{ a: number }> {
  if (a < LIMIT) yield { a };
  const inner = () => a < 1;
}
export class Box {
  readonly #size = 1 + 1;
  static async of(): Promise<{ n: number }> {
    return { n: 1 + 2 };
  }
  get size(): number {
    return this.#size;
  }
}
`;

Deno.test("the parts of a source are its functions, methods, fields and constants by their names", () => {
  const parts = partsOf(tokens(SOURCE));
  assert.deepEqual(parts.map(({ name }) => name), [
    ...["module", "LIMIT", "Shape", "first", "Box", "#size", "of", "size"],
  ]);
  for (const [text, name] of [["3;", "LIMIT"], ["inner", "first"], ["1 + 2", "of"], ["other.ts", "module"]]) {
    assert.equal(partAt(parts, SOURCE.indexOf(text ?? "")), name);
  }
});

Deno.test("mutants are anchored by part, kind and number: names, lines and other parts don't matter", () => {
  const anchors = (source: string) =>
    mutantsOf("f.ts", source).filter(({ part }) => part === "first").map(({ edit }) => edit);
  assert(anchors(SOURCE).includes("< to <=") && anchors(SOURCE).includes("< to <= #2"));
  const renamed = SOURCE.replaceAll("LIMIT", "BOUND").replaceAll(/\ba\b/g, "count").replace("3;", "4 < 5;");
  assert.deepEqual(anchors(`\n\n${renamed}`), anchors(SOURCE));
});

Deno.test("an anchor that doesn't match is an error that says what is there", () => {
  const plant = (anchored: Omit<Anchored, "file">) => applied({ file: "f.ts", ...anchored }, SOURCE);
  assert.equal(plant({ part: "LIMIT", edit: "one more" }), SOURCE.replace("3;", "4;"));
  assert.equal(plant({ part: "first", edit: [/(\w+) < 1/, "1 < $1"] }), SOURCE.replace("a < 1", "1 < a"));
  assert.throws(
    () => plant({ part: "second", edit: "one more" }),
    /f.ts has no second; it has .*LIMIT, .*of/,
  );
  assert.throws(() => plant({ part: "LIMIT", edit: "+ to -" }), /f.ts, LIMIT: no edit "\+ to -"; .*one more/);
  assert.throws(() => plant({ part: "first", edit: [/a < /, ""] }), /first: \/a < \/ matches 2 times/);
  assert.throws(() => plant({ part: "of", edit: [/none/, ""] }), /of: \/none\/ matches 0 times/);
});

Deno.test("every planted bug can be planted", () => {
  assert.equal(PLANTED.length, 113);
  assert.deepEqual(PLANTED.flatMap((bug) => problemOf(bug) ?? []), []);
  for (const { breaks } of PLANTED) assert.match(breaks, /^[A-Z].*\.$/);
});

Deno.test({
  name: "every planted bug is a program: one that isn't would be found by any test",
  // The compiler is a process of its own, and ends a little later.
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async () => {
    const programs = await Promise.all(
      PLANTED.map((bug) => programOf(applied(bug, Deno.readTextFileSync(ROOT + bug.file)))),
    );
    await closeCompiler();
    assert.deepEqual(PLANTED.filter((_, at) => programs[at] === undefined).map(({ breaks }) => breaks), []);
  },
});

function problemOf(bug: Anchored): string | undefined {
  try {
    const source = Deno.readTextFileSync(ROOT + bug.file);
    return applied(bug, source) === source ? `${bug.file}, ${bug.part}: nothing changes` : undefined;
  } catch (error) {
    return `${error}`;
  }
}

Deno.test("every mutant that is accepted could be made today", () => {
  const files = new Set(ACCEPTED.map(({ file }) => file));
  const mutants = [...files].flatMap((file) => mutantsOf(file, Deno.readTextFileSync(ROOT + file)));
  const stale = ACCEPTED.flatMap(({ edits, ...accepted }) =>
    (edits === "all" ? ["all"] : edits).filter((edit) =>
      !mutants.some((mutant) => accepts({ ...accepted, edits: edit === "all" ? "all" : [edit] }, mutant))
    ).map((edit) => `${accepted.file} has no ${accepted.part} with "${edit}" (${accepted.because})`)
  );
  assert.deepEqual(stale, []);
});
