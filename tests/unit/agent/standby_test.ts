/** An agent on standby follows what happens, and decides at once when it is to. */
import assert from "node:assert/strict";
import { MAX_EARLY } from "../../../src/agent/early.ts";
import { explain, explainable } from "../../../src/agent/explain.ts";
import { CpuSet } from "../../../src/cpu/cpu_set.ts";
import { CORES_IDS, MOVABLE } from "../../../src/nri/annotations.ts";
import { ContainerState, Event } from "../../../src/nri/gen/nri_pb.ts";
import { FakeKernel } from "../../kit/fake_kernel.ts";
import { bigNode, topologyOf } from "../../kit/sysfs.ts";
import { Link, subject } from "../../kit/link.ts";
import { containerOf, podOf, type Wanted } from "../../kit/messages.ts";
import { decode, encode } from "../../kit/runtime_end.ts";
import { viewOf } from "../../../src/agent/view.ts";

const web: Wanted = { name: "web" };
const api: Wanted = { name: "api" };
const db: Wanted = { name: "db", cpus: 2 };
const late: Wanted = { name: "late" };

/** A resize to three CPUs. */
const QUOTA = { cpu: { quota: { value: 300_000n }, period: { value: 100_000n } } };

function listingOf(running: readonly Wanted[]) {
  return { pods: running.map(podOf), containers: running.map(containerOf) };
}

interface Rig {
  readonly link: Link;
  readonly kernel: FakeKernel;
  ends: boolean;
}

/** Synchronized on standby with two containers, of which the active agent has given one CPUs of its own. */
function rig(setup: ConstructorParameters<typeof Link>[1] = {}): Rig {
  const kernel = new FakeKernel();
  kernel.appear("id-web", "0,2-32,34-63");
  kernel.appear("id-db", "1,33");
  const it: Rig = { kernel, ends: false, link: undefined as unknown as Link };
  const ports = { cpusets: kernel, activeEnds: () => it.ends };
  return Object.assign(it, { link: Link.serving([web, db], bigNode, { standby: true, ...ports, ...setup }) });
}

function promote({ link }: Rig): void {
  link.feed({ kind: "promoted", now: link.now });
}

/** Whether a start is answered at once. */
function starts({ link }: Rig, wanted: Wanted): boolean {
  const payload = encode("StateChange", { event: Event.START_CONTAINER, ...subject(wanted) });
  return link.call("StateChange", payload) !== undefined;
}

function known({ link }: Rig): string[] {
  return [...viewOf(link.agent.state).containers.keys()].sort();
}

Deno.test("what was received on standby counts at once, and a list is asked for all the same", () => {
  const it = rig();
  it.link.create(api);
  it.kernel.appear("id-api", "0,2-32,34-63");
  it.link.stop(web);
  it.kernel.sets.delete("id-web");
  assert.equal(it.link.claimed, "");
  promote(it);
  assert.deepEqual([known(it), it.link.claimed], [["id-api", "id-db"], "1,33"]);
  assert.deepEqual([it.link.askedFor.includes("list"), it.kernel.written], [true, []]);
  assert.equal(it.link.create({ name: "own", cpus: 2 }).cpus, "2,34");
});

Deno.test("the list replaces it, with what was only starting when it was taken", () => {
  const it = rig();
  it.link.create(api, { runs: false });
  it.kernel.appear("id-api", "0,2-32,34-63");
  promote(it);
  it.link.feed({ kind: "listed", listing: listingOf([db]) });
  assert.deepEqual(known(it), ["id-api", "id-db"]);
  it.link.feed({ kind: "listed", listing: listingOf([]) });
  assert.deepEqual(known(it), ["id-api", "id-db"], "one list is asked for");
});

const UNSURE: readonly [
  why: string,
  setup: ConstructorParameters<typeof Link>[1],
  after: (link: Link) => void,
][] = [
  ["where CPUs are sent by the runtime", { apply: "runtime" }, () => {}],
  [
    "after a resize",
    {},
    (link) => void link.ask("UpdateContainer", { ...subject(db), linuxResources: QUOTA }),
  ],
];

