/** Partitions: made at the start, ended with what they were of, taken over; a failure is a warning and nothing else. */
import assert from "node:assert/strict";
import { CpuSet } from "../../../src/cpu/cpu_set.ts";
import { CORES_IDS, ISOLATION } from "../../../src/nri/annotations.ts";
import { Event } from "../../../src/nri/gen/nri_pb.ts";
import { FakeKernel, FakePartitions } from "../../kit/fake_kernel.ts";
import { Link, subject } from "../../kit/link.ts";
import { encode } from "../../kit/runtime_end.ts";
import { livingOf, type Wanted } from "../../kit/messages.ts";
import { DEFAULT_SETTINGS } from "../../kit/policy.ts";
import { run } from "../../kit/run_container.ts";
import { type MachineSpec, topologyOf } from "../../kit/sysfs.ts";

const eightCores: MachineSpec = { sockets: 1, nodesPerSocket: 1, coresPerNode: 8, threads: 1 };
const annotations = { [ISOLATION]: "partition" };
const db: Wanted = { name: "db", cpus: 2, annotations };
const web: Wanted = { name: "web", cgroupParent: "/kubepods/pod2" };
const pin: Wanted = { name: "pin", annotations: { ...annotations, [CORES_IDS]: "6" } };
const NO = "no partition; the container has a plain CPU set";
const UNFIT = `${NO}: it takes cgroup v2, and CPU sets that the agent itself writes (apply)`;

interface Rig {
  readonly link: Link;
  readonly kernel: FakeKernel;
  readonly partitions: FakePartitions;
}

function rig(
  setup: ConstructorParameters<typeof Link>[1] = {},
  running: readonly Wanted[] = [],
  left: Record<string, string> = {},
): Rig {
  const [kernel, partitions] = [new FakeKernel(2), new FakePartitions()];
  kernel.online = CpuSet.range(0, 7);
  kernel.partitions = partitions;
  for (const [id, cpus] of Object.entries(left)) partitions.all.set(id, cpus);
  for (const { name, record = "" } of running) kernel.appear(`id-${name}`, record);
  const rules = { ...DEFAULT_SETTINGS.rules, isolationNamespaces: ["ns"] };
  const options = { cpusets: kernel, reconcileMs: 1000, fence: "off", rules, ...setup } as const;
  return { kernel, partitions, link: Link.serving(running, eightCores, options) };
}

function resize({ link }: Rig, cpus: number): void {
  const [shares, quota, period] = [cpus * 1024, cpus * 100_000, 100_000].map((value) => ({
    value: BigInt(value),
  }));
  link.ask("UpdateContainer", { ...subject(db), linuxResources: { cpu: { shares, quota, period } } });
}

function isolationOf({ link }: Rig, { name }: Wanted): unknown {
  return link.container(`id-${name}`)?.isolation;
}

Deno.test("it is made at the start, before the reply, and ended with the container, by whichever call or count", () => {
  const it = rig();
  const { link, kernel, partitions } = it;
  const { cpus } = link.create(db, { runs: false });
  kernel.appear("id-db", cpus);
  assert.deepEqual([partitions.calls.length, isolationOf(it, db)], [0, { isInForce: false }]);
  link.start(db);
  assert.deepEqual(partitions.calls.splice(0), ["partition id-db=1-2"]);
  assert.deepEqual([isolationOf(it, db), isolationOf(it, web)], [{ isInForce: true }, undefined]);
  link.stop(db);
  assert.deepEqual(partitions.calls.splice(0), ["release id-db"]);
  run(it, db);
  link.remove(db);
  run(it, db);
  link.mention(Event.STOP_POD_SANDBOX, db);
  assert.deepEqual(partitions.calls.filter((call) => call.startsWith("release")).length, 2);
  run(it, db);
  link.agent = { ...link.agent, state: { ...link.agent.state, untracked: new Set(["id-db"]) } };
  for (let n = 0; n < 2; n++) link.feed({ kind: "counted", living: livingOf([]) });
  link.tick(link.now);
  assert.equal(partitions.calls.at(-1), "release id-db");
  assert.deepEqual([partitions.all.size, link.agent.state.partitions.size], [0, 0]);
});

