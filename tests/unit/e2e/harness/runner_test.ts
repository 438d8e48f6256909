import assert from "node:assert/strict";
import type { Bench } from "../../../e2e/harness/bench.ts";
import type { NodeView } from "../../../e2e/harness/check.ts";
import type { RunEvent } from "../../../e2e/harness/events.ts";
import { parseRun } from "../../../e2e/harness/options.ts";
import { Progress } from "../../../e2e/harness/progress.ts";
import type { Test } from "../../../e2e/harness/suite.ts";
import { type Chosen, runTests, type Surroundings } from "../../../e2e/harness/runner.ts";

/** A cluster without pods, whose nodes have four CPUs each. */
function around(
  env: Record<string, string> = {},
  ...nodes: readonly string[]
): Surroundings & { seen: RunEvent["kind"][]; acquired: string[]; captured: string[] } {
  const [seen, acquired, captured] = [[] as RunEvent["kind"][], [] as string[], [] as string[]];
  const add = (event: RunEvent) => {
    if (event.kind === "node") acquired.push(`${event.node} ${event.what}: ${event.test}`);
    else seen.push(event.kind);
  };
  const known = { get: () => Promise.resolve({ items: [] }), post: () => Promise.resolve({}) };
  return {
    kube: known,
    cache: { pods: [] },
    views: (nodes.length > 0 ? nodes : ["one"]).map((name) => ({ name, cpus: [0, 1, 2, 3], room: 4 })),
    place: { image: "", pullPolicy: "Never" },
    way: "service",
    events: { add },
    options: parseRun([], (name) => env[name]),
    capture: ({ title }: Chosen, { name }: NodeView) =>
      Promise.resolve(void captured.push(`${title} on ${name}`)),
    progress: new Progress(() => {}),
    seen,
    acquired,
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
  assert.deepEqual([goesOn.captured, goesOn.seen.length], [["test 0 on one"], 4]);
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
  assert.deepEqual(all.captured, ["never on one"]);
});

/** Tests that end when all of as many as there are nodes have begun, with where each ran. */
function together(count: number, ...tests: readonly Partial<Test>[]) {
  const ran: string[] = [];
  const all = Promise.withResolvers<void>();
  const chosen = tests.map((test, at): Chosen => ({
    title: `${at}`,
    test: {
      name: `${at}`,
      needs: 1,
      run: async ({ node, namespace }: Bench) => {
        ran.push(`${at} on ${node} in ${namespace}`);
        if (ran.length === count) all.resolve();
        await all.promise;
      },
      ...test,
    },
  }));
  return { chosen, ran };
}

Deno.test("of several nodes each worker has one, whole: also tests that need one for themselves run side by side", async () => {
  const { chosen, ran } = together(2, { alone: true }, { own: true });
  assert(await runTests(chosen, around({}, "one", "two")));
  assert.deepEqual(ran, ["0 on one in wekaplugin-e2e-w0", "1 on two in wekaplugin-e2e-w1"]);
  const small = watched({ needs: 1 }, { needs: 1 }, { needs: 1 });
  assert(await runTests(small.tests, around({}, "one", "two")));
  assert.equal(small.most.claimed, 2);
});

Deno.test("what is done to all nodes comes last, with all of them", async () => {
  const { tests, most } = watched({ needs: 1, alone: true }, { needs: 1 }, { needs: 1 });
  const [first, ...others] = tests;
  assert(first !== undefined);
  const all = around({}, "one", "two");
  assert(await runTests([{ ...first, test: { ...first.test, everywhere: true } }, ...others], all));
  assert.equal(most.besideAlone, 0);
  assert.deepEqual(all.acquired.slice(-2), ["one, two taken: test 0", "one, two given back: test 0"]);
});

Deno.test("a node whose test has failed is set aside, and the others do the rest; the last one stays", async () => {
  const fails = () => Promise.reject(new Error("as planned"));
  const { chosen, ran } = together(1, { run: fails }, {}, {}, { run: fails }, {});
  const all = around({ TEST_PARALLEL: "1" }, "one", "two");
  assert(!await runTests(chosen, all));
  assert.deepEqual(all.captured, ["0 on one", "3 on two"]);
  assert.deepEqual(ran.map((each) => each.slice(0, 8)), ["1 on two", "2 on two", "4 on two"]);
  assert.deepEqual(all.acquired, [
    ...["one taken: 0", "one set aside: 0", "two taken: 1", "two given back: 1", "two taken: 2"],
    ...["two given back: 2", "two taken: 3", "two given back: 3", "two taken: 4", "two given back: 4"],
  ]);
});
