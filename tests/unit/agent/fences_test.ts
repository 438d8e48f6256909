/** Fences: exclusive CPUs are kept from a whole QoS class by one write, and the containers in it aren't written at all. */
import assert from "node:assert/strict";
import { CpuSet } from "../../../src/cpu/cpu_set.ts";
import { viewOf } from "../../../src/agent/view.ts";
import type { ContainerRef } from "../../../src/ledger/claim.ts";
import { CORES_IDS, FORBID_CORE_IDS } from "../../../src/nri/annotations.ts";
import { Event } from "../../../src/nri/gen/nri_pb.ts";
import { FakeKernel } from "../../kit/fake_kernel.ts";
import { Link, subject } from "../../kit/link.ts";
import { podOf, type Wanted } from "../../kit/messages.ts";
import { DEFAULT_POLICY, DEFAULT_SETTINGS } from "../../kit/policy.ts";
import { encode } from "../../kit/runtime_end.ts";
import { type MachineSpec, topologyOf } from "../../kit/sysfs.ts";

const fourCores: MachineSpec = { sockets: 1, nodesPerSocket: 1, coresPerNode: 4, threads: 1 };
const BURSTABLE = "/kubepods/burstable";
const BEST_EFFORT = "/kubepods/besteffort";
const parent = `${BURSTABLE}/pod1`;
const web: Wanted = { name: "web", cgroupParent: parent };
const db: Wanted = { name: "db", cpus: 1 };
const side: Wanted = { name: "side", cgroupParent: "/kubepods/pod3" };
const pin: Wanted = { name: "pin", cgroupParent: parent, annotations: { [CORES_IDS]: "2" } };

interface Rig {
  readonly link: Link;
  readonly kernel: FakeKernel;
}

/** A node with four CPUs, whose classes have no sets of their own yet. */
function rig(
  setup: ConstructorParameters<typeof Link>[1] = {},
  running: readonly Wanted[] = [],
  classes = "",
  kernel = new FakeKernel(2),
): Rig {
  kernel.online = CpuSet.range(0, 3);
  for (const path of [BURSTABLE, BEST_EFFORT]) kernel.appear(path, classes);
  for (const { name, record = "" } of running) kernel.appear(`id-${name}`, record);
  return { kernel, link: Link.serving(running, fourCores, { cpusets: kernel, reconcileMs: 1000, ...setup }) };
}

/** Creates and starts a container, as the runtime does it. */
function run({ link, kernel }: Rig, wanted: Wanted): ReturnType<Link["create"]> {
  const reply = link.create(wanted, { runs: false });
  kernel.appear(`id-${wanted.name}`, reply.cpus);
  link.start(wanted);
  link.mention(Event.POST_START_CONTAINER, wanted);
  return reply;
}

/** The message with which a start is refused once that is final. */
function startRefusal({ link }: Rig, wanted: Wanted): string {
  assert.equal(link.call("StartContainer", encode("StartContainer", subject(wanted))), undefined);
  link.tick(link.now + 400);
  const event = link.runtime.next();
  assert(event?.kind === "answered" && event.status.code !== 0, "it was not refused");
  return event.status.message;
}

function classes({ kernel }: Rig): string[] {
  return [BURSTABLE, BEST_EFFORT].map((path) => `${kernel.sets.get(path)}`);
}

function groups({ link }: Rig): string[] {
  return [...viewOf(link.agent.state).groups].map(([path, { keeps }]) => `${path} ${keeps}`);
}

Deno.test("an exclusive claim is two writes, however many containers there are, and shared ones are never written", () => {
  const it = rig();
  for (let n = 0; n < 20; n++) run(it, { ...web, name: `web${n}` });
  assert.deepEqual(run(it, db), { cpus: "1", mems: "", updates: [] });
  assert.deepEqual(it.kernel.written, [`${BEST_EFFORT}=0,2-3`, `${BURSTABLE}=0,2-3`]);
  assert.deepEqual(run(it, web), { cpus: "", mems: "", updates: [] });
  assert.equal(it.kernel.runsOn("id-web", parent), "0,2-3");
  assert.deepEqual(["id-web", "id-db"].map((id) => it.link.container(id)?.keptBy), ["fence", "own set"]);
  assert.equal(`${it.link.container("id-web")?.mayRunOn}`, "0,2-3");
  it.link.end(db);
  it.link.tick(it.link.now);
  assert.deepEqual(it.kernel.written.slice(2), [`${BEST_EFFORT}=0-3`, `${BURSTABLE}=0-3`]);
});

