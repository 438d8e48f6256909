/**
 * Which updates of other containers are sent, when, and what becomes of those that nobody applies. The scenarios'
 * runtime applies each at once: what is here is what can't be seen there.
 */
import assert from "node:assert/strict";
import { CORES_IDS } from "../../../src/nri/annotations.ts";
import { Event } from "../../../src/nri/gen/nri_pb.ts";
import { Link, subject } from "../../kit/link.ts";
import type { Wanted } from "../../kit/messages.ts";
import { texts } from "../../kit/runtime_end.ts";
import { bigNode, topologyOf } from "../../kit/sysfs.ts";

const web: Wanted = { name: "web" };
const db: Wanted = { name: "db", cpus: 4 };
const other: Wanted = { name: "other", cpus: 2 };
const small: Wanted = { name: "small", cpus: 1 };
const FIGURES = { shares: { value: 4096n }, quota: { value: 400_000n }, period: { value: 100_000n } };

/** `web`, and CPUs that two exclusive containers give back to it when they end. */
function sharing(): Link {
  const link = Link.serving([], bigNode, { growDelayMs: 500 });
  for (const wanted of [web, db, other]) link.create(wanted);
  return link;
}

/** kubelet's in-place resize of `other` to four CPUs. */
function grow(link: Link): string[] {
  return texts(link.ask("UpdateContainer", { ...subject(other), linuxResources: { cpu: FIGURES } }).update);
}

Deno.test("an update to a starting container may be lost: it is sent once, and again when the container runs", () => {
  const link = Link.serving();
  link.create(web, { runs: false });
  assert.deepEqual(link.create(small).updates, ["id-web=0"]);
  assert.deepEqual(link.update(small), ["id-small=1"], "once is enough while it starts");
  link.mention(Event.POST_START_CONTAINER, web);
  assert.deepEqual(link.applied(), ["id-web=0"], "and not left to the next reply");
  assert.deepEqual(link.update(small), ["id-web=0", "id-small=1"]);
  assert.deepEqual(link.update(small), ["id-small=1"]);
});

Deno.test("several ends ask for one tick, and are one update of each container", () => {
  const link = sharing();
  link.end(db);
  assert.deepEqual(link.asked.splice(0), [{ kind: "wake", after: 500 }]);
  link.end(other);
  assert.deepEqual(link.asked, []);
  link.tick(499);
  assert.deepEqual(link.applied(), []);
  link.tick(500);
  assert.deepEqual(link.applied(), ["id-web=0-63"]);
});

Deno.test("a container that a reply has to name anyway gets all its CPUs in it", () => {
  const link = sharing();
  link.end(db);
  const { updates } = link.create({ name: "pin", annotations: { [CORES_IDS]: "5" } });
  assert.deepEqual(updates, ["id-web=0-2,4,6-34,36-63"]);
});

Deno.test("growth that was put off for growDelayMs rides in the next reply, and is not pending after it", () => {
  const link = sharing();
  link.end(db);
  for (link.now = 100; link.now < 500; link.now += 100) {
    assert.deepEqual(link.create({ name: `s${link.now}` }).updates, []);
  }
  assert.deepEqual(link.create({ name: "late" }).updates, ["id-web=0-2,4-34,36-63"]);
  link.tick(10_000);
  assert.deepEqual(link.applied(), []);
});

Deno.test("growth that isn't applied is requested again every five seconds", () => {
  const link = sharing();
  link.end(db);
  link.asked.length = 0;
  const due = ["id-web=0-2,4-34,36-63"];
  for (const [now, expected] of [[500, due], [1000, []], [5499, []], [5500, due]] as const) {
    link.tick(now);
    assert.deepEqual(link.applied(), expected, `${now} ms`);
  }
});

Deno.test("an update that the host applies names one container, and ends the asking", () => {
  const link = sharing();
  link.create({ name: "second" });
  link.end(db);
  link.tick(500);
  for (const name of ["web", "second"]) {
    assert.deepEqual(link.update({ name }, "0-2,4-34,36-63"), [`id-${name}=0-2,4-34,36-63`]);
  }
  link.asked.length = 0;
  link.tick(6000);
  assert.deepEqual(link.applied(), []);
});

Deno.test("a degraded container gets CPUs of its own without growDelayMs", () => {
  const older = { ...other, record: "1", createdAt: 1n };
  const link = Link.serving([older, { ...small, record: "1" }], undefined, { growDelayMs: 500 });
  assert.equal(link.agent.state.ledger.degraded.length, 1);
  assert.deepEqual(link.stop(small), []);
});

Deno.test("the second step of a growth that isn't applied is part of the next reply", () => {
  const link = Link.serving([web], bigNode);
  link.create(other);
  assert.deepEqual(grow(link), ["id-web=0,3-32,35-63", "id-other=1,33"], "the others leave first");
  assert.deepEqual(link.create({ name: "next" }).updates, ["id-other=1-2,33-34"]);
});

Deno.test("an update list for what the runtime's list shows wrong stays pending until it is sent", () => {
  const link = Link.configured();
  link.tick(1000);
  link.feed({
    kind: "listed",
    listing: {
      pods: [web, small].map((w) => subject(w).pod),
      containers: [web, small].map((w) => subject(w).container),
    },
  });
  assert.deepEqual(link.applied(), ["id-small=1", "id-web=0"]);
  assert.deepEqual(link.update(small), ["id-web=0", "id-small=1"], "the next reply carries it in any case");
  assert.deepEqual(link.update(web), ["id-web=0"], "and after that nothing but its own");
});

Deno.test("a topology change before the containers are known updates none", () => {
  const link = Link.configured(bigNode);
  const topology = topologyOf({ ...bigNode, offline: "1" });
  link.feed({ kind: "topology", now: 0, topology, offlineRemoved: false });
  assert.deepEqual(link.applied(), []);
  assert.deepEqual(link.synchronize([{ ...other, record: "2,34" }]), []);
});

Deno.test("the recovery of a degraded container is logged", () => {
  const link = Link.serving([], bigNode);
  link.create({ name: "pin", annotations: { [CORES_IDS]: "5-6" } });
  for (const offline of ["6", ""]) {
    const topology = topologyOf({ ...bigNode, offline });
    link.feed({ kind: "topology", now: 0, topology, offlineRemoved: false });
    assert.deepEqual(link.applied(), [], "the kernel keeps it off that CPU by itself");
  }
  assert.equal(link.logged("info").at(-1), "container no longer degraded");
});
