/** While claims are barred, nobody is given CPUs of its own; all else goes on. */
import assert from "node:assert/strict";
import { CORES_IDS } from "../../../src/nri/annotations.ts";
import { DEFAULT_SETTINGS } from "../../kit/policy.ts";
import { Link } from "../../kit/link.ts";
import type { Wanted } from "../../kit/messages.ts";

const web: Wanted = { name: "web" };
const db: Wanted = { name: "db", cpus: 1 };
const pin: Wanted = { name: "pin", annotations: { [CORES_IDS]: "1" } };
const WHY = "two deciders fight";

function barred(running: readonly Wanted[] = [], setup?: ConstructorParameters<typeof Link>[1]): Link {
  const link = Link.serving(running, undefined, setup);
  link.feed({ kind: "barred", why: WHY });
  return link;
}

Deno.test("pinned and exclusive creations are refused with the reason, shared ones pass", () => {
  const link = barred();
  const before = link.agent.state.ledger;
  assert.equal(link.refusal(db), `cpuset: pod ns/db container c: ${WHY}`);
  assert.equal(link.refusal(pin), `cpuset: pod ns/pin container c: ${WHY}`);
  assert.equal(link.agent.state.ledger, before);
  assert.deepEqual(link.create(web), { cpus: "", mems: "", updates: [] });
  assert.equal(link.agent.state.ledger.assignments.size, 1);
});

Deno.test("a claim that can't be read is refused for what is wrong with it", () => {
  const bad = { name: "bad", annotations: { [CORES_IDS]: "0-" } };
  assert.match(barred().refusal(bad), /is not a CPU list/);
});

Deno.test("those that have CPUs of their own keep them, and are served to their end", () => {
  const link = barred([web, { ...db, record: "1" }]);
  assert.equal(link.agent.state.ledger.claimed.toString(), "1");
  assert.deepEqual(link.update(db), ["id-db=1"]);
  assert.deepEqual(link.stop(db), ["id-web=0-1"]);
});

Deno.test("once nothing is against it any more, they are created", () => {
  const link = barred();
  link.refusal(db);
  link.feed({ kind: "barred", why: undefined });
  assert.equal(link.create(db).cpus, "1");
});

Deno.test("new settings and a new connection don't lift the bar", () => {
  const link = barred();
  link.feed({ kind: "settings", settings: { ...DEFAULT_SETTINGS, growDelayMs: 0 } });
  assert.match(link.refusal(db), /two deciders fight/);
  link.feed({ kind: "disconnected" });
  link.register();
  link.configure();
  assert.match(link.refusal(db), /two deciders fight/, "also before the runtime has told what runs");
  link.synchronize([]);
  assert.match(link.refusal(db), /two deciders fight/);
});

Deno.test("a dry run only says that it would refuse", () => {
  const link = barred([], { dryRun: true });
  assert.deepEqual(link.create(db), { cpus: "", mems: "", updates: [] });
  assert(link.logged("warn").includes(`would refuse: cpuset: pod ns/db container c: ${WHY}`));
});
