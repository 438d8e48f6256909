/**
 * The gaps in what a runtime tells: updates that are lost while a container starts, containers that nobody
 * mentioned, ends that are never reported. Each was seen on a real containerd.
 */
import assert from "node:assert/strict";
import { ContainerState, Event } from "../../../src/nri/gen/nri_pb.ts";
import { CORES_IDS, FORBID_CORE_IDS } from "../../../src/nri/annotations.ts";
import { bigNode } from "../../kit/sysfs.ts";
import { Link } from "../../kit/link.ts";
import type { Wanted } from "../../kit/messages.ts";

const web: Wanted = { name: "web" };
const db: Wanted = { name: "db", cpus: 1 };
const pin: Wanted = { name: "pin", annotations: { [CORES_IDS]: "1" } };

function applied(link: Link): string[] {
  return link.asked.flatMap((o) =>
    o.kind === "apply" ? o.changes.map(({ id, cpus }) => `${id}=${cpus}`) : []
  );
}

Deno.test("what is sent to a container that only starts may be lost: it is told again once it runs", () => {
  const link = Link.serving();
  link.create(web, { runs: false });
  assert.deepEqual(link.create(db).updates, ["id-web=0"]);
  assert.deepEqual(link.update(db), ["id-db=1"], "once is enough while it starts");
  link.mention(Event.POST_START_CONTAINER, web);
  assert.deepEqual(
    applied(link),
    ["id-web=0"],
    "and not left to the next reply, once it can't be lost any more",
  );
  assert.deepEqual(link.update(db), ["id-web=0", "id-db=1"]);
  assert.deepEqual(link.update(db), ["id-db=1"]);
});

Deno.test("a container that starts with the CPUs that it should have is told nothing", () => {
  const link = Link.serving();
  link.create(db);
  link.create(web, { runs: false });
  link.mention(Event.POST_START_CONTAINER, web);
  assert.deepEqual(applied(link), []);
  assert.deepEqual(link.update(db), ["id-db=1"]);
});

Deno.test("a container that the runtime lists as created is one that starts", () => {
  const link = Link.serving([{ ...web, state: ContainerState.CONTAINER_CREATED }]);
  assert.deepEqual(link.create(db).updates, ["id-web=0"]);
  link.mention(Event.POST_START_CONTAINER, web);
  assert.deepEqual(applied(link), ["id-web=0"]);
});

Deno.test("a dry run brings nothing about when a container has started", () => {
  const link = Link.serving([], undefined, { dryRun: true });
  link.create(web, { runs: false });
  link.create(db);
  link.mention(Event.POST_START_CONTAINER, web);
  assert.deepEqual(applied(link), []);
});

Deno.test("a container whose start failed is never reported as stopped: its CPUs come back with its sandbox", () => {
  const link = Link.serving();
  link.create(db, { runs: false });
  assert.match(link.refusal({ name: "other", cpus: 1 }), /0 are free/);
  link.mention(Event.STOP_POD_SANDBOX, db);
  assert.equal(link.create({ name: "other", cpus: 1 }).cpus, "1");
});

Deno.test("the end of a sandbox leaves other pods' containers alone", () => {
  const link = Link.serving([{ ...db, record: "1" }]);
  link.mention(Event.STOP_POD_SANDBOX, web);
  assert.equal(link.agent.state.ledger.claimed.toString(), "1");
});

Deno.test("a sandbox that ends while the list is on its way takes with it what was created in it", () => {
  const link = new Link();
  link.register();
  link.configure();
  link.create(web);
  link.mention(Event.STOP_POD_SANDBOX, web);
  link.feed({ kind: "listed", listing: { pods: [], containers: [] } });
  assert.equal(link.agent.state.ledger.assignments.size, 0);
});

Deno.test("a pinned or exclusive container that nobody has heard of may not start", () => {
  const link = Link.serving();
  for (const unknown of [db, pin]) {
    const answer = link.startRefusal(unknown);
    assert.match(
      answer,
      /^cpuset: pod ns\/\w+ container c: created while no agent was connected; it is tried again$/,
    );
  }
});

Deno.test("a shared container that nobody has heard of is taken in, and made room with from then on", () => {
  const link = Link.serving([{ ...db, record: "1" }]);
  link.start(web);
  link.mention(Event.POST_START_CONTAINER, web);
  assert.deepEqual(applied(link), ["id-web=0"]);
});

Deno.test("a container whose pod the runtime doesn't list is shared: it can't keep CPUs that nobody knows of", () => {
  const link = new Link();
  link.register();
  link.configure();
  const orphan = { name: "orphan", record: "1" };
  assert.deepEqual(link.synchronize([orphan, web], false, []), ["id-orphan=0-1"]);
  assert.deepEqual(link.create(db).updates, ["id-orphan=0", "id-web=0"]);
  assert(link.logged("warn").some((m) => m.includes("the runtime didn't list its pod")));
});

Deno.test("a container that is listed twice is one container", () => {
  const link = new Link(bigNode);
  link.register();
  link.configure();
  const twice = { name: "e", cpus: 2, record: "4,36" };
  assert.deepEqual(link.synchronize([twice, twice]), []);
  assert.equal(link.agent.state.ledger.claimed.toString(), "4,36");
});

Deno.test("before it knows what runs, nothing is decided from what it knew on the last connection", () => {
  const link = Link.serving([{ ...web, record: "0" }, { ...db, record: "1" }]);
  link.feed({ kind: "disconnected" });
  link.register();
  link.configure();
  assert.deepEqual(link.stop(db), []);
  assert.deepEqual(link.update(web), []);
  assert.equal(link.agent.state.ledger.claimed.toString(), "1");
});

Deno.test("what ends between two parts of a Synchronize isn't brought back by the last", () => {
  const link = new Link();
  link.register();
  link.configure();
  link.synchronize([{ ...db, record: "1" }], true);
  link.stop(db);
  link.synchronize([]);
  assert(link.agent.state.ledger.claimed.isEmpty);
});

Deno.test("an update of a container that may run everywhere, and should, writes no set into its record", () => {
  const link = Link.serving([web]);
  assert.deepEqual(link.update(web), []);
  assert.deepEqual(
    link.update({ ...web, record: "0-1" }, "0"),
    ["id-web=0-1"],
    "unless the request names CPUs",
  );
});

Deno.test("a container that is put on CPUs that its pod forbids is warned of", () => {
  const link = Link.serving([{ name: "s", annotations: { [FORBID_CORE_IDS]: "0" }, record: "1" }]);
  assert.deepEqual(link.create(pin).updates, ["id-s=0"]);
  assert(link.logged("warn").includes("degraded: the shared pool has no CPU that the pod doesn't forbid"));
});

Deno.test("a dry run refuses nothing, not even what comes out of order", () => {
  const link = new Link(undefined, { dryRun: true });
  link.register();
  assert.deepEqual(link.create(web), { cpus: "", mems: "", updates: [] });
});
