import assert from "node:assert/strict";
import type { Mangle } from "../../../../tools/simulate/conversation.ts";
import { playOf, textOf } from "../../../../tools/simulate/play_file.ts";
import { scriptOf } from "../../../../tools/simulate/script_text.ts";
import { essence, shrink } from "../../../../tools/simulate/shrink.ts";
import { type Failure, failureOf, replay, simulate } from "../../../../tools/simulate/simulate.ts";
import { FOUR, SHARED } from "../../../../tools/simulate/stage.ts";

/** An agent that sends updates twice. */
const twice: Mangle = (_, others) => [...others, ...others];

function failing(): Failure {
  const [violation] = simulate({ seed: 1, events: 1000, doubles: { mangle: twice } }).violations;
  assert(violation, "the broken agent wasn't noticed");
  return failureOf(violation, { mangle: twice });
}

Deno.test("a failure becomes a short list that fails in the same way, again and again", () => {
  const long = failing();
  const short = shrink(long, { mangle: twice });
  assert.match(short.problem, /is updated twice in one answer/);
  assert(
    short.events.length <= 20 && short.events.length < long.events.length,
    `${short.events.length} events`,
  );
  const again = replay(playOf(textOf(short)), { mangle: twice });
  assert.equal(again?.problem, short.problem);
  assert.equal(again?.at, short.events.length - 1);
  assert.equal(replay(short), undefined, "without the bug nothing is broken");
});

Deno.test("no event of a shrunk list can be left out", () => {
  const short = shrink(failing(), { mangle: twice });
  for (const at of short.events.keys()) {
    const seen = replay({ ...short, events: short.events.toSpliced(at, 1) }, { mangle: twice });
    assert(
      seen === undefined || essence(seen.problem) !== essence(short.problem),
      `event ${at + 1} isn't needed`,
    );
  }
});

Deno.test("what a failure is about doesn't depend on ids, sets and numbers", () => {
  assert.equal(essence("apply: c12 has 0-3 already"), essence("apply: q7.0.1 has 5 already"));
  assert.equal(essence("at rest, c1 should be on 0,2"), essence("at rest, q3.1.0 should be on 4-7"));
  assert.notEqual(essence("apply: c1 twice"), essence("answer: c1 twice"));
});

Deno.test("a play file that is none is refused", () => {
  assert.throws(() => playOf("{}\n"), /no scenario/);
  assert.throws(() => playOf(`${JSON.stringify(FOUR)}\n{"pod":1}\n`), /not an event/);
});

Deno.test("a failure becomes a script where nothing in it is lost, late or torn", () => {
  const events = [
    { kind: "connect" },
    { kind: "sync", parts: 1 },
    { kind: "pod", pod: 3, spec: SHARED },
    { kind: "create", pod: 3, slot: 0, id: "c1" },
    { kind: "note", id: "c1" },
    { kind: "stop", id: "c1" },
    { kind: "create", pod: 3, slot: 0, id: "c2" },
  ] as const;
  const failure = { scenario: FOUR, events, problem: "it is wrong" };
  assert.deepEqual(scriptOf(failure)?.split("\n"), [
    "# it is wrong",
    "machine sockets=1 nodes=1 cores=4 threads=1",
    "configure growDelayMs: 0",
    "configure minShared: 1",
    "configure strictReserved: false",
    "",
    "create p3/a shares=2 period=100000 besteffort namespace=ns",
    "stop p3/a",
    "create p3/a#2 shares=2 period=100000 besteffort namespace=ns",
    "----",
    "",
  ]);
  assert.equal(scriptOf({ ...failure, events: [...events, { kind: "drop" }] }), undefined);
});
