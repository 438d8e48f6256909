/** A pod's cgroup that another program has narrowed: nothing is confirmed that isn't in force. */
import assert from "node:assert/strict";
import { CpuSet } from "../../../src/cpu/cpu_set.ts";
import { CORES_IDS } from "../../../src/nri/annotations.ts";
import { Event } from "../../../src/nri/gen/nri_pb.ts";
import { viewOf } from "../../../src/agent/view.ts";
import { statusText } from "../../../src/cli/status_text.ts";
import { statusDocument } from "../../../src/status/status_document.ts";
import { FakeKernel } from "../../kit/fake_kernel.ts";
import { Link, subject } from "../../kit/link.ts";
import type { Wanted } from "../../kit/messages.ts";
import { type MachineSpec, topologyOf } from "../../kit/sysfs.ts";

const eightCores: MachineSpec = { sockets: 1, nodesPerSocket: 1, coresPerNode: 8, threads: 1 };
const POD = "/kubepods/pod-a";
const db: Wanted = { name: "db", cpus: 2, cgroupParent: POD };
const pin: Wanted = {
  name: "pin",
  annotations: { [CORES_IDS]: "1,6" },
  cgroupParent: "/kubepods/besteffort/pod-b",
};
const other: Wanted = { name: "other", cpus: 2 };
const web: Wanted = { name: "web" };
const KEPT = `kept from this pod by ${POD} (4-7)`;

interface Rig {
  readonly link: Link;
  readonly kernel: FakeKernel;
}

function rig(
  running: readonly Wanted[] = [],
  setup: ConstructorParameters<typeof Link>[1] = {},
  limit = "",
): Rig {
  const kernel = new FakeKernel(2);
  kernel.online = CpuSet.range(0, 7);
  for (const { name, record = "" } of running) kernel.appear(`id-${name}`, record);
  narrow({ kernel }, limit);
  const options = { cpusets: kernel, reconcileMs: 1000, fence: "off", ...setup } as const;
  return { kernel, link: Link.serving(running, eightCores, options) };
}

function narrow({ kernel }: Pick<Rig, "kernel">, cpus: string, pod = POD): void {
  const set = CpuSet.parse(cpus);
  if (set instanceof CpuSet && !set.isEmpty) kernel.limits.set(pod, set);
  else kernel.limits.delete(pod);
}

function appears({ kernel }: Rig, { name }: Wanted, cpus: string): void {
  kernel.appear(`id-${name}`, cpus);
}

/** Creates and starts a container, as the runtime does it. */
function run(it: Rig, wanted: Wanted): string {
  const { cpus } = it.link.create(wanted, { runs: false });
  appears(it, wanted, cpus);
  it.link.start(wanted);
  it.link.mention(Event.POST_START_CONTAINER, wanted);
  return cpus;
}

function compared({ link }: Rig): void {
  for (let n = 0; n < 4; n++) link.tick(link.now + 600);
}

/** What is promised, and what is in force; what the agent takes for that is the same. */
function shown({ link, kernel }: Rig, { name, cgroupParent = "" }: Wanted): string[] {
  const { grant, mayRunOn, by } = link.container(`id-${name}`) ?? assert.fail();
  assert.deepEqual([`${mayRunOn}`, by], [`${grant}`, "cgroup"]);
  return [`${grant}`, kernel.runsOn(`id-${name}`, cgroupParent)];
}

Deno.test("an exclusive claim gets CPUs that its pod's cgroup has, or a refusal that names who keeps the others", () => {
  const it = rig();
  narrow(it, "4-7");
  assert.equal(run(it, db), "4-5");
  assert.deepEqual(shown(it, db), ["4-5", "4-5"]);
  assert.match(
    it.link.refusal({ ...db, name: "big", cpus: 3 }),
    /needs 3 exclusive CPUs, 2 are free \(.*CPUs 0-3 are kept from this pod by \/kubepods\/pod-a \(4-7\)\)/,
  );
  assert.equal(run(it, { ...other, cpus: 3 }), "1-3", "others aren't concerned");
});

Deno.test("a pinned claim is refused with the path, and granted once it is wide again", () => {
  const it = rig();
  narrow(it, "4-7", "/kubepods/besteffort/pod-b");
  assert.match(
    it.link.refusal(pin),
    /weka\.io\/cores-ids names 1, but CPU 1 is kept from this pod by \/kubepods\/besteffort\/pod-b \(4-7\)/,
  );
  narrow(it, "", "/kubepods/besteffort/pod-b");
  assert.equal(run(it, pin), "1,6");
});

