import assert from "node:assert/strict";
import type { Bench } from "../../../e2e/harness/bench.ts";
import type { RunEvent } from "../../../e2e/harness/events.ts";
import { parseRun } from "../../../e2e/harness/options.ts";
import { Progress } from "../../../e2e/harness/progress.ts";
import { type Chosen, runTests, type Surroundings } from "../../../e2e/harness/runner.ts";

/** A cluster without pods, whose node has four CPUs. */
function around(
  env: Record<string, string> = {},
): Surroundings & { seen: RunEvent["kind"][]; captured: string[] } {
  const [seen, captured] = [[] as RunEvent["kind"][], [] as string[]];
  const known = { get: () => Promise.resolve({ items: [] }), post: () => Promise.resolve({}) };
  return {
    kube: known,
    cache: { pods: [] },
    view: { name: "one", cpus: [0, 1, 2, 3] },
    place: { node: "one", image: "", pullPolicy: "Never" },
    way: "service",
    events: { add: ({ kind }: { kind: RunEvent["kind"] }) => seen.push(kind) },
    options: parseRun([], (name) => env[name]),
    capture: ({ title }: Chosen) => Promise.resolve(void captured.push(title)),
    progress: new Progress(() => {}),
    seen,
    captured,
    // deno-lint-ignore no-explicit-any
  } as any;
}

/** Tests that note what runs beside them. */
function watched(...needs: readonly { needs: number; alone?: boolean; fails?: boolean }[]) {
  const most = { claimed: 0, besideAlone: 0 };
  let [claimed, running] = [0, 0];
  const tests = needs.map(({ fails = false, ...each }, at): Chosen => ({
    title: `test ${at}`,
    test: {
      name: `${at}`,
      ...each,
      run: async (_: Bench) => {
        claimed += each.needs;
        running++;
        most.claimed = Math.max(most.claimed, claimed);
        if (each.alone) most.besideAlone = Math.max(most.besideAlone, running - 1);
        await Promise.resolve();
        claimed -= each.needs;
        running--;
        if (fails) throw new Error("as planned");
      },
    },
  }));
  return { tests, most };
}

Deno.test("tests run side by side as far as the node has room, and one is always left to the pool", async () => {
  const { tests, most } = watched({ needs: 2 }, { needs: 1 }, { needs: 2 }, { needs: 1 }, { needs: 3 }, {
    needs: 0,
  });
  assert(await runTests(tests, around()));
  assert.equal(most.claimed, 3);
});

Deno.test("those that need the node for themselves come last, one at a time", async () => {
  const { tests, most } = watched({ needs: 1, alone: true }, { needs: 1 }, { needs: 1, alone: true });
  const all = around();
  assert(await runTests(tests, all));
  assert.equal(most.besideAlone, 0);
  assert.deepEqual(all.seen, ["begin", "end", "begin", "end", "begin", "end"]);
});

Deno.test("a failure is captured, and ends the run where it is to", async () => {
  const { tests } = watched({ needs: 1, alone: true, fails: true }, { needs: 1, alone: true });
  const goesOn = around();
  assert(!await runTests(tests, goesOn));
  assert.deepEqual([goesOn.captured, goesOn.seen.length], [["test 0"], 4]);
  const stops = around({ CONTINUE_ON_FAILURE: "0" });
  assert(!await runTests(tests, stops));
  assert.equal(stops.seen.length, 2);
});

Deno.test("a test that doesn't end fails when its time is over", async () => {
  const all = { ...around(), options: { ...parseRun([], () => undefined), timeoutMs: 1 } };
  const never: Chosen = {
    title: "never",
    test: { name: "never", needs: 0, run: () => new Promise(() => {}) },
  };
  assert(!await runTests([never], all));
  assert.deepEqual(all.captured, ["never"]);
});