Deno.test("a shared container of a Guaranteed pod is written itself, before the classes", () => {
  const it = rig();
  run(it, side);
  run(it, db);
  assert.deepEqual(it.kernel.written, ["id-side=0,2-3", `${BEST_EFFORT}=0,2-3`, `${BURSTABLE}=0,2-3`]);
});

Deno.test("pinned CPUs are kept from those behind the fence by their own sets, and may be had in it", () => {
  const it = rig();
  run(it, web);
  run(it, db);
  assert.equal(run(it, pin).cpus, "2");
  assert.equal(`${it.kernel.sets.get("id-web")}`, "0-1,3");
  assert.deepEqual(classes(it), ["0,2-3", "0,2-3"]);
  assert.equal(it.kernel.runsOn("id-web", parent), "0,3");
  assert.equal(it.kernel.runsOn("id-pin", parent), "2");
  // All that are online again, by a set that names them.
  it.link.end(pin);
  it.link.tick(it.link.now);
  assert.equal(`${it.kernel.sets.get("id-web")}`, "0-3");
});

Deno.test("a pinned container in a class gets CPUs of a moved one: the fence is widened by the time that it starts", () => {
  const it = rig();
  run(it, db);
  const onto: Wanted = { ...pin, annotations: { [CORES_IDS]: "1" } };
  const reply = it.link.create(onto, { runs: false });
  assert.equal(reply.cpus, "1");
  it.kernel.appear("id-pin", reply.cpus);
  it.link.start(onto);
  assert.equal(it.kernel.runsOn("id-pin", parent), "1");
  it.link.tick(it.link.now);
  assert.deepEqual([`${it.kernel.sets.get("id-db")}`, ...classes(it)], ["2", "0-1,3", "0-1,3"]);
});

Deno.test("before a class gets claimed CPUs the sets in it are read again: in a call, later, and where it is no fence", () => {
  const onto = { [CORES_IDS]: "1" };
  const changed = (it: Rig) => {
    it.kernel.sets.set("id-web", CpuSet.range(0, 3));
    it.kernel.written.length = 0;
  };
  for (const later of [true, false]) {
    const it = rig();
    for (const wanted of [web, db, { ...side, annotations: onto }]) run(it, wanted);
    assert.deepEqual([classes(it)[0], `${it.kernel.sets.get("id-web")}`], ["0,3", "0,2-3"]);
    changed(it);
    if (later) it.link.tick(it.link.now);
    else it.link.create({ ...pin, annotations: onto }, { runs: false });
    assert.deepEqual(it.kernel.written.filter((line) => !line.startsWith(BEST_EFFORT)), [
      "id-web=0,2-3",
      `${BURSTABLE}=0-1,3`,
    ]);
  }
  const it = rig({ reconcileMs: 0 });
  for (const wanted of [web, db]) run(it, wanted);
  it.kernel.unreadable.add(BURSTABLE);
  run(it, { ...web, name: "web2" });
  it.link.tick(it.link.now);
  it.kernel.unreadable.clear();
  changed(it);
  it.link.tick(it.link.now + 60_000);
  assert.deepEqual(it.kernel.written, ["id-web=0,2-3", `${BURSTABLE}=0-3`]);
});

Deno.test("only in a class that gets claimed CPUs are the sets read again, each once; what is free costs no reading", () => {
  const it = rig({ reconcileMs: 0 });
  const webs = ["web0", "web1", "web2"];
  for (const name of webs) run(it, { ...web, name });
  run(it, db);
  run(it, { ...side, annotations: { [CORES_IDS]: "1" } });
  const reads: string[] = [];
  const read = it.kernel.read.bind(it.kernel);
  it.kernel.read = (container) => {
    reads.push(container.id);
    return read(container);
  };
  it.link.tick(it.link.now);
  assert.equal(classes(it)[0], "0-1,3");
  assert.deepEqual(reads.sort(), webs.map((name) => `id-${name}`));
  it.link.end(db);
  reads.length = 0;
  it.link.tick(it.link.now);
  assert.deepEqual([classes(it)[0], reads], ["0-3", []]);
});