Deno.test("narrowed between its creation and its start it is placed elsewhere; where there is no room it is refused", () => {
  const it = rig();
  const { cpus } = it.link.create(db, { runs: false });
  appears(it, db, cpus);
  narrow(it, "4-7");
  it.link.start(db);
  assert.deepEqual([cpus, ...shown(it, db)], ["1-2", "4-5", "4-5"]);
  const next = { ...db, name: "next", cgroupParent: "/kubepods/pod-c" };
  appears(it, next, it.link.create(next, { runs: false }).cpus);
  narrow(it, "7", "/kubepods/pod-c");
  assert.match(
    it.link.refusedStart(next),
    /needs 2 exclusive CPUs, 1 is free .*kept from this pod by \/kubepods\/pod-c \(7\)/,
  );
});

Deno.test("a pinned container isn't started on fewer CPUs than it was granted, kernel-first or by the runtime", () => {
  for (const setup of [{}, { apply: "runtime" }] as const) {
    const it = rig([], setup);
    appears(it, pin, it.link.create(pin, { runs: false }).cpus);
    narrow(it, "4-7", pin.cgroupParent);
    assert.match(
      it.link.refusedStart(pin),
      /names 1, but CPU 1 is kept from this pod by \/kubepods\/besteffort\/pod-b/,
    );
  }
});

Deno.test("nor on what its pod's cgroup leaves it only since the fence around it has grown for that start", () => {
  const it = rig([], { fence: "auto" });
  const onto: Wanted = { ...pin, annotations: { [CORES_IDS]: "6" } };
  it.kernel.appear("/kubepods/besteffort", "");
  run(it, db);
  appears(it, onto, it.link.create(onto, { runs: false }).cpus);
  narrow(it, "1-2", pin.cgroupParent);
  assert.equal(
    it.kernel.runsOn("id-pin", pin.cgroupParent ?? ""),
    "6",
    "those are the exclusive container's",
  );
  it.link.end(db);
  assert.match(
    it.link.refusedStart(onto),
    /names 6, but CPU 6 is kept from this pod by \/kubepods\/besteffort\/pod-b \(1-2\)/,
  );
});

Deno.test("narrowed while it runs, the comparison finds it and moves it, once; wide again is noticed", () => {
  const it = rig();
  run(it, db);
  run(it, pin);
  narrow(it, "4-7");
  narrow(it, "4-7", pin.cgroupParent);
  compared(it);
  assert.deepEqual(shown(it, db), ["4-5", "4-5"]);
  assert.deepEqual(shown(it, pin), ["6", "6"]);
  compared(it);
  const warned = it.link.logged("warn").filter((line) => line.includes("kept from container"));
  assert.deepEqual(warned, [
    `CPUs kept from container by another program: CPUs 0-3 are ${KEPT}`,
    `CPUs kept from container by another program: CPUs 0-3 are kept from this pod by ${pin.cgroupParent} (4-7)`,
  ]);
  narrow(it, "");
  narrow(it, "", pin.cgroupParent);
  compared(it);
  assert.deepEqual(shown(it, pin), ["1,6", "1,6"]);
});

Deno.test("one that lacks CPUs gets them as soon as a comparison has found that they are there for it", () => {
  const it = rig();
  run(it, pin);
  narrow(it, "4-7", pin.cgroupParent);
  compared(it);
  assert.deepEqual(shown(it, pin), ["6", "6"]);
  narrow(it, "", pin.cgroupParent);
  it.link.asked.splice(0);
  it.link.tick(it.link.now + 1100);
  assert(it.link.asked.some((output) => output.kind === "wake" && output.after === 0));
  it.link.tick(it.link.now);
  assert.deepEqual(shown(it, pin), ["1,6", "1,6"]);
});

/** One with CPUs of its own, beside one whose cgroup can't be read, so that the runtime has to move it. */
function besideOneByRuntime(): ReturnType<typeof rig> {
  const it = rig([], { growDelayMs: 60_000 });
  run(it, web);
  run(it, db);
  it.kernel.unreadable.add("id-web");
  compared(it);
  return it;
}

Deno.test("one that the runtime has to move off its new CPUs doesn't wait for the growth delay", () => {
  const it = besideOneByRuntime();
  narrow(it, "4-7");
  it.link.applied();
  compared(it);
  assert.deepEqual(it.link.applied(), ["id-web=0-3,6-7"]);
});