for (const [why, setup, after] of UNSURE) {
  Deno.test(`what was received doesn't count ${why}: the list does`, () => {
    const it = rig(setup);
    after(it.link);
    promote(it);
    assert.deepEqual([known(it), it.link.askedFor.includes("list")], [[], true]);
    it.link.feed({ kind: "listed", listing: listingOf([web, db]) });
    assert.deepEqual(known(it), ["id-db", "id-web"]);
  });
}

Deno.test("what is kept of a busy node on standby is what lives there", () => {
  const it = rig();
  for (let n = 0; n < 50; n++) {
    const one: Wanted = { name: `job-${n}` };
    it.link.create(one);
    it.link.end(one);
  }
  it.link.end(web);
  const { received } = it.link.agent.state;
  assert.deepEqual(received?.listing.containers.map(({ id }) => id), ["id-db"]);
  assert.deepEqual([received?.listing.pods.length, received?.events, received?.early.size], [1, 0, 0]);
  it.link.synchronize([api], true);
  it.link.synchronize([web]);
  promote(it);
  assert.deepEqual(known(it), ["id-api", "id-web"], "a later Synchronize replaces the former one");
});

Deno.test("a start while the active agent ends waits for the next one, which places the container", () => {
  const it = rig();
  assert(starts(it, api));
  it.ends = true;
  it.kernel.appear("id-late", "0-63");
  assert(!starts(it, late));
  it.link.tick(20);
  assert.equal(it.link.runtime.next(), undefined);
  it.ends = false;
  promote(it);
  it.link.tick(40);
  assert.equal(it.link.runtime.next()?.kind, "answered");
  assert.equal(`${it.kernel.sets.get("id-late")}`, "0,2-32,34-63");
});

Deno.test("where none follows it starts as without an agent, after the time that a start may wait", () => {
  const it = rig();
  it.ends = true;
  assert(!starts(it, late));
  for (let now = 20; now <= 300; now += 20) it.link.tick(now);
  const answer = it.link.runtime.next();
  assert(answer?.kind === "answered" && answer.status.code === 0);
  assert.deepEqual(it.link.logged("warn"), [
    "nobody has decided on it: the active agent ends, and none has followed yet",
  ]);
});

/** The `n`th attempt at a container with two CPUs of its own, in one pod. */
function attempt(n: number, rest: Wanted = {}): Wanted {
  return { name: "own", id: `id-own-${n}`, cpus: 2, ...rest };
}

Deno.test("creations whose starts the active agent refuses hold nothing once another one is created in their place", () => {
  const it = rig();
  for (const n of [1, 2, 3]) it.link.create(attempt(n), { runs: false });
  it.link.create(attempt(4));
  it.kernel.appear("id-own-4", "2,34");
  promote(it);
  assert.deepEqual([known(it), it.link.claimed], [["id-db", "id-own-4", "id-web"], "1-2,33-34"]);
  it.link.feed({ kind: "listed", listing: listingOf([web, db, attempt(4)]) });
  assert.deepEqual([known(it), it.link.claimed], [["id-db", "id-own-4", "id-web"], "1-2,33-34"]);
});

Deno.test("the last such creation gives way to the next one, which the next agent decides on", () => {
  const it = rig();
  it.link.create(attempt(1), { runs: false });
  promote(it);
  it.link.feed({ kind: "listed", listing: listingOf([web, db]) });
  it.link.create(attempt(2));
  assert.deepEqual([known(it), it.link.claimed], [["id-db", "id-own-2", "id-web"], "1-2,33-34"]);
});

Deno.test("nobody is moved for a pinned container whose creation the active agent refuses since one isn't to be moved", () => {
  const kernel = new FakeKernel();
  kernel.appear("id-db", "1,33");
  const fixed: Wanted = { ...db, annotations: { [MOVABLE]: "false" } };
  const it = {
    link: Link.serving([fixed], bigNode, { standby: true, cpusets: kernel }),
    kernel,
    ends: false,
  };
  for (const [name, cpus] of [["pin", "1"], ["other", "2"]]) {
    it.link.create({ name: `${name}`, annotations: { [CORES_IDS]: `${cpus}` } }, { runs: false });
  }
  promote(it);
  assert.deepEqual(["id-db", "id-pin", "id-other"].map((id) => `${it.link.container(id)?.grant}`), [
    "1,33",
    "",
    "2",
  ]);
});

