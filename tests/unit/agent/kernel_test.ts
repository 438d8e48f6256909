/** Kernel first: what a reply promises is true in the kernel before the reply is given. */
import assert from "node:assert/strict";
import { CpuSet } from "../../../src/cpu/cpu_set.ts";
import { CORES_IDS } from "../../../src/nri/annotations.ts";
import { Event } from "../../../src/nri/gen/nri_pb.ts";
import { FakeKernel } from "../../kit/fake_kernel.ts";
import { bigNode, type MachineSpec, twoCpuVm } from "../../kit/sysfs.ts";
import { Link, subject } from "../../kit/link.ts";
import { containerOf, livingOf, podOf, type Wanted } from "../../kit/messages.ts";
import { encode, texts } from "../../kit/runtime_end.ts";

const web: Wanted = { name: "web" };
const api: Wanted = { name: "api" };
const db: Wanted = { name: "db", cpus: 2 };
const pin: Wanted = { name: "pin", annotations: { [CORES_IDS]: "1" } };

interface Rig {
  readonly link: Link;
  readonly kernel: FakeKernel;
}

function rig(
  machine: MachineSpec = bigNode,
  setup: ConstructorParameters<typeof Link>[1] = {},
  version?: 1 | 2,
): Rig {
  const kernel = new FakeKernel(version);
  const link = Link.serving([], machine, { cpusets: kernel, reconcileMs: 1000, ...setup });
  return { link, kernel };
}

/** Creates and starts a container, as the runtime does it: its cgroup appears in between. */
function run({ link, kernel }: Rig, wanted: Wanted, whole = "0-63"): ReturnType<Link["create"]> {
  const reply = link.create(wanted, { runs: false });
  for (const [id = "", cpus = ""] of reply.updates.map((update) => update.split("="))) {
    kernel.appear(id, cpus);
  }
  kernel.appear(`id-${wanted.name}`, reply.cpus || whole);
  link.start(wanted);
  link.mention(Event.POST_START_CONTAINER, wanted);
  return reply;
}

function tick({ link }: Rig, after = 0): void {
  link.tick(link.now + after);
}

Deno.test("a shared container has no CPUs in the record, and gets them in the kernel when it starts", () => {
  const it = rig();
  run(it, db);
  assert.deepEqual(run(it, web), { cpus: "", mems: "", updates: [] });
  assert.deepEqual(it.kernel.all, ["id-db=1,33", "id-web=0,2-32,34-63"]);
});

Deno.test("a container that loses CPUs has lost them in the kernel before the reply, which doesn't name it", () => {
  const it = rig();
  run(it, web);
  run(it, api);
  const { cpus, updates } = it.link.create(db);
  assert.deepEqual([cpus, updates], ["1,33", []]);
  assert.deepEqual(it.kernel.written, ["id-web=0,2-32,34-63", "id-api=0,2-32,34-63"]);
});

Deno.test("a moved container is moved in the kernel, and the reply has the update as well", () => {
  const it = rig();
  run(it, web);
  run(it, db);
  it.kernel.written.length = 0;
  assert.deepEqual(run(it, pin).updates, ["id-db=2,34"]);
  assert.deepEqual(it.kernel.written, ["id-web=0,3-32,35-63", "id-db=2,34"]);
});

Deno.test("CPUs that come free are written right after the reply", () => {
  const it = rig();
  run(it, web);
  run(it, db);
  it.link.end(db);
  assert(it.link.asked.some((output) => output.kind === "wake" && output.after === 0));
  tick(it);
  assert.equal(`${it.kernel.sets.get("id-web")}`, "0-63");
});

Deno.test("a pinned container is refused while another's CPUs can't be changed, and nothing changes", () => {
  const it = rig();
  run(it, web);
  run(it, api);
  it.kernel.busy.set("id-api", CpuSet.of(1));
  const before = it.kernel.all;
  assert.match(it.link.refusal(pin), /1 is still held by ns\/api container c: a child holds 1/);
  assert.deepEqual(it.kernel.all, before);
  assert.equal(it.link.agent.state.ledger.assignments.size, 2);
  it.kernel.busy.clear();
  assert.equal(it.link.create(pin).cpus, "1");
});