Deno.test("nor where an update has shown that; and what may wait isn't forgotten for what is written at once", () => {
  const it = besideOneByRuntime();
  it.link.update(db);
  narrow(it, "4-7");
  it.link.asked.splice(0);
  it.link.mention(Event.POST_UPDATE_CONTAINER, db);
  const delays = it.link.asked.flatMap((output) => output.kind === "wake" ? output.after : []);
  assert.deepEqual([it.link.applied(), delays], [["id-web=0,3,6-7"], [0, 60_000]]);
});

Deno.test("found so at a synchronization it isn't confirmed on what isn't in force", () => {
  const it = rig([{ ...db, record: "1-2" }], {}, "4-7");
  compared(it);
  assert.deepEqual(shown(it, db), ["4-5", "4-5"]);
});

Deno.test("a resize grows within the limit, or is refused", () => {
  const it = rig();
  narrow(it, "4-6");
  run(it, db);
  it.link.ask("UpdateContainer", { ...subject(db), linuxResources: figures(3) });
  assert.equal(`${it.link.container("id-db")?.grant}`, "4-6");
  const answer = it.link.refused("UpdateContainer", {
    ...subject({ ...db, cpus: 3 }),
    linuxResources: figures(4),
  });
  assert.match(answer, /kept from this pod by \/kubepods\/pod-a \(4-6\)/);
});

Deno.test("a container that is moved to where its pod's cgroup ends is moved elsewhere", () => {
  const it = rig();
  run(it, db);
  narrow(it, "1-2,5-7");
  const { cpus } = it.link.create({ ...pin, annotations: { [CORES_IDS]: "1-2" } });
  assert.deepEqual([cpus, ...shown(it, db)], ["1-2", "5-6", "5-6"]);
});

Deno.test("so is one that the runtime moves, since another leaves the CPUs only by the reply", () => {
  const it = rig();
  run(it, web);
  run(it, db);
  it.kernel.unreadable.add("id-web");
  narrow(it, "1-2,5-7");
  const { updates } = it.link.create({ ...pin, annotations: { [CORES_IDS]: "1-2" } });
  assert.deepEqual(updates, ["id-web=0,3-4,7", "id-db=5-6"]);
});

Deno.test("for a shared container nothing is looked for", () => {
  const it = rig();
  let looked = 0;
  const limitOf = it.kernel.limitOf.bind(it.kernel);
  it.kernel.limitOf = (...args) => (looked++, limitOf(...args));
  run(it, web);
  compared(it);
  assert.equal(looked, 0);
  run(it, db);
  assert.equal(looked, 1);
});

Deno.test("the view shows what no container can have, and refusals say who keeps it", () => {
  const withheld = [{ cpus: CpuSet.range(0, 3), why: "held by the partition /dpdk.slice" }];
  const { link } = rig();
  const topology = topologyOf({ ...eightCores, offline: "0-3" }, withheld);
  link.feed({ kind: "topology", now: link.now, topology, offlineRemoved: false });
  const view = viewOf(link.agent.state);
  assert.deepEqual([`${view.online}`, view.withheld], ["4-7", withheld]);
  const around = {
    version: "1",
    mode: "external",
    pid: 1,
    startedAt: "",
    topology,
    timeOf: () => "",
  } as const;
  const status = statusDocument(view, around);
  assert.deepEqual(status.node.withheld, [{ cpus: "0-3", why: "held by the partition /dpdk.slice" }]);
  assert.match(
    statusText(status, topology, {}, { width: 80, colour: false }, 0),
    /^CPUs 0-3 are held by the partition \/dpdk\.slice$/m,
  );
  assert.match(link.refusal(pin), /names 1, but CPU 1 is held by the partition \/dpdk\.slice/);
  assert.match(
    link.refusal({ ...db, cpus: 7 }),
    /\(4 online, .*; CPUs 0-3 are held by the partition \/dpdk\.slice\)/,
  );
  link.create(web);
  const [log] = link.logs.filter(({ message }) => message === "the CPUs that are online have changed");
  assert.equal(log?.fields?.["withheld"], "CPUs 0-3 are held by the partition /dpdk.slice");
});

function figures(cpus: number) {
  const value = (n: number) => ({ value: BigInt(n) });
  return { cpu: { shares: value(cpus * 1024), quota: value(cpus * 100_000), period: value(100_000) } };
}