Deno.test("without it the container starts all the same, with one warning for each cause", () => {
  const it = rig();
  const { link, partitions } = it;
  partitions.refusal = "it takes kernel 6.7";
  assert.equal(run(it, db), "1-2");
  for (let n = 0; n < 3; n++) link.tick(link.now + 2000);
  assert.deepEqual(link.logged("warn"), [`${NO}: it takes kernel 6.7`]);
  assert.deepEqual(isolationOf(it, db), { isInForce: false, reason: "it takes kernel 6.7" });
  for (const setup of [{ apply: "runtime" }, { cpusets: new FakeKernel(1) }] as const) {
    const other = rig(setup);
    (setup as { cpusets?: FakeKernel }).cpusets?.appear("id-db", "1-2");
    run(other, db);
    assert.deepEqual(other.link.logged("warn"), [UNFIT]);
    assert.deepEqual(other.partitions.calls, []);
  }
});

Deno.test("a dry run makes and ends none, nor does a node whose configuration lets nobody have one", () => {
  const rules = { ...DEFAULT_SETTINGS.rules };
  for (const setup of [{ dryRun: true }, { rules }]) {
    const it = rig(setup);
    run(it, db);
    it.link.stop(db);
    assert.deepEqual(it.partitions.calls, []);
  }
});

Deno.test("after a resize it is ended before the write, and made anew of what was written", () => {
  const it = rig();
  run(it, db);
  const order: string[] = it.partitions.calls;
  const write = it.kernel.write.bind(it.kernel);
  it.kernel.write = (writes, deadlineMs) => {
    order.push(...writes.map(({ container: { id }, cpus }) => `write ${id}=${cpus}`));
    return write(writes, deadlineMs);
  };
  resize(it, 3);
  assert.deepEqual(order, [
    "partition id-db=1-2",
    "release id-db",
    "write id-db=1-3",
    "partition id-db=1-3",
  ]);
  assert.deepEqual(isolationOf(it, db), { isInForce: true });
  resize(it, 1.5);
  assert.deepEqual([it.partitions.all.size, isolationOf(it, db)], [0, undefined]);
});

Deno.test("when one of its CPUs goes offline it is made anew of the others that it gets", () => {
  const it = rig();
  run(it, db);
  const topology = topologyOf({ ...eightCores, offline: "1" });
  it.kernel.online = topology.online;
  it.link.feed({ kind: "topology", now: it.link.now, topology, offlineRemoved: false });
  for (let n = 0; n < 3; n++) it.link.tick(it.link.now);
  const own = it.kernel.sets.get("id-db");
  assert.deepEqual([own?.has(1), own?.size, [...it.partitions.all]], [false, 2, [["id-db", `${own}`]]]);
});

Deno.test("an exclusive one isn't moved; a pinned one loses it before another shares its CPUs, and gets it back", () => {
  const it = rig();
  run(it, db);
  assert.match(
    it.link.refusal({ ...pin, annotations: { [CORES_IDS]: "1" } }),
    /cannot reallocate it: it may not be moved/,
  );
  run(it, pin);
  assert.equal(it.partitions.all.get("id-pin"), "6");
  const sharer = { ...pin, name: "sharer" };
  it.link.create(sharer, { runs: false });
  assert.equal(it.partitions.calls.at(-1), "release id-pin");
  const reason = "ns/sharer container c has some of its CPUs too";
  assert.deepEqual(isolationOf(it, pin), { isInForce: false, reason });
  assert.equal(it.link.logged("warn").at(-1), `${NO}: ${reason}`);
  it.link.remove(sharer);
  assert.deepEqual(isolationOf(it, pin), { isInForce: true });
});

Deno.test("CPUs that a container of its pod has too, by a limit of its own that isn't whole, are no partition", () => {
  const it = rig();
  const pod = { ...db, podQuota: 200_000n, podShares: 2048n, cgroupParent: "/kubepods/pod1" };
  const { cpus: _, ...rest } = pod;
  const some = { ...rest, id: "id-some", container: "some", shares: 512n, quota: 50_000n, period: 100_000n };
  run(it, pod);
  assert.equal(it.partitions.all.get("id-db"), "1-2");
  assert.equal(it.link.create(some, { runs: false }).cpus, "1-2", "the pod's CPUs");
  assert.deepEqual([...it.partitions.all], [], "which a partition would take from it");
  const reason = "ns/db container some has some of its CPUs too";
  assert.deepEqual(isolationOf(it, db), { isInForce: false, reason });
});

Deno.test("what was running is looked at and taken over, what isn't known is cleared, at every list", () => {
  const running = [{ ...db, record: "1-2" }, { ...web, record: "" }];
  const it = rig({}, running, { "id-db": "1-2", "id-gone": "4" });
  assert.deepEqual([it.partitions.calls.splice(0), isolationOf(it, db)], [["clear id-gone"], {
    isInForce: true,
  }]);
  it.link.register();
  it.link.configure();
  it.link.synchronize([]);
  assert.deepEqual(it.partitions.calls, ["clear id-db"]);
});

