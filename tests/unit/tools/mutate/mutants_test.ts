import assert from "node:assert/strict";
import { edited, keyOf, mutantsOf, sample } from "../../../../tools/mutate/mutants.ts";
import { tokens } from "../../../../tools/mutate/tokens.ts";
import { closeCompiler, validOf } from "../../../../tools/mutate/valid.ts";

/** What becomes of the source's lines, where it becomes another program. */
async function programs(source: string): Promise<string[]> {
  return (await validOf(source, mutantsOf("f.ts", source))).map((mutant) => mutant.after);
}

/** A test that leaves the compiler's process to those after it; the last one ends it. */
function compiling(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, fn, sanitizeOps: false, sanitizeResources: false });
}

Deno.test("tokens: comments are left out, texts and regular expressions are one each", () => {
  const source = 'a /* b */ ?? "c // d" // e\n+ `f ${g(`h`)} }` / /[/]i/u.j; k = l / m / 0x1fn;';
  assert.deepEqual(tokens(source).map(({ text }) => text), [
    ...["a", "??", '"c // d"', "+", "`f ${g(`h`)} }`", "/", "/[/]i/u", ".", "j", ";"],
    ...["k", "=", "l", "/", "m", "/", "0x1fn", ";"],
  ]);
});

compiling("operators, operands and numbers", async () => {
  assert.deepEqual(await programs("f(a && b);"), ["f(b);", "f(a);", "f(a || b);"]);
  assert.deepEqual(await programs("const x = a < b;"), ["const x = a <= b;", "const x = a >= b;"]);
  assert.deepEqual(await programs("const x = 4n;"), ["const x = 5n;", "const x = 3n;"]);
  assert.deepEqual(await programs("const x = !y;"), ["const x = y;"]);
  assert.deepEqual(await programs("const x = y ?? 1;"), ["const x = 1;", "const x = y;"]);
});

compiling("branches and conditions", async () => {
  assert.deepEqual(await programs("const x = c ? a : [b, c];"), [
    "const x = c ? [b, c] : a;",
    "const x = c ? a : a;",
    "const x = c ? [b, c] : [b, c];",
  ]);
  assert.deepEqual(await programs("if (c) d();"), ["if (true) d();", "if (false) d();", "if (c) ;"]);
  assert.deepEqual(await programs("for (; c;) d();"), ["for (; false;) d();", "for (; c;) ;"]);
});

compiling("calls: another method, none, swapped arguments; and statements", async () => {
  assert.deepEqual(await programs("const x = a.union(b);"), ["const x = a;", "const x = a.difference(b);"]);
  assert.deepEqual(await programs("const x = f(a, b.c, d());"), ["const x = f(b.c, a, d());"]);
  assert.deepEqual(await programs("{ a = b; let c; }"), ["{ ; let c; }"]);
});

compiling("what the compiler doesn't take, or takes for the same, is no mutant", async () => {
  assert.deepEqual(await programs("interface A { readonly b?: 1 | 2; c(d: Map<string, 0>): void }"), []);
  assert.deepEqual(await programs("/* a + b */ const x = 'a + b'; // a + b"), []);
  await closeCompiler();
});

Deno.test("a mutant's result is known by its lines, wherever they are", () => {
  const source = "const a = 1;\nconst b =\n  c && d;\n";
  const [one, ...others] = mutantsOf("f.ts", source);
  assert(one !== undefined);
  assert.deepEqual([one.line, one.before, one.after], [1, "const a = 1;", "const a = 2;"]);
  assert.deepEqual(others.slice(1).map(({ line }) => line), [3, 3, 3]);
  assert.equal(edited(source, one), source.replace("1", "2"));
  const later = mutantsOf("f.ts", `\n\n${source}`);
  assert.deepEqual(later.map(keyOf), [one, ...others].map(keyOf));
});

Deno.test("a sample is the same for the same seed, and spreads over the files", () => {
  const all = ["a.ts", "b.ts", "c.ts"].flatMap((file) => mutantsOf(file, "const x = [1, 2, 3, 4, 5];"));
  const drawn = sample(all, 6, 7);
  assert.deepEqual(drawn, sample(all, 6, 7));
  assert.notDeepEqual(drawn, sample(all, 6, 8));
  assert.deepEqual(drawn.map(({ file }) => file).sort(), ["a.ts", "a.ts", "b.ts", "b.ts", "c.ts", "c.ts"]);
  assert.equal(new Set(sample(all, 999, 1)).size, all.length);
});
