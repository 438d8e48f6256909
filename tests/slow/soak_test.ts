import assert from "node:assert/strict";
import { LEAKS } from "../../tools/soak/leaks.ts";
import { sizesOf } from "../../tools/soak/sizes.ts";
import { growth, type Sample, soak, type SoakOptions } from "../../tools/soak/soak.ts";
import { ALL, FORBIDDING } from "../../tools/soak/week.ts";

const ROOT = new URL("../..", import.meta.url).pathname;

const SHORT: SoakOptions = { seed: 1, live: 150, pods: 1600, samples: 8, apply: "kernel-first", kinds: ALL };

for (const apply of ["kernel-first", "runtime"] as const) {
  for (const [name, kinds] of Object.entries({ "of every kind": ALL, "that change no pool": FORBIDDING })) {
    Deno.test(`pods ${name} come and go, and no list of the agent's grows: ${apply}`, () => {
      const samples = soak({ ...SHORT, apply, kinds });
      assert.deepEqual(growth(samples, SHORT.live), []);
      const containers = samples.map(({ sizes }) => sizes.get(".state.ledger.assignments.buckets[].ids[]"));
      assert.deepEqual(containers, samples.map(() => SHORT.live), "all that live are seen, and no others");
    });
  }
}

Deno.test("a planted leak is found, and named by the way that leads to it", () => {
  const [grown] = growth(soak({ ...SHORT, plant: LEAKS["ids"] }), SHORT.live);
  assert.match(grown ?? "", /^agent\.state\.early\[\] has grown from \d+ to \d+ entries$/);
});

/** Enough for what is kept to be more than what the heap of one and the same program differs by. */
const HEAP = ["--pods", "16000", "--live", "20", "--samples", "10"];

/** Runs the soak as a process that can tell how large its heap is. */
async function run(...args: readonly string[]): Promise<{ code: number; text: string }> {
  const program = [
    "run",
    "--quiet",
    "--no-check",
    "--allow-all",
    "--v8-flags=--expose-gc",
    `${ROOT}tools/soak/main.ts`,
  ];
  const command = new Deno.Command(Deno.execPath(), { args: [...program, ...args], cwd: ROOT });
  const { code, stdout, stderr } = await command.output();
  return { code, text: new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr) };
}

Deno.test("the heap stays as it is, and what no list leads to is found there", async () => {
  const [sound, leaking] = await Promise.all([
    run(...HEAP, "--kinds", "forbidding"),
    run(...HEAP, "--leak", "hidden"),
  ]);
  assert.equal(sound.code, 0, sound.text);
  assert.match(
    sound.text,
    /nothing has grown in 16000 pods, 20 containers at a time \(kernel-first, forbidding\)/,
  );
  assert.equal(leaking.code, 1, leaking.text);
  assert.match(leaking.text, /GROWN:\n {2}the heap has grown by \d+ bytes in \d+ pods, \d+\.\d each\n/);
});

Deno.test("sizes are of what can be reached by fields and getters, each counted once", () => {
  class Kept {
    readonly #hidden = new Set([1, 2, 3]);
    get seen(): ReadonlySet<number> {
      return this.#hidden;
    }
  }
  const twice = [{ inner: new Map([["a", [1, 2]]]) }, { inner: new Map([["b", [3]]]) }];
  const sizes = sizesOf({ kept: new Kept(), twice, again: twice, bytes: new Uint8Array(7) });
  assert.deepEqual(Object.fromEntries(sizes), {
    ".bytes[]": 7,
    ".again[]": 2,
    ".again[].inner[]": 2,
    ".again[].inner[][]": 3,
    ".kept.seen[]": 3,
  });
});

function samplesWith(path: string, ...counts: readonly number[]): Sample[] {
  return counts.map((count, at) => ({ pods: at * 1000, sizes: new Map([[path, count]]), heap: undefined }));
}

Deno.test("what goes up and down is no growth, what only goes up is", () => {
  assert.deepEqual(growth(samplesWith(".x[]", 0, 500, 700, 400, 650, 600), 1000), []);
  assert.deepEqual(growth(samplesWith(".x[]", 0, 100, 200, 300, 400, 500), 1000), [
    "agent.x[] has grown from 200 to 500 entries",
  ]);
  assert.deepEqual(growth(samplesWith(".x[]", 0, 5000, 9, 5000, 9, 8), 1000), [
    "agent.x[] has had 5000 entries, for 1000 containers",
  ]);
});

Deno.test("a heap that grows by little for each pod is found after enough of them", () => {
  const samples = (each: number) =>
    Array.from({ length: 9 }, (_, at): Sample => ({
      pods: at * 100_000,
      sizes: new Map(),
      heap: 20e6 + at * 100_000 * each,
    }));
  assert.deepEqual(growth(samples(20), 1000), []);
  assert.deepEqual(growth(samples(40), 1000), [
    "the heap has grown by 16000000 bytes in 400000 pods, 40.0 each",
  ]);
});
