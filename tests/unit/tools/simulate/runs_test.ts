/** Runs over many nodes: which are played, on which threads, and what is printed of violations. */
import assert from "node:assert/strict";
import { byCause, causeOf } from "../../../../tools/simulate/causes.ts";
import { causeLines, playedLines, summaryLine } from "../../../../tools/simulate/report.ts";
import { drawScenario } from "../../../../tools/simulate/scenario.ts";
import { consecutiveSeeds, evenSeeds, nodesOf } from "../../../../tools/simulate/seeds.ts";
import { simulate } from "../../../../tools/simulate/simulate.ts";
import { FOUR } from "../../../../tools/simulate/stage.ts";
import { setupOf, Tally, type Violation } from "../../../../tools/simulate/tally.ts";
import { Threads } from "../../../../tools/simulate/threads.ts";

Deno.test("events are spread over nodes, the last of which gets the rest", () => {
  assert.deepEqual([...nodesOf(consecutiveSeeds(7), 25, 10)], [
    { seed: 7, count: 10 },
    { seed: 8, count: 10 },
    { seed: 9, count: 5 },
  ]);
  assert.deepEqual([...nodesOf(consecutiveSeeds(7), 0, 10)], []);
});

Deno.test("drawn seeds cover modes, cgroup versions and drivers evenly, and a seed alone tells its node", () => {
  const setups = evenSeeds(5).take(24).map((seed) => setupOf(drawScenario(seed))).toArray();
  assert.equal(new Set(setups.slice(0, 12)).size, 12);
  assert.deepEqual(setups.slice(12), setups.slice(0, 12));
  const chosen = { mode: "kernel" } as const;
  const kernel = evenSeeds(5, chosen).take(4).map((seed) => setupOf(drawScenario(seed, chosen))).toArray();
  assert.deepEqual(kernel.sort(), [
    ...["kernel v1 cgroupfs", "kernel v1 systemd", "kernel v2 cgroupfs", "kernel v2 systemd"],
  ]);
});

Deno.test("what is chosen changes nothing else of a node", () => {
  const drawn = drawScenario(3);
  const chosen = { mode: "blind", cgroups: 1, driver: "systemd" } as const;
  assert.deepEqual(drawScenario(3, chosen), { ...drawn, ...chosen });
});

Deno.test("several threads play what one plays, and begin no more nodes once they are to stop", async () => {
  const threads = new Threads(2);
  try {
    const tally = await threads.play(nodesOf(consecutiveSeeds(1), 2000, 100), {});
    const one = simulate({ seed: 1, events: 2000, perNode: 100 });
    const sorted = (counts: ReadonlyMap<string, number>) => [...counts].sort();
    assert.deepEqual(
      [tally.events, tally.nodes, tally.seen, sorted(tally.setups), sorted(tally.coverage.pairs)],
      [one.events, one.nodes, one.seen, sorted(one.setups), sorted(one.coverage.pairs)],
    );
    const stopped = await threads.play(nodesOf(consecutiveSeeds(1), 1e9, 10), {}, ({ nodes }) => nodes < 20);
    assert(stopped.nodes >= 20 && stopped.nodes < 100, `${stopped.nodes} nodes`);
  } finally {
    threads.end();
  }
});

function violation(seed: number, problem: string, at: number): Violation {
  return { scenario: { ...FOUR, seed }, count: 100, problem, at };
}

Deno.test("violations are listed by cause, the commonest first, each with its command", () => {
  const violations = [
    violation(9, "c12 was given 4 before c3 had left", 50),
    violation(4, "the agent throws: no\n    at here", 3),
    violation(7, "q7.0.1 was given 0-2,5 before c300 had left", 20),
  ];
  const [first, second] = byCause(violations);
  assert(first !== undefined && second !== undefined);
  assert.equal(first.shortest.scenario.seed, 7);
  assert.deepEqual(causeLines(first, ({ scenario: { seed } }) => `seed ${seed}`), [
    "2 × c# was given # before c# had left",
    "    blind v2 cgroupfs, event 21: seed 7",
    "    blind v2 cgroupfs, event 51: seed 9",
  ]);
  assert.equal(second.cause, "the agent throws: no");
});

Deno.test("a cause has no ids, CPU lists and numbers", () => {
  assert.equal(causeOf("apply: c12 has 0-3 already"), causeOf("apply: q7.0.1 has 5 already"));
  assert.equal(causeOf("cpuset: pod ns/p12 container a: 3 CPUs"), "cpuset: pod # container #: # CPUs");
  assert.notEqual(causeOf("apply: c1 twice"), causeOf("answer: c1 twice"));
});

Deno.test("a run ends with its figures, by mode and in one line", () => {
  const tally = new Tally();
  tally.events = 2000;
  tally.nodes = 20;
  tally.modes.set("blind", 1500).set("kernel", 500);
  tally.violations.push(violation(1, "no", 1));
  const lines = playedLines(tally, 1).join("\n");
  assert.match(lines, /^blind +1500 +1 +666.7$/m);
  assert.match(lines, /^kernel +500 +0 +0.0$/m);
  assert.match(lines, /^all +2000 +1 +500.0$/m);
  assert.match(lines, /^events that were never played: .*hotplug/m);
  assert.equal(
    summaryLine(tally, 1, 3.14),
    "simulate: 2000 events, 1 violations (1 causes), 20 seeds, 3.1 s",
  );
});
