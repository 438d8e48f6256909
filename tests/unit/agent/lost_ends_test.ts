/** Ends that the runtime never reports: what is concluded from who lives in a container's cgroup. */
import assert from "node:assert/strict";
import { FakeKernel } from "../../kit/fake_kernel.ts";
import { Link } from "../../kit/link.ts";
import { containerOf, podOf, type Wanted } from "../../kit/messages.ts";
import { bigNode } from "../../kit/sysfs.ts";
import { viewOf } from "../../../src/agent/view.ts";

const web: Wanted = { name: "web" };
const db: Wanted = { name: "db", cpus: 2 };
const box: Wanted = { name: "box", cpus: 2, handler: "someruntime" };

interface Rig {
  readonly link: Link;
  readonly kernel: FakeKernel;
}

/** A node on which these run, and one look was taken at each. */
function rig(running: readonly Wanted[] = [web, db], setup: ConstructorParameters<typeof Link>[1] = {}): Rig {
  const kernel = new FakeKernel(2);
  kernel.isPopulated = true;
  for (const [at, { name }] of running.entries()) kernel.appear(`id-${name}`, `${at + 1},${at + 33}`);
  const listed = running.map((wanted, at) => ({ ...wanted, record: `${at + 1},${at + 33}` }));
  const link = Link.serving(listed, bigNode, { cpusets: kernel, reconcileMs: 1000, ...setup });
  const it = { link, kernel };
  link.tick(0);
  compare(it);
  return it;
}

/** A comparison with the kernel. */
function compare({ link }: Rig): void {
  link.tick(link.now + 1200);
  link.tick(link.now);
}

/** The runtime counts what lives, and lists it where that is asked for. */
function count({ link }: Rig, running: readonly Wanted[]): void {
  const containers = new Set(running.map(({ name }) => `id-${name}`));
  const sandboxes = new Set(running.map((each) => podOf(each).id));
  link.feed({ kind: "counted", living: { containers, sandboxes } });
  if (!link.asked.splice(0).some(({ kind }) => kind === "list")) return;
  link.feed({ kind: "listed", listing: { pods: running.map(podOf), containers: running.map(containerOf) } });
}

function claimed({ link }: Rig): string {
  return link.claimed;
}

for (const how of ["empty", "absent"] as const) {
  const gone = (it: Rig, name: string) =>
    how === "empty" ? it.kernel.empty.add(name) : it.kernel.sets.delete(name);
  Deno.test(`a container whose cgroup is ${how} at two looks has ended, whatever the runtime lists`, () => {
    const it = rig();
    gone(it, "id-db");
    compare(it);
    assert.equal(claimed(it), "2,34", "one look is none");
    compare(it);
    assert.equal(claimed(it), "");
    const reason = how === "empty" ? "no process is in its cgroup" : "it has no cgroup";
    const ended = `container ended, which the runtime hasn't reported; its CPUs are released: ${reason}`;
    assert.deepEqual(it.link.logged("warn"), [ended]);
    assert.equal(viewOf(it.link.agent.state).unreportedEnds, 1);
    assert.equal(`${it.kernel.sets.get("id-web")}`, "0-63", "the pool has its CPUs");
    for (const _ of [1, 2, 3]) count(it, [web, db]);
    it.link.synchronize([web, { ...db, record: "2,34" }]);
    assert.equal(claimed(it), "", "it isn't taken in again because it is listed");
    for (const _ of [1, 2, 3]) compare(it);
    assert.deepEqual(it.link.logged("warn"), [ended], "logged once");
  });
}

Deno.test("it isn't taken in again after a list that is older than it: it is forgotten when two don't name it", () => {
  const it = rig();
  it.kernel.empty.add("id-db");
  for (const _ of [1, 2]) compare(it);
  const known = () => it.link.agent.state.reconcile.lostEnds.ended.size;
  count(it, [web]);
  for (const _ of [1, 2, 3]) count(it, [web, { ...db, record: "2,34" }]);
  assert.deepEqual([claimed(it), known()], ["", 1]);
  for (const _ of [1, 2]) count(it, [web]);
  assert.equal(known(), 0);
});

Deno.test("one look at which somebody is seen begins anew", () => {
  const it = rig();
  for (const _ of [1, 2, 3]) {
    it.kernel.empty.add("id-db");
    compare(it);
    it.kernel.empty.clear();
    compare(it);
  }
  it.kernel.unreadable.add("id-db");
  for (const _ of [1, 2]) compare(it);
  assert.equal(claimed(it), "2,34");
});

Deno.test("one that was taken for ended and lives again is taken in as found", () => {
  const it = rig();
  it.kernel.empty.add("id-db");
  for (const _ of [1, 2]) compare(it);
  count(it, [web, db]);
  it.kernel.empty.clear();
  compare(it);
  count(it, [web, { ...db, record: "2,34" }]);
  assert.equal(claimed(it), "2,34");
  assert.equal(it.link.logged("warn").filter((line) => line.includes("taken in again")).length, 1);
});

Deno.test("where no container at all has a cgroup it is the tree that is wrong: that is logged once, and none ends", () => {
  const it = rig();
  it.kernel.sets.clear();
  compare(it);
  assert.deepEqual(it.link.logged("warn"), [], "they may all be ending");
  for (const _ of [1, 2, 3]) compare(it);
  assert.equal(claimed(it), "2,34");
  assert.match(it.link.logged("warn").join(), /^no container has a cgroup: cgroupRoot isn't the tree [^,]*$/);
  it.kernel.appear("id-web", "0-63");
  for (const _ of [1, 2]) compare(it);
  assert.equal(claimed(it), "", "with one in it the tree is right");
});

Deno.test("a cgroup in which nobody was ever seen proves nothing; no cgroup does, of the node's default runtime", () => {
  const it = rig([web]);
  it.link.synchronize([web, { ...db, record: "2,34" }, { ...box, record: "3,35" }]);
  it.kernel.appear("id-db", "2,34");
  it.kernel.empty.add("id-db");
  for (const _ of [1, 2, 3]) compare(it);
  assert.equal(claimed(it), "2-3,34-35");
  it.kernel.sets.delete("id-db");
  for (const _ of [1, 2, 3]) compare(it);
  assert.equal(claimed(it), "3,35", "another runtime may make no cgroup for a container");
});

Deno.test("a container that is only created has nobody in its cgroup yet", () => {
  const it = rig();
  it.link.create({ name: "new", cpus: 1 }, { runs: false });
  for (const _ of [1, 2, 3]) compare(it);
  assert.equal(claimed(it), "1-2,34");
});

Deno.test("no look is taken by an agent that only logs what it would do", () => {
  const it = rig([web, db], { dryRun: true });
  it.kernel.sets.delete("id-db");
  for (const _ of [1, 2, 3]) compare(it);
  assert.equal(claimed(it), "2,34");
});
