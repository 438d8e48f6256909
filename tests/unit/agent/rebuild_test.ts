/** What the agent does when the runtime doesn't tell it which containers run, and while another agent decides. */
import assert from "node:assert/strict";
import type { Output } from "../../../src/agent/step.ts";
import { CpuSet } from "../../../src/cpu/cpu_set.ts";
import { CORES_IDS } from "../../../src/nri/annotations.ts";
import { bigNode, type MachineSpec } from "../../kit/sysfs.ts";
import { Link } from "../../kit/link.ts";
import { containerOf, podOf, type Wanted } from "../../kit/messages.ts";
import { DEFAULT_POLICY, DEFAULT_SETTINGS } from "../../kit/policy.ts";

const web: Wanted = { name: "web" };
const db: Wanted = { name: "db", cpus: 1 };
const NOT_YET = /not synchronized with the runtime yet/;

/** Registered and configured, and never synchronized: as containerd 1.7.24 treats the plugins that it launches. */
function unsynchronized(machine?: MachineSpec, setup?: ConstructorParameters<typeof Link>[1]): Link {
  const link = new Link(machine, setup);
  link.register();
  link.configure();
  return link;
}

function tell(link: Link, running: readonly Wanted[]): void {
  link.feed({
    kind: "listed",
    listing: { pods: running.map(podOf), containers: running.map(containerOf) },
  });
}

function kinds(outputs: readonly Output[]): string[] {
  return outputs.map((output) => output.kind);
}

function owed(link: Link): string[] {
  return link.asked.flatMap((o) =>
    o.kind === "apply" ? o.changes.map(({ id, cpus }) => `${id}=${cpus}`) : []
  );
}

Deno.test("a second after Configure without a Synchronize the containers are asked for, once", () => {
  const link = unsynchronized();
  for (const now of [500, 999]) link.feed({ kind: "tick", now });
  assert.deepEqual(link.asked, []);
  for (const now of [1000, 1500, 9000]) link.feed({ kind: "tick", now });
  assert.deepEqual(kinds(link.asked), ["list"]);
});

Deno.test("the first event asks at once; until the answer only shared containers are let in", () => {
  const link = unsynchronized();
  assert.deepEqual(link.create(web), { cpus: "", mems: "", updates: [] });
  assert.deepEqual(kinds(link.asked), ["list"]);
  assert.match(link.refusal(db), NOT_YET);
  tell(link, [web]);
  assert.deepEqual(link.create(db).updates, ["id-web=0"]);
});

Deno.test("what the list shows wrong is to be put right, and stays owed until it is", () => {
  const link = unsynchronized();
  link.feed({ kind: "tick", now: 1000 });
  tell(link, [web, db]);
  assert.deepEqual(owed(link), ["id-db=1", "id-web=0"]);
  assert.deepEqual(link.update(db), ["id-web=0", "id-db=1"], "the next reply carries it in any case");
  assert.deepEqual(link.update(web), ["id-web=0"], "and after that nothing but its own");
});

Deno.test("an exclusive container keeps the CPUs that the list says it has", () => {
  const link = unsynchronized(bigNode);
  link.feed({ kind: "tick", now: 1000 });
  tell(link, [{ name: "db", cpus: 2, record: "17,40" }]);
  assert.deepEqual(owed(link), []);
  assert.deepEqual(link.update({ name: "db", cpus: 2 }), ["id-db=17,40"]);
});

Deno.test("a container that was created while the list was on its way isn't forgotten", () => {
  const link = unsynchronized();
  link.create(web);
  tell(link, []);
  assert.deepEqual(link.create(db).updates, ["id-web=0"]);
});

Deno.test("a container that ended while the list was on its way doesn't come back", () => {
  const link = unsynchronized();
  link.stop(db);
  tell(link, [{ ...db, record: "1" }]);
  assert(link.agent.state.ledger.claimed.isEmpty);
});

Deno.test("after ten seconds without a list the CPUs that seem taken are left alone, loudly", () => {
  const link = unsynchronized(bigNode);
  link.feed({ kind: "tick", now: 1000 });
  link.feed({ kind: "tick", now: 10_999 });
  assert.deepEqual(kinds(link.asked), ["list"]);
  link.feed({ kind: "tick", now: 11_000 });
  link.feed({ kind: "tick", now: 12_000 });
  assert.deepEqual(kinds(link.asked), ["list", "scan"]);
  link.feed({ kind: "scanned", claims: CpuSet.range(1, 7) });
  assert(link.logged("error").some((m) => m.startsWith("degraded: the running containers are unknown")));
  assert.equal(link.create({ name: "new", cpus: 2 }).cpus, "8,40", "no core of which a thread is taken");
});

Deno.test("a list that comes after all replaces the guess", () => {
  const link = unsynchronized(bigNode);
  link.feed({ kind: "tick", now: 1000 });
  link.feed({ kind: "tick", now: 11_000 });
  link.feed({ kind: "scanned", claims: CpuSet.range(1, 7) });
  tell(link, [{ name: "db", cpus: 2, record: "1,33" }]);
  assert.equal(link.agent.state.ledger.claimed.toString(), "1,33");
});

