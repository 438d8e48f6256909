/** Growth of the shared pool waits, becomes one round, and is never forgotten. */
import assert from "node:assert/strict";
import type { Output } from "../../../src/agent/step.ts";
import { Link } from "../../kit/link.ts";
import { bigNode } from "../../kit/sysfs.ts";

const web = { name: "web" };
const db = { name: "db", cpus: 4 };
const other = { name: "other", cpus: 2 };

function waiting(): Link {
  const link = Link.serving([], bigNode, { growDelayMs: 500 });
  for (const wanted of [web, db, other]) link.create(wanted);
  return link;
}

function asked(link: Link): Output[] {
  return link.asked.splice(0);
}

/** What the host is asked to bring about, as `id=cpus`. */
function applied(link: Link): string[] {
  return asked(link).flatMap((output) => output.kind === "apply" ? output.changes : [])
    .map(({ id, cpus }) => `${id}=${cpus}`);
}

Deno.test("the reply to a stop names nobody who would only gain, and a tick is asked for", () => {
  const link = waiting();
  assert.deepEqual(link.stop(db), []);
  assert.deepEqual(asked(link), [{ kind: "wake", after: 500 }]);
  assert.deepEqual(link.stop(other), [], "the second one joins the first");
  assert.deepEqual(asked(link), []);
});

Deno.test("what several ends have freed is one update of each container", () => {
  const link = waiting();
  link.stop(db);
  link.stop(other);
  asked(link);
  link.now = 499;
  link.feed({ kind: "tick", now: 499 });
  assert.deepEqual(applied(link), []);
  link.feed({ kind: "tick", now: 500 });
  assert.deepEqual(applied(link), ["id-web=0-63"]);
});

Deno.test("whoever has to be named anyway is told all at once", () => {
  const link = waiting();
  link.stop(db);
  const { updates } = link.create({ name: "pin", annotations: { "weka.io/cores-ids": "5" } });
  assert.deepEqual(updates, ["id-web=0-2,4,6-34,36-63"]);
});

Deno.test("once it has waited long enough the next reply carries it, whatever comes meanwhile", () => {
  const link = waiting();
  link.stop(db);
  for (link.now = 100; link.now < 500; link.now += 100) {
    assert.deepEqual(link.create({ name: `s${link.now}` }).updates, []);
  }
  assert.deepEqual(link.create({ name: "late" }).updates, ["id-web=0-2,4-34,36-63"]);
  link.feed({ kind: "tick", now: 10_000 });
  assert.deepEqual(applied(link), [], "and then it isn't owed any more");
});

Deno.test("where nobody could bring it about it is asked for again, though not with every tick", () => {
  const link = waiting();
  link.stop(db);
  asked(link);
  const due = ["id-web=0-2,4-34,36-63"];
  for (const [now, expected] of [[500, due], [1000, []], [5499, []], [5500, due]] as const) {
    link.feed({ kind: "tick", now });
    assert.deepEqual(applied(link), expected, `${now} ms`);
  }
});

Deno.test("what the host brings about arrives as an update of one container, and names no others", () => {
  const link = waiting();
  link.create({ name: "second" });
  link.stop(db);
  link.now = 500;
  link.feed({ kind: "tick", now: 500 });
  assert.deepEqual(link.update(web, "0-2,4-34,36-63"), ["id-web=0-2,4-34,36-63"]);
  assert.deepEqual(link.update({ name: "second" }, "0-2,4-34,36-63"), ["id-second=0-2,4-34,36-63"]);
  asked(link);
  link.feed({ kind: "tick", now: 6000 });
  assert.deepEqual(applied(link), []);
});

Deno.test("a degraded container isn't kept waiting for CPUs of its own", () => {
  const link = Link.serving(
    [{ ...other, record: "1", createdAt: 1n }, { name: "late", cpus: 1, record: "1" }],
    undefined,
    {
      growDelayMs: 500,
      policy: { ...Link.serving().agent.state.policy },
    },
  );
  assert.equal(link.agent.state.ledger.degraded.length, 1);
  assert.deepEqual(link.stop({ name: "late", cpus: 1 }), []);
});

Deno.test("without a delay growth rides in the reply that frees the CPUs", () => {
  const link = Link.serving([], bigNode, { growDelayMs: 0 });
  for (const wanted of [web, db]) link.create(wanted);
  assert.deepEqual(link.stop(db), ["id-web=0-63"]);
});
