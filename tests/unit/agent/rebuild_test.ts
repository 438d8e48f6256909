/** Which containers run, where the runtime doesn't list them in order; standby; suspended claims; dry runs. */
import assert from "node:assert/strict";
import { CpuSet } from "../../../src/cpu/cpu_set.ts";
import { CORES_IDS } from "../../../src/nri/annotations.ts";
import { Event } from "../../../src/nri/gen/nri_pb.ts";
import { Link, subject } from "../../kit/link.ts";
import { livingOf, type Wanted } from "../../kit/messages.ts";
import { DEFAULT_POLICY, DEFAULT_SETTINGS } from "../../kit/policy.ts";
import { bigNode, topologyOf } from "../../kit/sysfs.ts";

const web: Wanted = { name: "web" };
const db: Wanted = { name: "db", cpus: 1 };
const pin: Wanted = { name: "pin", annotations: { [CORES_IDS]: "1" } };
const bad: Wanted = { name: "bad", annotations: { [CORES_IDS]: "0-" } };
const NOTHING = { cpus: "", mems: "", updates: [] };

function list(link: Link, ...running: Wanted[]): void {
  const all = running.map(subject);
  const listing = { pods: all.map(({ pod }) => pod), containers: all.map(({ container }) => container) };
  link.feed({ kind: "listed", listing });
}

Deno.test("the end of a sandbox ends its own containers only", () => {
  const link = Link.serving([{ ...db, record: "1" }]);
  link.mention(Event.STOP_POD_SANDBOX, web);
  assert.equal(link.claimed, "1");
});

Deno.test("a sandbox that ends while the list is on its way takes with it what was created in it", () => {
  const link = Link.configured();
  link.create(web);
  link.mention(Event.STOP_POD_SANDBOX, web);
  list(link);
  assert.equal(link.agent.state.ledger.assignments.size, 0);
});

Deno.test("a container that was created while the list was on its way is kept", () => {
  const link = Link.configured();
  link.create(web);
  list(link);
  assert.deepEqual(link.create(db).updates, ["id-web=0"]);
});

Deno.test("a container that ends between two parts of a Synchronize isn't in the ledger after the last", () => {
  const link = Link.configured();
  link.synchronize([{ ...db, record: "1" }], true);
  link.stop(db);
  link.synchronize([]);
  assert.equal(link.claimed, "");
});

Deno.test("a container whose pod isn't listed is shared", () => {
  const link = Link.configured();
  const orphan = { name: "orphan", record: "1" };
  assert.deepEqual(link.synchronize([orphan, web], false, []), ["id-orphan=0-1"]);
  assert.deepEqual(link.create(db).updates, ["id-orphan=0", "id-web=0"]);
  assert(link.logged("warn").some((m) => m.includes("the runtime didn't list its pod")));
});

Deno.test("a container that is listed twice is one container", () => {
  const link = Link.configured(bigNode);
  const twice = { name: "e", cpus: 2, record: "4,36" };
  assert.deepEqual(link.synchronize([twice, twice]), []);
  assert.equal(link.claimed, "4,36");
});

Deno.test("on a new connection nothing is decided from the ledger of the last one before the Synchronize", () => {
  const link = Link.serving([{ ...web, record: "0" }, { ...db, record: "1" }]);
  link.feed({ kind: "disconnected" });
  link.register();
  link.configure();
  assert.deepEqual([link.stop(db), link.update(web), link.claimed], [[], [], "1"]);
});

Deno.test("the list is asked for once", () => {
  const link = Link.configured();
  for (const now of [500, 999, 1000, 1500, 9000]) link.tick(now);
  assert.deepEqual(link.askedFor, ["list"]);
});

Deno.test("the containers of a list are counted, twice before one is removed, as long as there is one", () => {
  const link = Link.configured(undefined, { reconcileMs: 0 });
  link.tick(1000);
  list(link, web, { ...db, record: "1" });
  const counted = (...ids: string[]) => link.feed({ kind: "counted", living: livingOf(ids) });
  for (const now of [5999, 6000, 6500]) link.tick(now);
  assert.deepEqual(link.askedFor.filter((kind) => kind === "count"), ["count"]);
  counted("id-web", "id-db", "id-unknown");
  counted("id-web");
  assert.equal(link.claimed, "1", "the count may be from before its creation");
  counted("id-web");
  assert.equal(link.claimed, "");
  counted();
  counted();
  link.asked.length = 0;
  link.tick(99_000);
  assert(!link.askedFor.includes("count"));
});

Deno.test("a scan is asked for once, and one that finds nothing claims nothing", () => {
  const link = Link.configured();
  for (const now of [1000, 11_000, 12_000]) link.tick(now);
  assert.deepEqual(link.askedFor, ["list", "scan"]);
  link.feed({ kind: "scanned", claims: CpuSet.empty });
  assert.equal(link.create(db).cpus, "1");
});

Deno.test("a Synchronize that comes first makes the list and the scan void", () => {
  const link = Link.configured();
  link.synchronize([{ ...db, record: "1" }]);
  link.tick(99_000);
  list(link);
  link.feed({ kind: "scanned", claims: CpuSet.of(0) });
  assert.deepEqual([link.asked, link.claimed], [[], "1"]);
});

