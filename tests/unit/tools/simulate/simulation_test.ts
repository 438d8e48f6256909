/** The simulation itself, as much of it as fits into the unit tests; `make simulate` plays more. */
import assert from "node:assert/strict";
import { MACHINES } from "../../../../tools/simulate/machines.ts";
import { playOf } from "../../../../tools/simulate/play_file.ts";
import { playLines } from "../../../../tools/simulate/report.ts";
import { shrink } from "../../../../tools/simulate/shrink.ts";
import { failureOf, replay, simulate } from "../../../../tools/simulate/simulate.ts";
import type { Tally } from "../../../../tools/simulate/tally.ts";

const FOUND = new URL("../../../../tools/simulate/found/", import.meta.url);

Deno.test("50000 events on many nodes break no invariant, and every kind of event is among them", () => {
  const { violations, events, nodes, coverage, seen } = simulate({ seed: 1, events: 50_000, perNode: 500 });
  requireNone(violations);
  assert.equal(events, 50_000);
  assert.equal(nodes, 100);
  assert.deepEqual(coverage.missing, []);
  assert(coverage.pairs.size > 500, `${coverage.pairs.size} pairs of kinds`);
  assert(seen.rests >= nodes && seen.updates > 1000 && seen.refused > 100, JSON.stringify(seen));
});

/** Fails with the shortest list of events that leads to the first of them. */
function requireNone([violation]: Tally["violations"]): void {
  assert.equal(violation && playLines(shrink(failureOf(violation))).join("\n"), undefined);
}

Deno.test("each machine is played on", () => {
  for (const machine of Object.keys(MACHINES)) {
    requireNone(simulate({ seed: 77, events: 300, perNode: 150, machine }).violations);
  }
});

Deno.test("a seed plays the same events every time", () => {
  const play = () => {
    const { coverage, seen } = simulate({ seed: 5, events: 600 });
    return { pairs: [...coverage.pairs], seen };
  };
  assert.deepEqual(play(), play());
});

for (const { name } of Deno.readDirSync(FOUND)) {
  // What is still to be mended is NAME.todo.jsonl.
  if (!name.endsWith(".jsonl") || name.endsWith(".todo.jsonl")) continue;
  Deno.test(`what the simulation has found stays mended: ${name}`, () => {
    const seen = replay(playOf(Deno.readTextFileSync(new URL(name, FOUND))));
    assert.equal(seen?.problem, undefined);
  });
}