Deno.test("ends that the runtime never tells are found by counting, as long as there is one to wait for", () => {
  const link = unsynchronized(undefined, { reconcileMs: 0 });
  link.feed({ kind: "tick", now: 1000 });
  tell(link, [web, { ...db, record: "1" }]);
  assert.deepEqual(owed(link), ["id-web=0"]);
  link.update(web);
  for (const now of [5999, 6000, 6500]) link.feed({ kind: "tick", now });
  assert.deepEqual(kinds(link.asked), ["list", "apply", "wake", "count"]);
  link.feed({ kind: "counted", living: new Set(["id-web", "id-db", "other"]) });
  assert.equal(link.agent.state.ledger.claimed.toString(), "1");
  link.feed({ kind: "tick", now: 11_000 });
  link.feed({ kind: "counted", living: new Set(["id-web"]) });
  assert.equal(
    link.agent.state.ledger.claimed.toString(),
    "1",
    "the count may be from before it was created",
  );
  link.feed({ kind: "counted", living: new Set(["id-web"]) });
  assert(link.agent.state.ledger.claimed.isEmpty);
  assert.deepEqual(owed(link), ["id-web=0", "id-web=0-1"]);
  link.feed({ kind: "counted", living: new Set() });
  link.feed({ kind: "counted", living: new Set() });
  link.feed({ kind: "tick", now: 99_000 });
  assert.equal(kinds(link.asked).filter((kind) => kind === "count").length, 2, "nobody is left to ask after");
});

Deno.test("a container that the runtime has told of isn't forgotten because it wasn't counted", () => {
  const link = unsynchronized();
  link.feed({ kind: "tick", now: 1000 });
  tell(link, [web]);
  link.create(db);
  link.feed({ kind: "counted", living: new Set() });
  assert.equal(link.agent.state.ledger.claimed.toString(), "1");
});

Deno.test("a scan that finds nothing claims nothing", () => {
  const link = unsynchronized();
  link.feed({ kind: "tick", now: 1000 });
  link.feed({ kind: "tick", now: 11_000 });
  link.feed({ kind: "scanned", claims: CpuSet.empty });
  assert.equal(link.create(db).cpus, "1");
});

Deno.test("a Synchronize that comes first makes the list and the scan void", () => {
  const link = unsynchronized();
  link.synchronize([{ ...db, record: "1" }]);
  link.feed({ kind: "tick", now: 99_000 });
  tell(link, []);
  link.feed({ kind: "scanned", claims: CpuSet.of(0) });
  assert.deepEqual(link.asked, []);
  assert.equal(link.agent.state.ledger.claimed.toString(), "1");
});

Deno.test("a dry run asks for the list and changes nothing by it", () => {
  const link = unsynchronized(undefined, { dryRun: true });
  link.feed({ kind: "tick", now: 1000 });
  tell(link, [web, db]);
  assert.deepEqual(owed(link), []);
});

Deno.test("an agent that stands by answers everything and changes nothing", () => {
  const link = unsynchronized(undefined, { standby: true });
  assert.deepEqual(link.synchronize([web, db]), []);
  assert.deepEqual(link.synchronize([web], true), []);
  assert.deepEqual(link.create(db), { cpus: "", mems: "", updates: [] });
  assert.deepEqual(link.create({ name: "bad", annotations: { [CORES_IDS]: "0-" } }), {
    cpus: "",
    mems: "",
    updates: [],
  });
  assert.deepEqual(link.update(db), []);
  assert.deepEqual(link.stop(db), []);
  link.feed({ kind: "tick", now: 99_000 });
  assert.deepEqual(link.asked, []);
});

Deno.test("once it becomes the owner it asks what runs, and decides nothing before it knows", () => {
  const link = unsynchronized(undefined, { standby: true });
  link.synchronize([]);
  link.create(web);
  link.feed({ kind: "promoted", now: 5000 });
  assert.deepEqual(kinds(link.asked), ["list"]);
  assert.match(link.refusal(db), NOT_YET);
  tell(link, [web]);
  assert.deepEqual(link.create(db), { cpus: "1", mems: "", updates: ["id-web=0"] });
});

Deno.test("becoming the owner before the runtime has configured it changes the usual order in nothing", () => {
  const link = new Link(undefined, { standby: true });
  link.register();
  link.feed({ kind: "promoted", now: 0 });
  assert.deepEqual(link.asked, []);
  link.configure();
  assert.deepEqual(link.synchronize([web, db]), ["id-db=1", "id-web=0"]);
});

Deno.test("the runtime's configuration text is handed to the host, whose answer counts from then on", () => {
  const link = new Link();
  link.register();
  link.configure("minShared: 0");
  assert.deepEqual(link.asked, [{ kind: "configure", text: "minShared: 0" }]);
  link.feed({
    kind: "settings",
    settings: { ...DEFAULT_SETTINGS, policy: { ...DEFAULT_POLICY, minShared: 0 } },
  });
  link.synchronize([]);
  assert.equal(link.create({ name: "all", cpus: 2 }).cpus, "0-1");
});

Deno.test("a move rides in the reply: those who make room first, then the moved one, the rest later", () => {
  const link = Link.serving([web, { name: "db", cpus: 2, record: "1,33" }], bigNode);
  const pin = { name: "pin", annotations: { [CORES_IDS]: "1" } };
  assert.deepEqual(link.create(pin), {
    cpus: "1",
    mems: "0",
    updates: ["id-web=0,3-32,35-63", "id-db=2,34"],
  });
  link.start(pin);
  assert.deepEqual(link.stop(pin), ["id-web=0-1,3-33,35-63"], "db stays where it is");
});

Deno.test("a creation that failed gives the moved container its place back", () => {
  const link = Link.serving([{ name: "db", cpus: 2, record: "1,33" }], bigNode);
  const pin = { name: "pin", annotations: { [CORES_IDS]: "1" } };
  link.create(pin);
  assert.deepEqual(link.stop(pin), ["id-db=1,33"]);
  link.remove(pin);
});