Deno.test("a creation that the active agent has refused takes no CPUs that are held for a pod", () => {
  const it = rig();
  it.link.create(attempt(1, { cpus: 62 }), { runs: false });
  it.link.tick(15_000);
  it.link.stop(db);
  it.kernel.sets.delete("id-db");
  promote(it);
  assert.deepEqual([known(it), it.link.claimed], [["id-web"], ""]);
  const { pods, containers } = listingOf([
    web,
    { ...db, record: "1,33", state: ContainerState.CONTAINER_STOPPED },
  ]);
  it.link.feed({ kind: "listed", listing: { pods: pods.map((pod) => ({ ...pod, pid: 1 })), containers } });
  assert.deepEqual([known(it), it.link.claimed], [["id-web"], "1,33"]);
});

Deno.test("an update of a container that has ended, which comes late, brings it back to nobody", () => {
  const it = rig();
  it.link.stop(db);
  it.link.update(db);
  it.kernel.sets.delete("id-db");
  promote(it);
  assert.deepEqual([known(it), it.link.claimed], [["id-web"], ""]);
});

Deno.test("a creation that waits is decided once, as any other", () => {
  const it = rig();
  it.ends = true;
  const payload = encode("CreateContainer", subject(attempt(1)));
  assert.equal(it.link.call("CreateContainer", payload), undefined);
  it.ends = false;
  promote(it);
  it.link.tick(40);
  const answer = it.link.runtime.next();
  assert(answer?.kind === "answered");
  const { adjust } = decode("CreateContainer", answer.payload);
  assert.deepEqual([adjust?.linux?.resources?.cpu?.cpus, it.link.claimed], ["2,34", "1-2,33-34"]);
  assert.deepEqual(known(it), ["id-db", "id-own-1", "id-web"]);
});

Deno.test("with its pod everything has ended, also what was listed and isn't reported by itself", () => {
  const it = rig();
  it.link.mention(Event.STOP_POD_SANDBOX, db);
  it.kernel.sets.delete("id-db");
  promote(it);
  assert.deepEqual([known(it), it.link.claimed], [["id-web"], ""]);
});

Deno.test("what was received doesn't count once more has happened than is kept", () => {
  const it = rig();
  for (let n = 0; n < MAX_EARLY; n++) it.link.create({ name: `job-${n}` }, { runs: false });
  assert.equal(it.link.agent.state.received?.events, MAX_EARLY);
  it.link.create(api);
  assert.equal(it.link.agent.state.received, undefined);
  promote(it);
  assert.deepEqual([known(it), it.link.askedFor.includes("list")], [[], true]);
});

Deno.test("an agent that was released and then put on standby stays passive when it is active again", () => {
  const it = rig({ standby: false });
  it.link.feed({ kind: "released", now: it.link.now });
  it.link.tick(200);
  it.link.feed({ kind: "disconnected" });
  it.link.feed({ kind: "demoted" });
  it.kernel.sets.set("id-db", CpuSet.of(1, 33)); // by the other agent
  it.link.register();
  it.link.configure();
  it.link.synchronize([web, db]);
  const written = it.kernel.written.length;
  promote(it);
  it.link.tick(400);
  assert.deepEqual(it.kernel.written.slice(written), []);
  assert.equal(viewOf(it.link.agent.state).phase, "passive");
});

Deno.test("a Synchronize that has begun on standby is taken as a whole", () => {
  const it = rig();
  it.link.synchronize([db], true);
  promote(it);
  it.link.synchronize([web]);
  assert.deepEqual([known(it), it.link.claimed], [["id-db", "id-web"], "1,33"]);
});

Deno.test("a bug on standby refuses nothing, and what was received doesn't count any more", () => {
  const it = rig();
  Object.defineProperty(it, "ends", { get: () => assert.fail("broken"), configurable: true });
  assert.deepEqual(it.link.create(api, { runs: false }), { cpus: "", mems: "", updates: [] });
  assert.match(it.link.logged("error")[0] ?? "", /^bug while answering CreateContainer/);
  promote(it);
  assert.deepEqual([known(it), it.link.askedFor.includes("list")], [[], true]);
});

