/** Nobody is written onto CPUs on which another may be running, and nothing is believed without a read, on every way. */
import assert from "node:assert/strict";
import { CpuSet } from "../../../src/cpu/cpu_set.ts";
import type { Input } from "../../../src/agent/step.ts";
import { Event } from "../../../src/nri/gen/nri_pb.ts";
import { cpus } from "../../kit/books.ts";
import { FakeKernel } from "../../kit/fake_kernel.ts";
import { Link, subject } from "../../kit/link.ts";
import { containerOf, podOf, type Wanted } from "../../kit/messages.ts";
import { DEFAULT_SETTINGS } from "../../kit/policy.ts";
import { encode } from "../../kit/runtime_end.ts";
import { bigNode } from "../../kit/sysfs.ts";

const web: Wanted = { name: "web" };
const api: Wanted = { name: "api" };
const db: Wanted = { name: "db", cpus: 2 };

interface Rig {
  readonly link: Link;
  readonly kernel: FakeKernel;
}

function rig(setup: ConstructorParameters<typeof Link>[1] = {}): Rig {
  const kernel = new FakeKernel();
  const link = Link.serving([], bigNode, { cpusets: kernel, reconcileMs: 1000, ...setup });
  return { link, kernel };
}

function create({ link, kernel }: Rig, wanted: Wanted): void {
  const reply = link.create(wanted, { runs: false });
  kernel.appear(`id-${wanted.name}`, reply.cpus || "0-63");
}

function run(it: Rig, wanted: Wanted): void {
  create(it, wanted);
  it.link.start(wanted);
  it.link.mention(Event.POST_START_CONTAINER, wanted);
}

/** The answer to its start, as an error's text; undefined: it is deferred. */
function start({ link }: Rig, wanted: Wanted): string | undefined {
  const event = link.call(
    "StateChange",
    encode("StateChange", { event: Event.START_CONTAINER, ...subject(wanted) }),
  );
  return event?.kind === "answered" ? event.status.message : undefined;
}

/** Another program has written it, and the agent has seen that. */
function drifts({ link, kernel }: Rig, wanted: Wanted, set: string): void {
  kernel.sets.set(`id-${wanted.name}`, cpus(set));
  link.mention(Event.POST_UPDATE_CONTAINER, wanted);
}

function on({ kernel }: Rig, { name }: Wanted): string {
  return `${kernel.sets.get(`id-${name}`)}`;
}

/** CPUs 1 and 33 are reserved from now on: `db`, which has them, moves to 2 and 34. */
function reserve({ link }: Rig): void {
  const policy = { ...DEFAULT_SETTINGS.policy, systemReserved: cpus("1,33") };
  link.feed({ kind: "settings", settings: { ...DEFAULT_SETTINGS, growDelayMs: 0, policy } } as Input);
  link.tick(link.now + 1);
}

Deno.test("the reply to an update leaves a container where it is while another holds its new CPUs", () => {
  const it = rig();
  run(it, web);
  run(it, db);
  it.kernel.busy.set("id-web", cpus("2,34"));
  reserve(it);
  assert.deepEqual([on(it, db), it.link.container("id-db")?.state], ["1,33", "blocked"]);
  assert.deepEqual(it.link.update({ ...db, memory: 1n << 30n }), ["id-db=1,33"]);
  it.kernel.busy.clear();
  it.link.tick(it.link.now + 2000);
  it.link.tick(it.link.now + 1);
  assert.equal(on(it, db), "2,34");
});

/** On which `web` was found on CPUs of `db`, and can't be made to give them up. */
function withFailure(): Rig {
  const it = rig();
  run(it, web);
  run(it, db);
  it.kernel.busy.set("id-web", cpus("1"));
  drifts(it, web, "0-63");
  it.link.tick(it.link.now + 1);
  assert.equal(it.link.container("id-web")?.state, "failed");
  return it;
}

Deno.test("an agent that isn't synchronized again writes nothing by the ledger of before", () => {
  const it = withFailure();
  it.link.feed({ kind: "disconnected" });
  it.kernel.busy.clear();
  it.link.register();
  it.link.configure();
  const before = it.kernel.all;
  it.link.create({ name: "new" }, { runs: false });
  assert.deepEqual(it.kernel.all, before);
});

Deno.test("a claim has failed writes retried first, which is logged", () => {
  const it = withFailure();
  it.kernel.busy.clear();
  it.link.create({ name: "other", cpus: 2 }, { runs: false });
  assert.ok(it.link.logged("info").includes("cpuset written"));
});

