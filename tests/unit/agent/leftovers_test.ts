/** Processes that live on in the cgroup of an ended container: its CPUs are nobody's until they have ended, or have left. */
import assert from "node:assert/strict";
import { CpuSet } from "../../../src/cpu/cpu_set.ts";
import { Event } from "../../../src/nri/gen/nri_pb.ts";
import { CORES_IDS } from "../../../src/nri/annotations.ts";
import { viewOf } from "../../../src/agent/view.ts";
import { FakeKernel } from "../../kit/fake_kernel.ts";
import { Link } from "../../kit/link.ts";
import type { Wanted } from "../../kit/messages.ts";
import type { MachineSpec } from "../../kit/sysfs.ts";

const EIGHT_CORES: MachineSpec = { sockets: 1, nodesPerSocket: 1, coresPerNode: 8, threads: 2 };
const old: Wanted = { name: "old", cpus: 12 };
const db: Wanted = { name: "db", cpus: 12 };
const web: Wanted = { name: "web" };

interface Rig {
  readonly link: Link;
  readonly kernel: FakeKernel;
}

/** A node on which a shared container runs, and `old` on CPUs 1-6 and 9-14. */
function rig(apply: "auto" | "runtime" = "auto"): Rig {
  const kernel = new FakeKernel(2);
  const it = { link: Link.serving([], EIGHT_CORES, { cpusets: kernel, apply, growDelayMs: 0 }), kernel };
  if (apply === "auto") run(it, web);
  assert.equal(run(it, old), "1-6,9-14");
  kernel.populated.add("id-old");
  return it;
}

function run({ link, kernel }: Rig, wanted: Wanted): string {
  const { cpus } = link.create(wanted, { runs: false });
  kernel.appear(wanted.id ?? `id-${wanted.name}`, cpus || "0-15");
  link.start(wanted);
  link.mention(Event.POST_START_CONTAINER, wanted);
  return cpus;
}

/** Time passes, a second at a time. */
function pass({ link }: Rig, seconds: number): void {
  for (let second = 0; second < seconds; second++) link.tick(link.now + 1000);
}

const setOf = ({ kernel }: Rig, id: string) => `${kernel.sets.get(id)}`;
const leftIn = ({ link }: Rig) =>
  [...viewOf(link.agent.state).containers].filter(([, { isLeftover }]) => isLeftover).map(([id]) => id);

Deno.test("no other container gets CPUs that an ended one's processes may be on, and all get them once these have ended", () => {
  for (const end of ["removed", "empty"] as const) {
    const it = rig();
    it.link.end(old);
    it.link.remove(old);
    assert.match(it.link.refusal(db), /needs 12 exclusive CPUs, 3 are free/);
    assert.match(
      it.link.refusal({ name: "pin", annotations: { [CORES_IDS]: "1" } }),
      /held exclusively by ns\/old container c; cannot reallocate it: it may not be moved/,
    );
    assert.equal(it.link.logged("warn").filter((text) => text.includes("processes are left")).length, 1);
    pass(it, 5);
    assert.deepEqual([leftIn(it), it.link.claimed], [["id-old"], "1-6,9-14"]);
    if (end === "removed") it.kernel.sets.delete("id-old");
    else it.kernel.populated.delete("id-old");
    pass(it, 1);
    assert.deepEqual([leftIn(it), it.link.claimed, setOf(it, "id-web")], [[], "", "0-15"]);
    assert.equal(run(it, db), "1-6,9-14");
  }
});

Deno.test("in a pod that lives the claim is held once they have ended", () => {
  const it = rig();
  it.link.stop(old);
  it.kernel.sets.delete("id-old");
  pass(it, 1);
  assert.deepEqual(viewOf(it.link.agent.state).held.map(({ grant }) => `${grant}`), ["1-6,9-14"]);
});

Deno.test("after half a minute they are written to the shared pool, and followed there until they have ended", () => {
  for (const isPodOver of [true, false]) {
    const it = rig();
    if (isPodOver) it.link.end(old);
    else it.link.stop(old);
    pass(it, 29);
    assert.equal(setOf(it, "id-old"), "1-6,9-14");
    pass(it, 2);
    assert.equal(it.link.claimed, isPodOver ? "" : "1-6,9-14");
    assert.equal(setOf(it, "id-old"), isPodOver ? "0-15" : "0,7-8,15");
    assert.equal(it.link.logged("warn").filter((text) => text.includes("haven't ended in time")).length, 1);
    if (isPodOver) {
      assert.equal(run(it, db), "1-6,9-14");
      assert.equal(setOf(it, "id-old"), "0,7-8,15");
    } else it.link.mention(Event.STOP_POD_SANDBOX, old);
    assert.deepEqual(leftIn(it), ["id-old"]);
    it.kernel.sets.delete("id-old");
    pass(it, 11);
    assert.deepEqual(leftIn(it), []);
  }
});

Deno.test("so are those whose cgroup couldn't be read for a moment, by what it shows then", () => {
  const it = rig();
  it.link.end(old);
  it.kernel.unreadable.add("id-old");
  pass(it, 29);
  it.kernel.unreadable.clear();
  pass(it, 2);
  assert.deepEqual([leftIn(it), it.link.claimed, setOf(it, "id-old")], [["id-old"], "", "0-15"]);
});

Deno.test("so are those of one that has its pod's figures, and the CPUs of the pod are held", () => {
  const it = rig();
  const own: Wanted = { name: "own", cpus: 2, podQuota: 200_000n };
  assert.equal(run(it, own), "7,15");
  it.kernel.populated.add("id-own");
  it.link.stop(own);
  pass(it, 31);
  assert.deepEqual([leftIn(it), it.link.claimed, setOf(it, "id-own")], [["id-own"], "1-7,9-15", "0,8"]);
});

Deno.test("the container's own successor gets its CPUs, which they leave before the reply", () => {
  const it = rig();
  it.link.stop(old);
  const next: Wanted = { ...old, id: "id-old-2" };
  assert.equal(run(it, next), "1-6,9-14");
  assert.equal(setOf(it, "id-old"), "0,7-8,15");
  assert.deepEqual([it.link.container("id-old-2")?.state, leftIn(it)], ["confirmed", ["id-old"]]);
  it.link.stop(next);
  it.kernel.sets.clear();
  pass(it, 11);
  assert.deepEqual([leftIn(it), it.link.claimed], [[], "1-6,9-14"], "held for the next one");
});

Deno.test("what a pinned container has left behind shares its CPUs with its successor, and leaves them after half a minute", () => {
  const it = rig();
  const pin: Wanted = { name: "pin", annotations: { [CORES_IDS]: "7" } };
  assert.equal(run(it, pin), "7");
  it.kernel.populated.add("id-pin");
  it.link.stop(pin);
  it.kernel.busy.set("id-pin", CpuSet.of(7));
  assert.equal(run(it, { ...pin, id: "id-pin-2" }), "7");
  assert.deepEqual([leftIn(it), setOf(it, "id-pin")], [["id-pin"], "7"]);
  it.kernel.busy.clear();
  pass(it, 31);
  assert.deepEqual([setOf(it, "id-pin"), setOf(it, "id-pin-2")], ["0,8,15", "7"]);
});

Deno.test("where cgroups aren't written the CPUs are given away after that time all the same", () => {
  const it = rig("runtime");
  it.link.end(old);
  pass(it, 29);
  assert.match(it.link.refusal(db), /3 are free/);
  pass(it, 2);
  assert.deepEqual([leftIn(it), it.link.claimed], [[], ""]);
});
