/** Each invariant of claims after the ends of their containers is broken on purpose, and found. */
import assert from "node:assert/strict";
import { step } from "../../../../src/agent/step.ts";
import type { Ledger } from "../../../../src/ledger/ledger.ts";
import { exclusive, pinned, SHARED, Stage } from "../../../../tools/simulate/stage.ts";

/** A node whose agent's ledger is changed after each step. */
function stageWith(change: (ledger: Ledger) => Ledger = (ledger) => ledger): Stage {
  return Stage.serving({ mode: "kernel" }, {
    step: (agent, input) => {
      const next = step(agent, input);
      const ledger = change(next.agent.state.ledger);
      return { ...next, agent: { ...next.agent, state: { ...next.agent.state, ledger } } };
    },
  });
}

const withoutHeld = (ledger: Ledger) =>
  ledger.heldClaims.reduce((next, { container }) => next.without(container.id), ledger);
const withoutLeftovers = (ledger: Ledger) =>
  ledger.leftovers.reduce((next, { container }) => next.without(container.id), ledger);

/** An exclusive container runs, and ends; with \`lingers\` it leaves processes behind. */
function ends(stage: Stage, lingers = false): string | undefined {
  return stage.run("e", exclusive(1)) ?? stage.play(
    ...lingers ? [{ kind: "linger", id: "e" } as const] : [],
    { kind: "stop", id: "e" },
  );
}

Deno.test("an agent that does what it should passes", () => {
  for (const lingers of [false, true]) {
    const stage = stageWith();
    assert.equal(
      stage.run("s", SHARED) ?? ends(stage, lingers) ?? stage.run("p", pinned("2")) ??
        stage.play({ kind: "tick", ms: 3000 }, { kind: "tick", ms: 31_000 }, { kind: "reap", id: "e" }),
      undefined,
    );
    assert.equal(stage.play({ kind: "create", pod: 2, slot: 0, id: "e2" }, { kind: "quiet" }), undefined);
  }
});

Deno.test("an agent that gives the CPUs of ended containers away is found", () => {
  assert.match(ends(stageWith(withoutHeld)) ?? "", /the claims of a living pod are its own: p1 has lost 1/);
});

Deno.test("an agent that doesn't follow what ended containers leave behind is found", () => {
  const problem = ends(stageWith((ledger) => withoutHeld(withoutLeftovers(ledger))), true);
  assert.match(problem ?? "", /has lost 1|that of e isn't/);
});

Deno.test("a claim that is held after the end of its pod is found at rest", () => {
  let kept: Ledger | undefined;
  const stage = stageWith((ledger) => {
    if (ledger.heldClaims.length > 0) kept = ledger;
    return kept?.heldClaims.reduce((next, each) => next.with(each), ledger) ?? ledger;
  });
  ends(stage);
  assert.match(
    stage.play({ kind: "stopPod", pod: 1 }, { kind: "quiet" }) ?? "",
    /1 is held for u1, which has ended/,
  );
});
