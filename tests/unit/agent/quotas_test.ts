/** CFS quotas of containers with CPUs of their own: lifted in replies and in the kernel, held, and given back. */
import assert from "node:assert/strict";
import { CpuSet } from "../../../src/cpu/cpu_set.ts";
import { CORES_IDS } from "../../../src/nri/annotations.ts";
import { Event } from "../../../src/nri/gen/nri_pb.ts";
import { FakeKernel, FakeQuotas } from "../../kit/fake_kernel.ts";
import { Link, subject } from "../../kit/link.ts";
import type { Wanted } from "../../kit/messages.ts";
import { type MachineSpec, topologyOf } from "../../kit/sysfs.ts";

const eightCores: MachineSpec = { sockets: 1, nodesPerSocket: 1, coresPerNode: 8, threads: 1 };
const TWO = { quota: 200_000, period: 100_000 };
const db: Wanted = { name: "db", cpus: 2 };
const web: Wanted = { name: "web", cpus: 1, shares: 512n, quota: 50_000n };
const pin: Wanted = { ...web, name: "pin", annotations: { [CORES_IDS]: "6" } };

function rig(setup: ConstructorParameters<typeof Link>[1] = {}, running: readonly Wanted[] = []) {
  const [kernel, quotas] = [new FakeKernel(2), new FakeQuotas()];
  kernel.online = CpuSet.range(0, 7);
  kernel.quotas = quotas;
  for (const { name, record = "" } of running) kernel.appear(`id-${name}`, record);
  const options = {
    cpusets: kernel,
    reconcileMs: 1000,
    fence: "off",
    exclusiveQuota: "off",
    ...setup,
  } as const;
  return { kernel, quotas, link: Link.serving(running, eightCores, options) };
}

/** Creates and starts a container, in a pod whose cgroup has its quota; the quota that it was created with instead. */
function run({ link, kernel, quotas }: ReturnType<typeof rig>, wanted: Wanted): bigint | undefined {
  const { adjust } = link.ask("CreateContainer", subject(wanted));
  const { cpus = "", quota } = adjust?.linux?.resources?.cpu ?? {};
  kernel.appear(`id-${wanted.name}`, cpus);
  quotas.all.set(`uid-${wanted.name}`, TWO);
  link.start(wanted);
  link.mention(Event.POST_START_CONTAINER, wanted);
  return quota?.value;
}

/** The quota with which an update is answered that asks for `quota`. */
function updated({ link }: ReturnType<typeof rig>, wanted: Wanted, quota: bigint): bigint | undefined {
  const cpu = { quota: { value: quota }, period: { value: 100_000n } };
  const { update } = link.ask("UpdateContainer", { ...subject(wanted), linuxResources: { cpu } });
  return update.at(-1)?.linux?.resources?.cpu?.quota?.value;
}

Deno.test("exclusive and pinned containers start without a quota, and so does their pod; shared ones keep theirs", () => {
  const it = rig();
  assert.deepEqual([db, pin, web].map((each) => run(it, each)), [-1n, -1n, undefined]);
  assert.deepEqual(it.quotas.written, ["uid-db=max", "uid-pin=max"]);
  assert.deepEqual(
    it.link.logged("info").filter((each) => each.includes("quota")),
    Array(2).fill("CFS quota lifted"),
  );
  assert.deepEqual([updated(it, db, 200_000n), updated(it, db, 300_000n), updated(it, web, 70_000n)], [
    -1n,
    -1n,
    undefined,
  ]);
  for (const each of [db, pin]) it.link.stop(each);
  assert.equal(it.link.agent.state.quotas.size, 0);
  assert.equal(it.quotas.written.length, 2, "what has ended needs nothing back");
});

Deno.test("a container that shares its pod's CPUs, by a limit of its own that isn't whole, keeps its quota", () => {
  const it = rig();
  const { cpus: _, ...pod } = { ...db, podQuota: 200_000n, podShares: 2048n, cgroupParent: "/kubepods/pod1" };
  assert.equal(run(it, { ...pod, cpus: 2 }), -1n);
  const some = { ...pod, id: "id-some", container: "some", shares: 512n, quota: 50_000n, period: 100_000n };
  it.kernel.appear("id-some", it.link.create(some, { runs: false }).cpus);
  it.quotas.all.set("id-some", { quota: 50_000, period: 100_000 });
  it.link.start(some);
  it.link.mention(Event.POST_START_CONTAINER, some);
  assert.equal(it.link.container("id-some")?.grant.toString(), "1-2");
  assert.deepEqual(it.quotas.written, ["uid-db=max"]);
});

