/** A released agent: everything has all CPUs, verified, and nothing is placed until it is resumed. */
import assert from "node:assert/strict";
import { opennessOf } from "../../../src/agent/passive.ts";
import { CpuSet } from "../../../src/cpu/cpu_set.ts";
import { viewOf } from "../../../src/agent/view.ts";
import { CORES_IDS, FORBID_CORE_IDS } from "../../../src/nri/annotations.ts";
import { FakeKernel, FakeQuotas } from "../../kit/fake_kernel.ts";
import { Link, subject } from "../../kit/link.ts";
import { containerOf, livingOf, podOf, type Wanted } from "../../kit/messages.ts";
import { DEFAULT_POLICY } from "../../kit/policy.ts";
import { run } from "../../kit/run_container.ts";
import { texts } from "../../kit/runtime_end.ts";
import { type MachineSpec, topologyOf } from "../../kit/sysfs.ts";

const eightCores: MachineSpec = { sockets: 1, nodesPerSocket: 1, coresPerNode: 8, threads: 1 };
const CLASSES = ["/kubepods/burstable", "/kubepods/besteffort"];
const web: Wanted = { name: "web", cgroupParent: "/kubepods/burstable/pod1" };
const picky: Wanted = {
  name: "picky",
  cgroupParent: "/kubepods/pod2",
  annotations: { [FORBID_CORE_IDS]: "5-7" },
};
const db: Wanted = { name: "db", cpus: 2, cgroupsPath: "/kubepods/pod-uid-db/id-db" };
const pin: Wanted = { name: "pin", cgroupParent: "/kubepods/pod4", annotations: { [CORES_IDS]: "3" } };
const ALL = [web, picky, db, pin];

interface Rig {
  readonly link: Link;
  readonly kernel: FakeKernel;
}

function rig(setup: ConstructorParameters<typeof Link>[1] = {}): Rig {
  const kernel = new FakeKernel(2);
  kernel.online = CpuSet.range(0, 7);
  for (const path of CLASSES) kernel.appear(path, "");
  kernel.appear("sandbox-db", "");
  const link = Link.serving([], eightCores, { cpusets: kernel, reconcileMs: 1000, ...setup });
  const it = { kernel, link };
  for (const wanted of ALL) run(it, wanted);
  settle(it);
  return it;
}

/** What is due is written. */
function settle({ link }: Rig): void {
  for (let n = 0; n < 5; n++) link.tick(link.now + 200);
}

function release(it: Rig): void {
  it.link.feed({ kind: "released", now: it.link.now });
  settle(it);
}

function sets({ kernel }: Rig): string[] {
  return [...CLASSES, ...ALL.map(({ name }) => `id-${name}`)].map((id) => `${kernel.sets.get(id)}`);
}

function phase({ link }: Rig): string {
  return viewOf(link.agent.state).phase;
}

Deno.test("once released every container and every fence has all CPUs, and that is read back", () => {
  const it = rig({ policy: { ...DEFAULT_POLICY, systemReserved: CpuSet.of(0), strictReserved: true } });
  assert.deepEqual(sets(it), ["0,3-7", "0,3-7", "1-2,4-7", "4", "1-2", "3"]);
  assert.equal(`${it.kernel.sets.get("sandbox-db")}`, "1-2");
  release(it);
  assert.deepEqual([phase(it), sets(it)], ["passive", Array(6).fill("0-7")]);
  assert.equal(`${it.kernel.sets.get("sandbox-db")}`, "0-7");
  assert.deepEqual(opennessOf(it.link.agent.state), { done: 6, pending: 0, failed: [] });
  assert.match(it.link.container("id-db")?.degraded ?? "", /passive/);
  assert.deepEqual(it.link.logged("warn").filter((line) => line.startsWith("released")), [
    "released: all containers get all CPUs",
  ]);
});

Deno.test("what can't be written is named, and retried until it is", () => {
  const it = rig();
  it.kernel.refused.set("id-db", "EIO");
  release(it);
  const { pending, failed: [failed] } = opennessOf(it.link.agent.state);
  assert.deepEqual([pending, failed?.name], [0, "ns/db/c"]);
  assert.match(failed?.reason ?? "", /EIO/);
  it.kernel.refused.clear();
  it.link.tick(it.link.now + 2000);
  assert.deepEqual(opennessOf(it.link.agent.state), { done: 6, pending: 0, failed: [] });
  assert.equal(`${it.kernel.sets.get("id-db")}`, "0-7");
});

Deno.test("a passive agent answers without placing anything, and repairs nothing", () => {
  const it = rig();
  release(it);
  it.kernel.written.length = 0;
  assert.equal(run(it, { name: "new", cpus: 2 }), "");
  assert.equal(run(it, { name: "pinned", annotations: { [CORES_IDS]: "2" } }), "");
  it.kernel.appear("id-db", "0-1");
  for (let n = 0; n < 20; n++) it.link.tick(it.link.now + 500);
  assert.deepEqual(it.kernel.written, []);
  // The runtime's record still has what it was given once.
  const cpu = { shares: { value: 3072n }, quota: { value: 300_000n }, period: { value: 100_000n } };
  const { update } = it.link.ask("UpdateContainer", { ...subject(db), linuxResources: { cpu } });
  assert.deepEqual(texts(update), ["id-db=0-7"]);
  it.link.feed({ kind: "settings", settings: { ...it.link.agent.state, policy: DEFAULT_POLICY } });
  for (const reason of ["another one", undefined]) it.link.feed({ kind: "suspended", reason });
  it.link.end(web);
  settle(it);
  assert.deepEqual([phase(it), it.link.claimed, it.link.container("id-web")], ["passive", "", undefined]);
});