Deno.test("a set that has nothing in common with its class isn't what it should be, wherever it lets its container run", () => {
  const it = rig();
  for (const wanted of [web, db]) run(it, wanted);
  it.kernel.sets.set("id-web", CpuSet.of(1));
  it.kernel.written.length = 0;
  for (const ms of [0, 1100, 0]) it.link.tick(it.link.now + ms);
  assert.deepEqual(it.kernel.written, ["id-web=0-3"]);
  assert.equal(it.kernel.runsOn("id-web", parent), "0,2-3");
});

Deno.test("a pinned container doesn't start while its fence lacks its CPUs", () => {
  const it = rig();
  run(it, db);
  const onto: Wanted = { ...pin, annotations: { [CORES_IDS]: "1" } };
  const reply = it.link.create(onto, { runs: false });
  it.kernel.appear("id-pin", reply.cpus);
  it.kernel.busy.set(BURSTABLE, CpuSet.range(0, 3));
  it.kernel.sets.set(BURSTABLE, CpuSet.of(0, 3));
  it.kernel.refused.set(BURSTABLE, "EBUSY");
  assert.match(startRefusal(it, onto), /can't be started on the CPUs 1/);
});

Deno.test("what a container forbids is in its own set; where that is all of the pool, it is ignored", () => {
  const it = rig();
  const picky: Wanted = { ...web, name: "picky", annotations: { [FORBID_CORE_IDS]: "0,2-3" } };
  run(it, picky);
  assert.equal(`${it.kernel.sets.get("id-picky")}`, "1");
  run(it, db);
  assert.equal(it.kernel.runsOn("id-picky", parent), "0,2-3");
});

Deno.test("a claim is refused while a fence can't be moved for a moment, and all is put back", () => {
  const it = rig();
  it.kernel.refused.set(BEST_EFFORT, "EBUSY");
  assert.match(it.link.refusal(db), /cgroup \/kubepods\/besteffort/);
  assert.equal(classes(it)[0], "");
  it.kernel.refused.clear();
  it.link.tick(it.link.now + 60_000);
  assert.equal(run(it, db).cpus, "1");
});

Deno.test("where a class can't be written at all each of its containers is, and that is logged once", () => {
  const it = rig();
  run(it, web);
  it.kernel.refused.set(BURSTABLE, "EROFS");
  assert.equal(run(it, db).cpus, "1");
  assert.deepEqual(groups(it), [`${BURSTABLE} online`, `${BEST_EFFORT} unexclusive`]);
  assert.equal(`${it.kernel.sets.get("id-web")}`, "0,2-3");
  run(it, { ...web, name: "late" });
  assert.equal(`${it.kernel.sets.get("id-late")}`, "0,2-3");
  assert.equal(it.link.logged("warn").filter((line) => /fence not possible/.test(line)).length, 1);
});

/** Two comparisons, each to its end. */
function compareTwice({ link }: Rig): void {
  for (const after of [0, 2000, 0, 2000, 0]) link.tick(link.now + after);
}

Deno.test("a fence that couldn't be read for a moment returns by itself, and both are logged once", () => {
  const it = rig();
  run(it, web);
  run(it, db);
  it.kernel.unreadable.add(BURSTABLE);
  compareTwice(it);
  assert.deepEqual([groups(it)[0], `${it.kernel.sets.get("id-web")}`], [`${BURSTABLE} online`, "0,2-3"]);
  it.kernel.unreadable.clear();
  it.kernel.written.length = 0;
  for (let round = 0; round < 3; round++) compareTwice(it);
  assert.deepEqual(groups(it), [`${BURSTABLE} unexclusive`, `${BEST_EFFORT} unexclusive`]);
  // It had been given all CPUs; what is in it is written only once it has lost them again.
  assert.deepEqual(it.kernel.written, [`${BURSTABLE}=0-3`, `${BURSTABLE}=0,2-3`, "id-web=0-3"]);
  assert.deepEqual(it.link.container("id-web")?.keptBy, "fence");
  assert.equal(it.link.logged("warn").filter((line) => /fence not possible/.test(line)).length, 1);
  assert.equal(it.link.logged("info").filter((line) => /fence possible again/.test(line)).length, 1);
});

Deno.test("a fence that can't be written is tried ever more rarely, without a line in the log each time", () => {
  const it = rig();
  it.kernel.refused.set(BURSTABLE, "EROFS");
  run(it, db);
  const reads: number[] = [];
  const write = it.kernel.write.bind(it.kernel);
  it.kernel.write = (writes, deadlineMs) => {
    if (writes.some(({ container }) => container.id === BURSTABLE)) reads.push(it.link.now);
    return write(writes, deadlineMs);
  };
  for (let round = 0; round < 300; round++) it.link.tick(it.link.now + 1000);
  const waits = reads.slice(1).map((at, n) => at - (reads[n] ?? 0)).filter((wait) => wait > 0);
  assert(waits.length >= 5 && waits.length < 15 && Math.max(...waits) >= 60_000, `${waits}`);
  assert.equal(it.link.logged("warn").filter((line) => /fence not possible/.test(line)).length, 1);
  it.kernel.refused.clear();
  for (let round = 0; round < 80; round++) it.link.tick(it.link.now + 1000);
  assert.deepEqual(classes(it), ["0,2-3", "0,2-3"]);
});

Deno.test("a fence that was emptied is written again before a pod runs, a container is created or started", () => {
  const it = rig();
  run(it, db);
  const empty = () => {
    it.kernel.sets.set(BURSTABLE, CpuSet.empty);
    it.kernel.written.length = 0;
  };
  empty();
  assert.deepEqual(
    it.link.call("RunPodSandbox", encode("RunPodSandbox", { pod: podOf(web) }))?.kind,
    "answered",
  );
  assert.deepEqual(it.kernel.written, [`${BURSTABLE}=0,2-3`]);
  empty();
  const reply = it.link.create(web, { runs: false });
  assert.deepEqual(it.kernel.written, [`${BURSTABLE}=0,2-3`]);
  it.kernel.appear("id-web", reply.cpus);
  empty();
  it.link.start(web);
  assert.deepEqual(it.kernel.written, [`${BURSTABLE}=0,2-3`]);
});

Deno.test("nothing is refused in RunPodSandbox", () => {
  const it = rig();
  run(it, db);
  it.kernel.sets.set(BURSTABLE, CpuSet.empty);
  it.kernel.refused.set(BURSTABLE, "EBUSY");
  const answer = it.link.call("RunPodSandbox", encode("RunPodSandbox", { pod: podOf(web) }));
  assert(answer?.kind === "answered" && answer.status.code === 0);
});

Deno.test("an agent that starts takes over the fences that it finds, and widens what nobody has any more", () => {
  const running = [{ ...web, record: "" }, { ...db, record: "3" }];
  const it = rig({}, running, "0-2");
  it.link.tick(it.link.now);
  assert.deepEqual([groups(it), it.kernel.written], [[
    `${BURSTABLE} unexclusive`,
    `${BEST_EFFORT} unexclusive`,
  ], []]);
  const other = rig({}, [{ ...web, record: "" }], "0-2");
  other.link.tick(other.link.now);
  assert.deepEqual(other.kernel.written, [`${BEST_EFFORT}=0-3`, `${BURSTABLE}=0-3`]);
});

Deno.test("with fence: off one that was left is widened, and containers are written", () => {
  const it = rig({ fence: "off" }, [{ ...web, record: "" }, { ...db, record: "3" }], "0-2");
  it.link.tick(it.link.now);
  assert.deepEqual(it.kernel.all, [`${BEST_EFFORT}=0-3`, `${BURSTABLE}=0-3`, "id-db=3", "id-web=0-2"]);
  assert.equal(it.kernel.written[0], "id-web=0-2");
});

Deno.test("a fence that another program has changed is repaired at the next comparison", () => {
  const it = rig();
  run(it, db);
  it.kernel.sets.set(BURSTABLE, CpuSet.range(0, 1));
  for (const after of [0, 2000, 0]) it.link.tick(it.link.now + after);
  assert.deepEqual(classes(it), ["0,2-3", "0,2-3"]);
  assert.equal(it.link.logged("warn").filter((line) => /changed by another program/.test(line)).length, 1);
});

Deno.test("a class that another program has narrowed is left alone, and so are the host's slices with fence or without", () => {
  const kernel = new FakeKernel(2);
  kernel.foreign.add(BURSTABLE);
  const it = rig({}, [{ ...web, record: "" }], "0-1", kernel);
  assert.match(it.link.logged("warn").join(), /another program has given \/kubepods\/burstable the CPUs 0-1/);
  run(it, db);
  assert.deepEqual(classes(it), ["0-1", "0,2-3"]);
  assert.equal(`${kernel.sets.get("id-web")}`, "0,2-3");
  const off = new FakeKernel(2);
  off.foreign.add(BURSTABLE);
  assert.deepEqual(classes(rig({ fence: "off" }, [{ ...web, record: "" }], "0-1", off)), ["0-1", "0-1"]);
});

for (const [hostFence, cpus] of [["reserved", "0"], ["pool", "0,2-3"], ["off", ""]] as const) {
  Deno.test(`with hostFence: ${hostFence} the host's slices have the CPUs ${cpus || "that they had"}`, () => {
    const kernel = new FakeKernel(2);
    for (const path of ["/system.slice", "/init.scope"]) kernel.appear(path, "");
    const policy = { ...DEFAULT_POLICY, systemReserved: CpuSet.of(0) };
    const it = rig({ hostFence, policy }, [web], "", kernel);
    run(it, db);
    it.link.tick(it.link.now);
    assert.deepEqual(["/system.slice", "/init.scope"].map((path) => `${kernel.sets.get(path)}`), [
      cpus,
      cpus,
    ]);
  });
}

Deno.test("the classes of kubelet's system partition are fenced with the others, whichever side a claim is on", () => {
  const it = rig();
  const classes = ["burstable", "besteffort"].map((name) => `/kubepods/system/${name}`);
  for (const path of classes) it.kernel.appear(path, "");
  run(it, db);
  assert.deepEqual(classes.map((path) => `${it.kernel.sets.get(path)}`), ["0,2-3", "0,2-3"]);
  run(it, { ...db, name: "etcd", cgroupParent: "/kubepods/system/pod9" });
  const parent = `${classes[0]}/pod8`;
  run(it, { name: "agent", cgroupParent: parent });
  assert.equal(it.kernel.runsOn("id-agent", parent), "0,3");
  assert.equal(it.link.container("id-agent")?.keptBy, "fence");
  assert.equal(`${it.kernel.sets.get(BURSTABLE)}`, "0,3");
});

Deno.test("isolated CPUs that are kept for claims aren't in the sets behind a fence, which claims of them don't change", () => {
  const it = rig();
  it.link.machine = { ...fourCores, isolated: "2-3" };
  it.link.feed({ kind: "topology", now: 0, topology: topologyOf(it.link.machine), offlineRemoved: false });
  const policy = { ...DEFAULT_POLICY, isolatedCpus: "exclusive" as const };
  it.link.feed({ kind: "settings", settings: { ...DEFAULT_SETTINGS, policy, growDelayMs: 0 } });
  run(it, web);
  assert.equal(it.kernel.runsOn("id-web", parent), "0-1");
  const before = it.kernel.written.length;
  assert.equal(run(it, { ...db, cpus: 2 }).cpus, "2-3");
  assert.deepEqual(it.kernel.written.slice(before), [`${BEST_EFFORT}=0-1`, `${BURSTABLE}=0-1`]);
});

Deno.test("in cgroup v1 the cgroup of a pod in a class is to have what its new container gets, before the reply", () => {
  const kernel: FakeKernel & { growPod?: (container: ContainerRef, cpus: CpuSet) => void } = new FakeKernel(
    1,
  );
  const grown: string[] = [];
  kernel.growPod = ({ id }, cpus) => void grown.push(`${id} ${cpus}`);
  const it = rig({ fence: "on" }, [], "0-3", kernel);
  run(it, pin);
  run(it, db);
  run(it, web);
  assert.deepEqual(grown, ["id-pin 2", "id-web 0,3"]);
});