Deno.test("another program has ended it: at the next comparison it is made anew, with a warning", () => {
  const it = rig();
  run(it, db);
  it.partitions.all.clear();
  for (let n = 0; n < 3; n++) it.link.tick(it.link.now + 1200);
  assert.deepEqual(it.link.logged("warn"), ["partition lost; made anew"]);
  assert.equal(it.partitions.all.get("id-db"), "1-2");
});

Deno.test("one that can't be made again, as its container has just ended, leaves nothing above it", () => {
  const it = rig();
  run(it, db);
  it.partitions.refusal = "its cgroup wasn't found";
  it.partitions.calls.length = 0;
  for (let n = 0; n < 3; n++) it.link.tick(it.link.now + 1200);
  assert.deepEqual([it.partitions.all.size, it.link.logged("warn")], [0, [`${NO}: its cgroup wasn't found`]]);
  assert.deepEqual(it.partitions.calls.filter((call) => call.startsWith("release")), ["release id-db"]);
});

Deno.test("one that can't be ended is tried again, with one warning, and its container gets none before", () => {
  const it = rig();
  run(it, db);
  it.partitions.releaseRefusal = "read-only";
  it.link.stop(db);
  for (let n = 0; n < 3; n++) it.link.tick(it.link.now + 1200);
  assert.deepEqual(it.link.logged("warn"), ["partition not released; retrying: read-only"]);
  it.partitions.releaseRefusal = undefined;
  it.link.tick(it.link.now);
  assert.deepEqual([it.partitions.all.size, it.link.agent.state.partitions.size], [0, 0]);
});

Deno.test("a container that inherits its set gives up a partition's CPUs by a set of its own: they come back without a write", () => {
  const it = rig();
  run(it, db);
  // What the partition leaves of the cgroup above.
  it.kernel.online = CpuSet.of(0, 3, 4, 5, 6, 7);
  run(it, web);
  it.link.tick(it.link.now);
  assert.equal(`${it.kernel.sets.get("id-web")}`, "0,3-7");
});

Deno.test("none is made before the container is on exactly its CPUs and let start, nor is anything said of it", () => {
  const it = rig({}, [web, { ...db, record: "0-7" }]);
  assert.deepEqual(it.partitions.calls, []);
  it.link.tick(it.link.now);
  assert.deepEqual(it.partitions.calls.splice(0), [`partition id-db=${it.kernel.sets.get("id-db")}`]);
  const next = { ...db, name: "next" };
  it.kernel.appear("id-next", it.link.create(next, { runs: false }).cpus);
  it.link.tick(it.link.now);
  it.kernel.appear("id-web", "0-7");
  it.kernel.busy.set("id-web", CpuSet.range(0, 7));
  it.link.tick(it.link.now + 1200);
  assert.equal(
    it.link.call("StartContainer", encode("StartContainer", subject(next))),
    undefined,
    "it waits",
  );
  assert.deepEqual(it.partitions.calls, []);
  const other = rig({ apply: "runtime" });
  other.link.create(db, { runs: false });
  assert.deepEqual(other.link.logged("warn"), []);
});

Deno.test("pinned ones that share CPUs have none when they are found, and one that couldn't be ended is tried again", () => {
  const sharer = { ...pin, name: "sharer", annotations: { [CORES_IDS]: "6" } };
  const it = rig({}, [{ ...pin, record: "6" }, { ...sharer, record: "6" }], { "id-pin": "6" });
  assert.deepEqual(it.partitions.calls.splice(0), ["clear id-pin"]);
  it.link.remove(sharer);
  it.partitions.releaseRefusal = "read-only";
  it.link.create(sharer, { runs: false });
  it.link.remove(sharer);
  it.partitions.releaseRefusal = undefined;
  it.link.tick(it.link.now);
  assert.deepEqual(it.partitions.calls, ["partition id-pin=6", "release id-pin", "partition id-pin=6"]);
});

Deno.test("a set that another program has emptied is drift where it was narrower, and told by the CPUs that are online", () => {
  const it = rig();
  run(it, db);
  run(it, web);
  it.link.tick(it.link.now);
  const emptied = () => {
    it.kernel.appear("id-web", "");
    for (let n = 0; n < 2; n++) it.link.tick(it.link.now + 1200);
  };
  emptied();
  assert.deepEqual(it.link.logged("warn"), [
    "cpuset changed by another program; repairing: found on CPUs 0-7 instead of 0,3-7",
  ]);
  it.link.end(db);
  it.link.tick(it.link.now);
  assert.equal(`${it.kernel.sets.get("id-web")}`, "0-7");
  emptied();
  assert.equal(it.link.logged("warn").length, 1);
});