Deno.test("an agent that was active before asks the runtime for nothing on standby", () => {
  const running = [{ ...web, record: "0,2-32,34-63" }, { ...db, record: "1,33" }];
  const link = Link.serving(running, bigNode);
  link.feed({ kind: "disconnected" });
  link.feed({ kind: "demoted" });
  link.register();
  link.configure();
  link.synchronize(running);
  link.applied();
  for (const offline of ["1", ""]) {
    const topology = topologyOf({ ...bigNode, offline });
    link.feed({ kind: "topology", now: link.now, topology, offlineRemoved: false });
    for (let n = 0; n < 20; n++) link.tick(link.now + 1000);
  }
  assert.deepEqual(link.applied(), []);
});

Deno.test("nor does it follow, and log, what was left behind then", () => {
  const it = rig({ standby: false });
  it.kernel.populated.add("id-db");
  it.link.stop(db);
  it.link.feed({ kind: "disconnected" });
  it.link.feed({ kind: "demoted" });
  it.link.register();
  it.link.configure();
  it.link.synchronize([web]);
  const logs = it.link.logs.length;
  for (let n = 0; n < 40; n++) it.link.tick(it.link.now + 1000);
  assert.deepEqual(it.link.logs.slice(logs), []);
});

Deno.test("an agent that was active before shows no container on standby, and what runs once it is active again", () => {
  const it = rig({ standby: false });
  const exclusive = () => `${viewOf(it.link.agent.state).exclusive}`;
  assert.deepEqual([known(it), exclusive()], [["id-db", "id-web"], "1,33"]);
  it.link.refusal({ name: "big", cpus: 64 });
  it.link.feed({ kind: "disconnected" });
  it.link.feed({ kind: "demoted" });
  assert.deepEqual([known(it), exclusive()], [[], ""]);
  const { state } = it.link.agent;
  const [cpu, refused] = ["1", "big"].map((asked) => explain(state, asked).explanations[0]);
  assert.deepEqual([cpu?.kind === "cpu" && cpu.owners, refused, explainable(state)], [[], undefined, []]);
  it.link.register();
  it.link.configure();
  it.link.synchronize([db]);
  assert.deepEqual([known(it), exclusive()], [[], ""], "another agent decides");
  promote(it);
  assert.deepEqual([known(it), exclusive()], [["id-db"], "1,33"]);
});

Deno.test("what is held for a pod without a container stays held where the runtime was away for long, as long as the pod lives", () => {
  for (const isOver of [false, true]) {
    const { link, kernel } = rig({ standby: false });
    link.stop(db);
    kernel.sets.delete("id-db");
    link.feed({ kind: "disconnected" });
    link.feed({ kind: "demoted" });
    link.register();
    link.configure();
    const pods = [web, db].map((each) => ({ ...podOf(each), pid: 7 }));
    link.ask("Synchronize", { pods, containers: [containerOf(web)], more: false });
    if (isOver) link.mention(Event.STOP_POD_SANDBOX, db);
    link.feed({ kind: "promoted", now: link.now });
    assert.equal(link.claimed, isOver ? "" : "1,33");
  }
});

Deno.test("a list that is older than the end of a pod takes no CPUs from a container that has got that pod's since", () => {
  const it = rig();
  const { link, kernel } = it;
  promote(it);
  kernel.sets.delete("id-db");
  link.mention(Event.STOP_POD_SANDBOX, db);
  const own: Wanted = { name: "own", cpus: 2, createdAt: 9n };
  kernel.appear("id-own", link.create(own, { runs: false }).cpus);
  link.start(own);
  link.mention(Event.POST_START_CONTAINER, own);
  link.feed({ kind: "listed", listing: listingOf([web, { ...db, record: "1,33", createdAt: 5n }]) });
  assert.deepEqual([known(it), `${kernel.sets.get("id-own")}`], [["id-own", "id-web"], "1,33"]);
});