for (const known of [false, true]) {
  const when = known ? "is known not to be readable" : "turns out not to be readable";
  Deno.test(`a start waits for a container on its CPUs that ${when}`, () => {
    const it = rig({ growDelayMs: 300 });
    run(it, web);
    create(it, db);
    drifts(it, web, "0-63");
    it.kernel.unreadable.add("id-web");
    if (known) it.link.mention(Event.POST_UPDATE_CONTAINER, web);
    assert.equal(start(it, db), undefined);
    assert.equal(it.link.container("id-web")?.by, "record");
  });
}

Deno.test("what a deferred start has shown is logged and asked for at once, its refusal once it is final", () => {
  const it = rig({ growDelayMs: 5000 });
  for (const each of [web, api]) run(it, each);
  create(it, db);
  for (const each of [web, api]) drifts(it, each, "0-63");
  it.kernel.unreadable.add("id-web");
  it.kernel.busy.set("id-api", cpus("1"));
  it.link.asked.length = 0;
  const before = it.link.logged("warn").length;
  const news = () =>
    it.link.logged("warn").slice(before).map((text) => text.split(" ").slice(0, 3).join(" "));
  assert.equal(start(it, db), undefined);
  const asked = () => it.link.asked.flatMap((each) => each.kind === "apply" ? each.changes : []);
  assert.deepEqual(asked().map(({ id }) => id), ["id-web"]);
  assert.deepEqual(news(), ["cpuset not readable;"]);
  for (let waited = 0; waited < 320; waited += 20) it.link.tick(it.link.now + 20);
  assert.deepEqual(news().filter((text) => text.startsWith("container refused")).length, 1);
});

for (const hidden of [false, true]) {
  const own = hidden ? "can't be read" : "is right";
  Deno.test(`where the runtime delivers, a start waits for a container on its CPUs, though its own cgroup ${own}`, () => {
    const it = rig({ apply: "runtime", reconcileMs: 0 });
    it.kernel.writable = false;
    run(it, web);
    create(it, db);
    if (hidden) it.kernel.unreadable.add("id-db");
    assert.equal(start(it, db), undefined);
  });
}

Deno.test("where the runtime delivers, cgroups are read when the CRI lists them, as at Synchronize", () => {
  const kernel = new FakeKernel();
  kernel.writable = false;
  kernel.appear("id-web", "0-63");
  kernel.appear("id-db", "1,33");
  const all = [{ ...web, record: "0,2-32,34-63" }, { ...db, record: "1,33" }];
  const setup = { cpusets: kernel, apply: "runtime" } as const;
  const synchronized = Link.configured(bigNode, setup).synchronize(all);
  const link = Link.configured(bigNode, setup);
  link.tick(1000);
  link.feed({ kind: "listed", listing: { pods: all.map(podOf), containers: all.map(containerOf) } });
  assert.deepEqual([synchronized, link.applied()], [["id-web=0,2-32,34-63"], synchronized]);
});

Deno.test("where the runtime delivers, a running container whose cgroup lacks CPUs of its record is sent it again", () => {
  const kernel = new FakeKernel();
  kernel.writable = false;
  kernel.appear("id-web", "1-63");
  const link = Link.configured(bigNode, { cpusets: kernel, apply: "runtime" });
  assert.deepEqual(link.synchronize([{ ...web, record: "0-63" }]), ["id-web=0-63"]);
  kernel.appear("id-web", "0-63");
  link.register();
  link.configure();
  assert.deepEqual(link.synchronize([{ ...web, record: "0-63" }]), []);
});

Deno.test("no container grows while claims are suspended", () => {
  const it = rig();
  run(it, db);
  it.link.feed({ kind: "suspended", reason: "kubelet's CPU manager is on" });
  const cpu = { quota: { value: 400_000n }, period: { value: 100_000n }, shares: { value: 4096n } };
  const grown = { ...subject(db), linuxResources: { cpu } };
  assert.match(it.link.refused("UpdateContainer", grown), /kubelet's CPU manager is on/);
  assert.equal(it.link.claimed, "1,33");
  it.link.feed({ kind: "suspended", reason: undefined });
  it.link.ask("UpdateContainer", grown);
  assert.equal(it.link.container("id-db")?.grant.size, 4);
});

Deno.test("a shared container doesn't start on CPUs on which one with a grant still is, and gets them later", () => {
  const it = rig();
  run(it, web);
  run(it, db);
  it.kernel.busy.set("id-db", CpuSet.of(1));
  reserve(it);
  assert.equal(on(it, db), "1,33");
  run(it, api);
  assert.ok(!cpus(on(it, api)).intersects(cpus("1,33")), on(it, api));
  it.kernel.busy.clear();
  it.link.tick(it.link.now + 2000);
  it.link.tick(it.link.now + 1);
  assert.deepEqual([on(it, db), on(it, api)], ["2,34", "0-1,3-33,35-63"]);
});