Deno.test("an exclusive container gets other CPUs than those that can't be taken from another", () => {
  const it = rig();
  run(it, web);
  it.kernel.busy.set("id-web", CpuSet.of(1));
  assert.equal(it.link.create(db).cpus, "2,34");
  assert.equal(`${it.kernel.sets.get("id-web")}`, "0-1,3-33,35-63");
});

Deno.test("where every choice is held by another the creation is refused, naming the holders", () => {
  const it = rig();
  run(it, web);
  it.kernel.busy.set("id-web", CpuSet.range(0, 63));
  assert.match(
    it.link.refusal(db),
    /0 are free .*; 0-63 still held by ns\/web container c: a child holds 0-63/,
  );
  assert.deepEqual(it.kernel.all, ["id-web=0-63"]);
});

Deno.test("a claim for which the kernel takes too long is refused, nothing changes, and the next try is a new one", () => {
  const it = rig();
  run(it, web);
  run(it, api);
  it.kernel.pastDeadline = true;
  assert.match(it.link.refusal(pin), /can't be changed: no time was left; retrying/);
  assert.deepEqual(it.kernel.all, ["id-api=0-63", "id-web=0-63"]);
  assert.deepEqual(it.link.create(pin, { runs: false }).updates, []);
  assert.deepEqual(it.kernel.all, ["id-api=0,2-63", "id-web=0,2-63"]);
});

Deno.test("a container whose cgroup can't be read gets an update of the runtime, and others are placed", () => {
  const it = rig();
  run(it, web);
  run(it, api);
  it.kernel.unreadable.add("id-api");
  assert.deepEqual(it.link.create(pin).updates, ["id-api=0,2-63"]);
  assert.equal(`${it.kernel.sets.get("id-web")}`, "0,2-63");
  assert(it.link.logged("warn").some((line) => line.startsWith("cpuset not readable; falling back to")));
});

Deno.test("a container that moves onto CPUs which another leaves only by the reply is moved by the reply too", () => {
  const it = rig();
  run(it, web);
  run(it, db);
  it.kernel.unreadable.add("id-web");
  it.link.mention(Event.POST_UPDATE_CONTAINER, web);
  assert.deepEqual(it.link.create(pin, { runs: false }).updates, ["id-web=0,3-33,35-63", "id-db=2,34"]);
  assert.equal(it.link.container("id-db")?.by, "record");
});

Deno.test("a container whose cgroup isn't found at its start gets an update of the runtime", () => {
  const it = rig();
  run(it, db);
  it.link.create(web);
  assert.equal(it.link.container("id-web")?.by, "record");
  assert.deepEqual(it.link.applied(), ["id-web=0,2-32,34-63"]);
});

/** `db` runs, and `web` has its cgroup, in which something holds CPU 33 of `db`. */
function heldAtStart(): Rig {
  const it = rig();
  run(it, db);
  it.link.create(web, { runs: false });
  it.kernel.appear("id-web", "0-63");
  it.kernel.busy.set("id-web", CpuSet.of(33));
  assert.equal(startAnswer(it, web), undefined, "the answer is put off");
  return it;
}

/** The answer to the start of a container: undefined while it is put off, else its message. */
function startAnswer({ link }: Rig, wanted?: Wanted): string | undefined {
  const payload = wanted && encode("StateChange", { event: Event.START_CONTAINER, ...subject(wanted) });
  const event = payload === undefined ? link.runtime.next() : link.call("StateChange", payload);
  return event?.kind === "answered" ? event.status.message : undefined;
}

Deno.test("a start is refused after its deadline on CPUs that are another's", () => {
  const it = heldAtStart();
  tick(it, 100);
  assert.equal(startAnswer(it), undefined);
  tick(it, 201);
  assert.match(startAnswer(it) ?? "", /it can't be started on the CPUs 0,2-32,34-63: a child holds 33/);
});

Deno.test("a start that was put off is answered as soon as its CPUs are right", () => {
  const it = heldAtStart();
  it.kernel.busy.clear();
  tick(it, 20);
  assert.equal(startAnswer(it), "");
  assert.equal(`${it.kernel.sets.get("id-web")}`, "0,2-32,34-63");
});

Deno.test("an update of a shared container is left alone, unless it asks for CPUs", () => {
  const it = rig();
  run(it, web);
  run(it, db);
  assert.deepEqual(it.link.update(web), []);
  assert.deepEqual(it.link.update(web, "0-63"), ["id-web=0,2-32,34-63"]);
  assert.deepEqual(it.link.update(web), ["id-web=0,2-32,34-63"], "its record has CPUs now, and writes them");
  assert.deepEqual(it.link.update(db), ["id-db=1,33"]);
});

Deno.test("a set that an update has brought back is repaired when the update is over", () => {
  const it = rig();
  run(it, web);
  run(it, db);
  it.kernel.appear("id-db", "0-63");
  it.link.mention(Event.POST_UPDATE_CONTAINER, db);
  tick(it);
  assert.equal(`${it.kernel.sets.get("id-db")}`, "1,33");
});

Deno.test("a container that grows gets its CPUs in one step: the others have lost them", () => {
  const it = rig();
  run(it, web);
  run(it, db);
  const cpu = { shares: { value: 4096n }, quota: { value: 400_000n }, period: { value: 100_000n } };
  const { update } = it.link.ask("UpdateContainer", { ...subject(db), linuxResources: { cpu } });
  assert.deepEqual(texts(update), ["id-db=1-2,33-34"]);
  assert.deepEqual(it.kernel.all, ["id-db=1-2,33-34", "id-web=0,3-32,35-63"]);
});

Deno.test("a synchronization reads the kernel, and writes what is otherwise than it should", () => {
  const kernel = new FakeKernel();
  kernel.appear("id-web", "0-63");
  kernel.appear("id-db", "5,37");
  const link = Link.serving([web, { ...db, record: "1,33" }], bigNode, { cpusets: kernel });
  assert.equal(`${link.agent.state.ledger.claimed}`, "5,37", "the kernel's word counts, not the record's");
  tick({ link, kernel });
  assert.deepEqual(kernel.all, ["id-db=5,37", "id-web=0-4,6-36,38-63"]);
});

Deno.test("drift is found, logged once and repaired", () => {
  const it = rig();
  run(it, web);
  run(it, db);
  tick(it, 1);
  for (const _ of [1, 2, 3]) {
    // It has been found right before, by the same ledger.
    for (const _ of [1, 2, 3]) tick(it, 1200);
    it.kernel.appear("id-web", "0-63");
    tick(it, 1200);
    tick(it);
    assert.equal(`${it.kernel.sets.get("id-web")}`, "0,2-32,34-63");
  }
  const reason = "found on CPUs 0-63 instead of 0,2-32,34-63";
  assert.deepEqual(it.link.logged("warn"), [`cpuset changed by another program; repairing: ${reason}`]);
});

Deno.test("no container is put on CPUs that can't be taken from another", () => {
  const it = rig();
  run(it, web);
  run(it, db);
  tick(it, 1);
  it.kernel.appear("id-web", "0-63");
  it.kernel.busy.set("id-web", CpuSet.of(1));
  it.kernel.appear("id-db", "33");
  tick(it, 1200);
  tick(it);
  assert.equal(`${it.kernel.sets.get("id-db")}`, "33");
  it.kernel.busy.clear();
  tick(it, 1200);
  assert.deepEqual(it.kernel.all, ["id-db=1,33", "id-web=0,2-32,34-63"]);
  assert.equal(it.link.agent.state.ledger.failed.length, 0);
});

Deno.test("what can't be repaired is tried again with back-off", () => {
  const it = rig();
  run(it, web);
  run(it, db);
  tick(it, 1);
  it.kernel.appear("id-web", "0-63");
  it.kernel.busy.set("id-web", CpuSet.of(1));
  for (let second = 0; second < 100; second++) tick(it, 1000);
  assert.equal(it.link.container("id-web")?.failure?.tries, 7, "after 1, 2, 4, 8, 16, 32 and 60 s");
});

Deno.test("unknown containers of the runtime's list are found, and ended ones are forgotten", () => {
  const it = rig();
  run(it, db);
  tick(it, 1);
  const known = () => [...it.link.agent.state.ledger.assignments.keys()];
  const counted = () => it.link.feed({ kind: "counted", living: livingOf(["id-web", "id-gone"]) });
  counted();
  assert.deepEqual(known(), ["id-db"]);
  counted();
  assert.deepEqual(known(), [], "missing twice");
  assert(it.link.asked.some(({ kind }) => kind === "list"));
  it.kernel.appear("id-web", "0-63");
  it.link.feed({ kind: "listed", listing: { pods: [podOf(web)], containers: [containerOf(web)] } });
  assert.deepEqual(known(), ["id-web"]);
});

Deno.test("with the systemd driver and cgroup v2 shared containers have CPUs in the record", () => {
  const unit = { ...web, cgroupsPath: "kubepods-pod1.slice:cri-containerd:id-web" };
  const it = rig(twoCpuVm, {}, 2);
  run(it, { name: "own", cpus: 1 }, "0-1");
  assert.equal(it.link.create(unit, { runs: false }).cpus, "0");
});

for (const setup of [{ dryRun: true }, { apply: "runtime" }, { standby: true }] as const) {
  Deno.test(`nothing is written with ${JSON.stringify(setup)}`, () => {
    const it = rig(bigNode, setup);
    it.kernel.appear("id-web", "0-63");
    it.link.create(web);
    it.link.create(db);
    tick(it, 1);
    tick(it, 5000);
    assert.deepEqual(it.kernel.written, []);
  });
}

Deno.test("by the runtime alone a start is put off while another still runs on its CPUs", () => {
  const it = rig(bigNode, { apply: "runtime" });
  it.link.create(web);
  it.kernel.appear("id-web", "0-63");
  assert.deepEqual(it.link.create(db, { runs: false }).updates, ["id-web=0,2-32,34-63"]);
  it.kernel.appear("id-db", "1,33");
  assert.equal(startAnswer(it, db), undefined, "the answer is put off");
  it.kernel.appear("id-web", "0,2-32,34-63");
  tick(it, 20);
  assert.equal(startAnswer(it), "");
});

Deno.test("by the runtime alone a difference is drift when it is seen twice, and then it is pending and contested", () => {
  const it = rig(bigNode, { apply: "runtime" });
  run(it, web);
  run(it, db);
  it.kernel.appear("id-web", "0-63");
  tick(it, 1);
  tick(it, 1200);
  assert.deepEqual(it.link.logged("warn"), [], "the runtime may not have written it yet");
  it.link.asked.length = 0;
  tick(it, 1200);
  assert.equal(it.link.logged("warn").length, 1);
  assert.match(
    it.link.refusal({ name: "own", annotations: { [CORES_IDS]: "1" } }),
    /found on CPUs 0-63 instead of 0,2-32,34-63/,
  );
  tick(it, 1200);
  assert(it.link.applied().some((update) => update.startsWith("id-web=")), "it is sent anew");
  it.kernel.appear("id-web", "0,2-32,34-63");
  tick(it, 1200);
  assert.equal(it.link.create({ name: "own", annotations: { [CORES_IDS]: "1" } }).cpus, "1");
});

for (const apply of ["auto", "runtime"] as const) {
  Deno.test(`a container that started while no agent was connected is found by its cgroup: ${apply}`, () => {
    const it = rig(bigNode, { apply });
    run(it, db);
    it.link.create(web, { runs: false });
    it.kernel.appear("id-web", "0-63");
    tick(it, 1);
    tick(it, 1200);
    assert.equal(it.link.container("id-web")?.isStarting, true, "it may be starting just now");
    tick(it, 1200);
    assert.equal(it.link.container("id-web")?.isStarting, false);
    tick(it);
    if (apply === "auto") assert.equal(`${it.kernel.sets.get("id-web")}`, "0,2-32,34-63");
  });
}