Deno.test("the runtime's configuration text goes to the host, whose answer holds from then on", () => {
  const link = new Link();
  link.register();
  link.configure("minShared: 0");
  assert.deepEqual(link.asked, [{ kind: "configure", text: "minShared: 0" }]);
  const settings = { ...DEFAULT_SETTINGS, policy: { ...DEFAULT_POLICY, minShared: 0 } };
  link.feed({ kind: "settings", settings });
  link.synchronize([]);
  assert.equal(link.create({ name: "all", cpus: 2 }).cpus, "0-1");
});

Deno.test("an agent in standby answers everything and changes nothing", () => {
  const link = Link.configured(undefined, { standby: true });
  assert.deepEqual([link.synchronize([web, db]), link.synchronize([web], true)], [[], []]);
  for (const wanted of [db, bad]) assert.deepEqual(link.create(wanted), NOTHING);
  assert.deepEqual([link.update(db), link.stop(db)], [[], []]);
  link.tick(99_000);
  assert.deepEqual(link.asked, []);
});

Deno.test("a promotion before Configure changes nothing in the usual order", () => {
  const link = new Link(undefined, { standby: true });
  link.register();
  link.feed({ kind: "promoted", now: 0 });
  assert.deepEqual(link.asked, []);
  link.configure();
  assert.deepEqual(link.synchronize([web, db]), ["id-db=1", "id-web=0"]);
});

const WHY = "two deciders fight";

/** Claims are suspended. */
function suspended(...running: Wanted[]): Link {
  const link = Link.serving(running);
  link.feed({ kind: "suspended", reason: WHY });
  return link;
}

Deno.test("while claims are suspended they are refused with the reason, and shared containers are created", () => {
  const link = suspended();
  const before = link.agent.state.ledger;
  for (const wanted of [db, pin]) {
    assert.equal(link.refusal(wanted), `cpuset: pod ns/${wanted.name} container c: ${WHY}`);
  }
  assert.match(
    link.refusal(bad),
    /is not a CPU list/,
    "a claim that can't be read: for what is wrong with it",
  );
  assert.equal(link.agent.state.ledger, before);
  assert.deepEqual(link.create(web), NOTHING);
  link.feed({ kind: "suspended", reason: undefined });
  assert.equal(link.create(db).cpus, "1");
});

Deno.test("while claims are suspended containers keep the CPUs they have, to their end", () => {
  const link = suspended(web, { ...db, record: "1" });
  assert.equal(link.claimed, "1");
  assert.deepEqual([link.update(db), link.stop(db), link.claimed], [["id-db=1"], [], "1"]);
  link.mention(Event.STOP_POD_SANDBOX, db);
  assert.equal(link.claimed, "");
});

Deno.test("new settings and a new connection leave claims suspended", () => {
  const link = suspended();
  link.feed({ kind: "settings", settings: { ...DEFAULT_SETTINGS, growDelayMs: 0 } });
  assert.match(link.refusal(db), /two deciders fight/);
  link.feed({ kind: "disconnected" });
  link.register();
  link.configure();
  assert.match(link.refusal(db), /two deciders fight/, "also before the Synchronize");
  link.synchronize([]);
  assert.match(link.refusal(db), /two deciders fight/);
});

/** What a dry run answers, and asks its host to apply, in the end: nothing. */
const DRY_RUNS: Record<string, (link: Link) => unknown> = {
  "a creation and a refusal": (link) => [link.create(db), link.create({ name: "more", cpus: 1 })],
  "an update and a stop": (link) => [link.create(db), link.update(web), link.stop(db)],
  "a container that has started": (link) => {
    link.create(db);
    link.mention(Event.POST_START_CONTAINER, web);
  },
  "a resize": (link) => {
    link.create(db);
    const cpu = { shares: { value: 2048n }, quota: { value: 200_000n } };
    return link.ask("UpdateContainer", { ...subject(db), linuxResources: { cpu } }).update;
  },
  "a CPU that goes offline": (link) => {
    link.create(db);
    const topology = topologyOf({ ...link.machine, offline: "1" });
    link.feed({ kind: "topology", now: 0, topology, offlineRemoved: false });
  },
  "suspended claims": (link) => {
    link.feed({ kind: "suspended", reason: WHY });
    return link.create(db);
  },
  "a list": (link) => {
    link.feed({ kind: "disconnected" });
    link.register();
    link.configure();
    link.tick(1000);
    list(link, web, db);
  },
  "a creation out of order": (link) => {
    link.feed({ kind: "disconnected" });
    link.register();
    return link.create(web);
  },
};

for (const [what, act] of Object.entries(DRY_RUNS)) {
  Deno.test(`a dry run changes nothing: ${what}`, () => {
    const link = Link.serving([], bigNode, { dryRun: true });
    link.create(web, { runs: false });
    assert.doesNotMatch(JSON.stringify(act(link) ?? ""), /"cpus":"[^"]|id-/);
    assert.deepEqual(link.applied(), []);
  });
}

Deno.test("a dry run logs what it would do", () => {
  const link = Link.serving([], undefined, { dryRun: true });
  link.create(db);
  link.create({ name: "more", cpus: 1 });
  link.feed({ kind: "suspended", reason: WHY });
  link.create(db);
  assert(link.logged("info").includes("container would be admitted"));
  const [more, again] = link.logged("warn");
  assert.match(more ?? "", /^container would be refused: cpuset: pod ns\/more/);
  assert.equal(again, `container would be refused: cpuset: pod ns/db container c: ${WHY}`);
});
