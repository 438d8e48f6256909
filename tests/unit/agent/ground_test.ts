/** CPUs that go offline and come back, and an administrator who changes his mind, while containers run. */
import assert from "node:assert/strict";
import { CORES_IDS } from "../../../src/nri/annotations.ts";
import { DEFAULT_SETTINGS } from "../../kit/policy.ts";
import { bigNode, topologyOf } from "../../kit/sysfs.ts";
import { cpus } from "../../kit/books.ts";
import { Link } from "../../kit/link.ts";

const web = { name: "web" };
const db = { name: "db", cpus: 2 };
const pin = { name: "pin", annotations: { [CORES_IDS]: "5-6" } };

function applied(link: Link): string[] {
  return link.asked.splice(0).flatMap((output) => output.kind === "apply" ? output.changes : [])
    .map(({ id, cpus }) => `${id}=${cpus}`);
}

function offline(link: Link, list: string, struck = false): string[] {
  const topology = topologyOf({ ...bigNode, offline: list });
  link.feed({ kind: "ground", now: link.now, topology, struck });
  return applied(link);
}

Deno.test("what has to be put right after a CPU went offline is, at once", () => {
  const link = Link.serving([], bigNode);
  for (const wanted of [web, db, pin]) link.create(wanted);
  assert.deepEqual(offline(link, "1"), ["id-web=0,3-4,7-32,35-63", "id-db=2,34"]);
  assert.deepEqual(link.logged("warn"), ["the CPUs that are online have changed"]);
});

Deno.test("a pinned container that loses a CPU is told of in the log, and so is its recovery", () => {
  const link = Link.serving([], bigNode);
  link.create(pin);
  assert.deepEqual(offline(link, "6"), [], "the kernel keeps it off that CPU by itself");
  assert.match(link.logged("warn").at(-1) ?? "", /^degraded: weka.io\/cores-ids names CPU 6, not online/);
  assert.deepEqual(offline(link, ""), []);
  assert.match(link.logged("info").at(-1) ?? "", /^no longer degraded: placed pinned/);
});

Deno.test("a new container is placed on what is online now", () => {
  const link = Link.serving([], bigNode);
  offline(link, "1,33");
  assert.equal(link.create(db).cpus, "2,34");
  assert.match(link.refusal({ name: "p", annotations: { [CORES_IDS]: "33" } }), /names CPU 33, not online/);
});

Deno.test("before the containers are known nothing is put right", () => {
  const link = new Link(bigNode);
  link.register();
  link.configure();
  assert.deepEqual(offline(link, "1"), []);
  assert.deepEqual(link.synchronize([{ ...db, record: "2,34" }]), []);
});

Deno.test("CPUs reserved by the runtime's configuration are left by those who have them", () => {
  const link = Link.serving([], bigNode);
  link.create(db);
  const policy = { ...DEFAULT_SETTINGS.policy, systemReserved: cpus("0-1,32-33") };
  link.feed({ kind: "settings", settings: { ...DEFAULT_SETTINGS, growDelayMs: 0, policy } });
  assert.deepEqual(applied(link), ["id-db=2,34"]);
});

Deno.test("a dry run puts nothing right", () => {
  const link = Link.serving([], bigNode, { dryRun: true });
  link.create(db);
  assert.deepEqual(offline(link, "1"), []);
});