Deno.test("a new connection doesn't end it: what has ended is forgotten, and the list asks for nothing", () => {
  const it = rig();
  release(it);
  it.link.feed({ kind: "disconnected" });
  it.link.register();
  it.link.configure();
  assert.deepEqual(
    it.link.synchronize([{ ...db, record: "1-2" }, { name: "other", cpus: 2, record: "5-6" }]),
    [],
  );
  settle(it);
  const known = [...viewOf(it.link.agent.state).containers.keys()];
  assert.deepEqual([phase(it), known, it.link.claimed], ["passive", ["id-db"], ""]);
  // One that isn't known, by two counts, is asked for.
  const other = { name: "other", cpus: 2, record: "5-6" };
  for (let n = 0; n < 2; n++) it.link.feed({ kind: "counted", living: livingOf(["id-db", "id-other"]) });
  it.link.feed({
    kind: "listed",
    listing: { pods: [db, other].map(podOf), containers: [db, other].map(containerOf) },
  });
  assert.deepEqual([[...viewOf(it.link.agent.state).containers.keys()], it.link.claimed], [["id-db"], ""]);
});

Deno.test("what began to run while there was no connection gets all CPUs", () => {
  const it = rig();
  const late: Wanted = { name: "late", cpus: 1, cgroupsPath: "/kubepods/pod-uid-late/id-late" };
  it.link.create(late, { runs: false });
  release(it);
  it.link.feed({ kind: "disconnected" });
  it.kernel.appear("id-late", "4");
  it.link.register();
  it.link.configure();
  it.link.synchronize([...ALL, { ...late, record: "4" }]);
  settle(it);
  assert.equal(`${it.kernel.sets.get("id-late")}`, "0-7");
  assert.equal(opennessOf(it.link.agent.state).pending, 0);
});

Deno.test("what the runtime was asked for on a lost connection is asked of it again", () => {
  const link = Link.serving([], eightCores);
  for (const wanted of [db, web]) link.create(wanted);
  link.feed({ kind: "released", now: 0 });
  link.feed({ kind: "disconnected" });
  link.applied();
  link.register();
  link.configure();
  link.synchronize([{ ...db, record: "1-2" }, { ...web, record: "0,3-7" }]);
  assert.deepEqual(link.applied(), ["id-db=0-7", "id-web=0-7"]);
});

Deno.test("once resumed it finds what runs, and places as before", () => {
  const it = rig();
  const before = sets(it);
  release(it);
  it.link.end(web);
  it.link.asked.length = 0;
  it.link.feed({ kind: "resumed", now: it.link.now });
  assert.deepEqual(it.link.askedFor, ["list"]);
  // Until the list is there no claim is served.
  assert.match(it.link.refusal({ name: "early", cpus: 1 }), /not synchronized/);
  const left = ALL.filter((each) => each !== web);
  const listing = {
    pods: left.map(podOf),
    containers: left.map((each) =>
      containerOf({ ...each, record: each === db ? "1-2" : each === pin ? "3" : "" })
    ),
  };
  it.link.feed({ kind: "listed", listing });
  settle(it);
  assert.equal(phase(it), "serving");
  assert.deepEqual(sets(it).filter((_, at) => at !== 2), before.filter((_, at) => at !== 2));
  assert.equal(it.link.container("id-db")?.degraded, undefined);
  assert.equal(run(it, { name: "new", cpus: 1 }), "4");
});

Deno.test("CPUs that go offline and come back are everybody's", () => {
  const it = rig();
  release(it);
  for (const offline of ["3", ""]) {
    const topology = topologyOf({ ...eightCores, offline });
    it.kernel.online = topology.online;
    it.link.feed({ kind: "topology", now: it.link.now, topology, offlineRemoved: false });
    settle(it);
    assert.deepEqual([it.link.claimed, sets(it)], ["", Array(6).fill("0-7")]);
  }
});

Deno.test("quotas that were lifted are given back", () => {
  const it = rig({ exclusiveQuota: "off" });
  const quotas = it.kernel.quotas = new FakeQuotas();
  it.link.tick(it.link.now + 1500);
  settle(it);
  assert.equal(quotas.all.get("id-db"), undefined);
  release(it);
  assert.deepEqual(quotas.all.get("id-db"), { quota: 200_000, period: 100_000 });
});

Deno.test("only an agent that serves can be released, once, and only one that was released is resumed", () => {
  const link = Link.configured(eightCores);
  link.feed({ kind: "released", now: 0 });
  assert.equal(link.agent.state.passive, undefined);
  const it = rig();
  const before = it.link.agent.state;
  it.link.feed({ kind: "resumed", now: it.link.now });
  assert.equal(it.link.agent.state.ledger, before.ledger);
  release(it);
  const { ledger } = it.link.agent.state;
  it.link.feed({ kind: "released", now: it.link.now });
  assert.equal(it.link.agent.state.ledger, ledger);
});

Deno.test("where the runtime delivers CPUs it is asked to give all", () => {
  const link = Link.serving([], eightCores);
  for (const wanted of [db, web]) link.create(wanted);
  link.applied();
  link.feed({ kind: "released", now: 0 });
  assert.deepEqual(link.applied(), ["id-db=0-7", "id-web=0-7"]);
});

Deno.test("a dry run changes nothing by a release", () => {
  const link = Link.serving([], eightCores, { dryRun: true });
  link.create(db);
  link.applied();
  link.feed({ kind: "released", now: 0 });
  assert.deepEqual([viewOf(link.agent.state).phase, link.applied()], ["passive", []]);
});