Deno.test("what kubelet or the runtime writes again is lifted at the next comparison", () => {
  const it = rig();
  run(it, db);
  it.quotas.written.length = 0;
  for (const name of ["id-db", "uid-db"]) it.quotas.all.set(name, TWO);
  it.link.tick(it.link.now + 10);
  assert.deepEqual(it.quotas.written, []);
  for (let n = 0; n < 3; n++) it.link.tick(it.link.now + 2000);
  assert.deepEqual(it.quotas.written.sort(), ["id-db=max", "uid-db=max"]);
});

Deno.test("one that loses its CPUs gets its quota back, its pod too, and loses both with its CPUs again", () => {
  const it = rig();
  run(it, pin);
  const gone = { topology: topologyOf({ ...eightCores, offline: "6" }), offlineRemoved: false };
  it.link.feed({ kind: "topology", now: it.link.now, ...gone });
  it.link.tick(it.link.now + 10);
  assert.deepEqual(it.quotas.written.splice(0), [
    "uid-pin=max",
    "id-pin=50000/100000",
    "uid-pin=200000/100000",
  ]);
  assert.equal(updated(it, pin, 50_000n), 50_000n);
  it.link.feed({
    kind: "topology",
    now: it.link.now,
    topology: topologyOf(eightCores),
    offlineRemoved: false,
  });
  it.link.tick(it.link.now + 10);
  assert.deepEqual(it.quotas.written, ["id-pin=max", "uid-pin=max"]);
});

Deno.test("a failure is logged once, tried again at each comparison, and keeps nothing from starting", () => {
  const it = rig();
  it.quotas.refusal = "read-only";
  assert.equal(run(it, db), -1n);
  for (let n = 0; n < 4; n++) it.link.tick(it.link.now + 2000);
  assert.deepEqual(it.link.logged("warn"), ["CFS quota not changed; retrying: read-only"]);
  delete it.quotas.refusal;
  for (let n = 0; n < 2; n++) it.link.tick(it.link.now + 2000);
  assert.deepEqual(it.quotas.written, ["uid-db=max"]);
});

Deno.test("by default, in a dry run and where the runtime writes cgroups, the kernel's quotas stay as they are", () => {
  for (const setup of [{ exclusiveQuota: "keep" }, { dryRun: true }, { apply: "runtime" }] as const) {
    const it = rig(setup);
    assert.equal(run(it, db), "apply" in setup ? -1n : undefined);
    assert.deepEqual(it.quotas.written, []);
  }
  assert.equal(updated(rig({ exclusiveQuota: "keep" }, [{ ...db, record: "1-2" }]), db, 200_000n), undefined);
});

Deno.test("an agent that starts again lifts what is found, and knows what a lifted container claims", () => {
  const lifted: Wanted = { ...db, quota: -1n, record: "1-2" };
  const lost: Wanted = { ...lifted, name: "lost", shares: 2n, record: "3-5" };
  const large: Wanted = { ...lifted, name: "large", shares: 262_144n, record: "6-7" };
  const it = rig({}, [lifted, lost, large, { ...web, record: "0" }]);
  const counts = ["db", "lost", "large"].map((name) => it.link.container(`id-${name}`)?.grant.size);
  assert.deepEqual(counts, [2, 3, 2]);
  const keeping = rig({ exclusiveQuota: "keep" }, [lost]);
  assert.equal(keeping.link.container("id-lost")?.grant.size, 0);
  const many = Array.from({ length: 40 }, (_, n): Wanted => ({ ...pin, name: `p${n}`, record: "6" }));
  const node = rig({}, many);
  node.link.tick(node.link.now + 1);
  assert.equal(node.link.agent.state.quotas.size, 40, "in several looks");
});

Deno.test("how often a container with CPUs of its own was throttled is in the view after a comparison", () => {
  const it = rig({ exclusiveQuota: "keep" });
  run(it, db);
  it.quotas.stops.set("id-db", 7);
  assert.equal(it.link.container("id-db")?.throttled, undefined);
  for (let n = 0; n < 2; n++) it.link.tick(it.link.now + 2000);
  assert.equal(it.link.container("id-db")?.throttled, 7);
  it.link.stop(db);
  for (let n = 0; n < 2; n++) it.link.tick(it.link.now + 2000);
  assert.equal(it.link.agent.state.reconcile.throttled.size, 0);
});
