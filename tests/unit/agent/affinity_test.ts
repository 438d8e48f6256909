/** Masks of threads: one that the runtime gave is said once, and a container that pins itself is seen and not moved. */
import assert from "node:assert/strict";
import { CpuSet } from "../../../src/cpu/cpu_set.ts";
import { CORES_IDS, MOVABLE } from "../../../src/nri/annotations.ts";
import { Event } from "../../../src/nri/gen/nri_pb.ts";
import { FakeKernel } from "../../kit/fake_kernel.ts";
import { Link } from "../../kit/link.ts";
import type { Wanted } from "../../kit/messages.ts";
import { type MachineSpec, topologyOf } from "../../kit/sysfs.ts";
import { viewOf } from "../../../src/agent/view.ts";
import { statusDocument } from "../../../src/status/status_document.ts";

/** CPU N's sibling is N + 8. */
const machine: MachineSpec = { sockets: 1, nodesPerSocket: 1, coresPerNode: 8, threads: 2 };
const db: Wanted = { name: "db", cpus: 2 };
const web: Wanted = { name: "web", cgroupParent: "/kubepods/pod2" };
const pin = (cpus: string, name = "pin"): Wanted => ({ name, annotations: { [CORES_IDS]: cpus } });
/** At each of them all threads are looked at. */
const RECONCILE_MS = 60_000;
const UNSEEN = "its processes are in no PID namespace that the agent sees";

interface Rig {
  readonly link: Link;
  readonly kernel: FakeKernel;
}

function rig(setup: ConstructorParameters<typeof Link>[1] = {}, running: readonly Wanted[] = []): Rig {
  const kernel = new FakeKernel(2);
  kernel.online = CpuSet.range(0, 15);
  for (const { name, record = "" } of running) kernel.appear(`id-${name}`, record);
  const options = { cpusets: kernel, reconcileMs: RECONCILE_MS, fence: "off", ...setup } as const;
  return { kernel, link: Link.serving(running, machine, options) };
}

/** Creates and starts a container whose first process has this mask. */
function run({ link, kernel }: Rig, wanted: Wanted, mask = "0-15"): void {
  const id = `id-${wanted.name}`;
  kernel.appear(id, link.create(wanted, { runs: false }).cpus);
  kernel.masks.set(id, [mask]);
  link.start(wanted);
  link.mention(Event.POST_START_CONTAINER, wanted);
}

/** What all threads have by now, and what inside cgroups do. */
function threads({ kernel }: Rig, { name }: Wanted, masks: readonly string[], inside: string[] = []): void {
  kernel.masks.set(`id-${name}`, masks);
  kernel.inside.set(`id-${name}`, inside);
}

function compared({ link }: Rig, times = 2, reconcileMs = RECONCILE_MS): void {
  for (let n = 0; n < times; n++) link.tick(link.now + 1.2 * reconcileMs);
}

function affinityOf({ link }: Rig, { name }: Wanted): string {
  const { state, cpus, lost } = link.container(`id-${name}`)?.affinity ?? { state: "gone" };
  return [state, ...(cpus === undefined ? [] : [cpus]), ...(lost === undefined ? [] : [`lost ${lost}`])].join(
    " ",
  );
}

/** State, reason and claim of the first container, as others are shown them. */
function shown({ link }: Rig): unknown[] {
  const around = { version: "1", mode: "external", pid: 1, startedAt: "", timeOf: String } as const;
  const all = statusDocument(viewOf(link.agent.state), { ...around, topology: topologyOf(machine) });
  const [first] = all.containers;
  return [first?.state, first?.reason, first?.claim];
}

Deno.test("kernel 6.2, CPUAffinity=0-1 on the runtime's unit and an old runc: narrowed, said once with the remedy", () => {
  const it = rig();
  const eight: Wanted = { name: "db", annotations: { [CORES_IDS]: "0,3-8" } };
  run(it, eight, "0-1");
  assert.equal(affinityOf(it, eight), "narrowed 0");
  assert.deepEqual(shown(it), [
    "narrowed",
    "its threads may use 0 of them only, by a mask that they inherit",
    "exactly CPUs 0,3-8 (weka.io/cores-ids)",
  ]);
  compared(it, 3);
  // The first is that it names CPU 0.
  const [, said, ...more] = it.link.logged("warn");
  assert.match(
    said ?? "",
    /^container narrowed: its threads may use a part of its CPUs: since Linux 6\.2 .*CPUAffinity/,
  );
  assert.deepEqual([more, affinityOf(it, eight)], [[], "narrowed 0"]);
  assert.equal(it.kernel.looks[0], "id-db first process", "before its program runs, and no other time");
  threads(it, eight, ["0-15"]);
  compared(it);
  assert.equal(affinityOf(it, eight), "whole", "somebody has given it all");
});

Deno.test("what leaves nothing of the set, or all of it, narrows nothing; a shared one isn't looked at when it starts", () => {
  const it = rig();
  run(it, db, "5-6");
  run(it, web, "0-1");
  assert.deepEqual([affinityOf(it, db), affinityOf(it, web)], ["whole", "unknown"]);
  assert.deepEqual([it.kernel.looks, it.link.logged("warn")], [["id-db first process"], []]);
});

Deno.test("where comparisons come more often threads are looked at in the first one, and then once a minute", () => {
  for (const hidden of [undefined, UNSEEN]) lookedOnceAMinute(hidden);
});

function lookedOnceAMinute(hidden: string | undefined): void {
  const reconcileMs = 10_000;
  const it = rig({ reconcileMs });
  it.kernel.hidden = hidden;
  const pods = Array.from({ length: 8 }, (_, at): Wanted => ({ ...web, name: `web-${at}` }));
  for (const each of pods) run(it, each);
  const looked = (minutes: number) => {
    it.kernel.looks.length = 0;
    compared(it, minutes * 6, reconcileMs);
    return it.kernel.looks.toSorted();
  };
  const once = pods.map(({ name }) => `id-${name} threads`);
  compared(it, 2, reconcileMs);
  assert.deepEqual([...new Set(it.kernel.looks)].toSorted(), once);
  // Those that can't be seen are tried again at first.
  compared(it, 5, reconcileMs);
  for (const minutes of [1, 2]) {
    assert.deepEqual(looked(minutes), once.flatMap((each) => Array(minutes).fill(each)), `${minutes}`);
  }
}

Deno.test("a narrowed one may be moved: it has no layout of its own", () => {
  const it = rig();
  run(it, db, "1-2");
  assert.equal(affinityOf(it, db), "narrowed 1");
  run(it, pin("9"));
  assert.equal(`${it.link.container("id-db")?.grant}`, "2,10");
  compared(it);
  assert.deepEqual([affinityOf(it, db), it.link.logged("warn").length], ["narrowed 2", 1]);
});

Deno.test("found after a restart with one mask for all threads: narrowed or pinned isn't known, so it isn't moved", () => {
  const it = rig({}, [{ ...db, record: "1,9" }]);
  threads(it, db, ["1", "1"]);
  assert.equal(affinityOf(it, db), "unknown");
  compared(it);
  assert.equal(affinityOf(it, db), "narrowed 1");
  compared(it);
  assert.match(it.link.logged("warn")[0] ?? "", /its program has it so; or since Linux 6\.2/);
  assert.match(
    it.link.refusal(pin("9")),
    /held exclusively by ns\/db container c; cannot reallocate it: it may not be moved: it pins/,
  );
});

Deno.test("DPDK: it pins its threads after its start; a claim that would move it looks, once, and is refused", () => {
  const it = rig();
  run(it, db);
  threads(it, db, ["0-15", "1", "9"]);
  it.kernel.looks.length = 0;
  const why =
    'cannot reallocate it: it may not be moved: it pins its own threads (weka.io/movable: "true" allows it)';
  assert(it.link.refusal(pin("9")).includes(why));
  assert.deepEqual([it.kernel.looks, affinityOf(it, db)], [["id-db threads"], "pinned 1,9"]);
  assert.deepEqual(shown(it), ["confirmed", "it pins threads to CPUs 1,9", "2 CPUs of its own, packed"]);
  assert.deepEqual(it.link.logged("info").filter((line) => line.includes("pins")), [
    "container pins its own threads; it isn't moved",
  ]);
  // Once seen it stays: masks that change all the time are said once and decide nothing.
  for (const masks of [["0-15"], ["1"], ["0-15"]]) {
    threads(it, db, masks);
    compared(it);
    assert(it.link.refusal(pin("9", "other")).includes(why));
  }
  assert.equal(it.link.logged("info").filter((line) => line.includes("pins")).length, 1);
});

Deno.test("KubeVirt: cgroups inside with sets of their own count as well; movable: true moves them all the same", () => {
  const it = rig();
  run(it, db);
  threads(it, db, ["0-15"], ["9"]);
  assert.match(it.link.refusal(pin("9")), /it pins its own threads/);
  const vm: Wanted = { name: "vm", cpus: 2, annotations: { [MOVABLE]: "true" } };
  run(it, vm);
  threads(it, vm, ["0-15"], ["10"]);
  compared(it);
  assert.equal(affinityOf(it, vm), "pinned 10");
  it.kernel.looks.length = 0;
  run(it, pin("10"));
  assert(!it.kernel.looks.includes("id-vm threads"), "its pod has decided");
  assert.equal(`${it.link.container("id-vm")?.grant}`, "3,11");
  compared(it);
  assert.equal(affinityOf(it, vm), "pinned 10 lost 10");
  it.link.stop(db);
  assert.deepEqual(shown(it).slice(0, 2), ["confirmed", "masks of its threads for CPUs 10 are lost"]);
  assert.deepEqual(it.link.logged("warn").slice(1), [
    "masks of the container's threads lost: its set has changed, and they may use all of it",
  ]);
});

Deno.test("an exclusive claim takes CPUs last to which threads of the pool were seen pinned", () => {
  const it = rig();
  run(it, web);
  threads(it, web, ["0-15", "1", "9"]);
  compared(it);
  assert.equal(affinityOf(it, web), "pinned 1,9");
  run(it, db);
  assert.equal(`${it.link.container("id-db")?.grant}`, "2,10");
  run(it, { name: "all", cpus: 13 });
  compared(it);
  assert.equal(affinityOf(it, web), "pinned 1,9 lost 1,9");
  assert.match(it.link.logged("warn").at(-1) ?? "", /masks of the container's threads lost/);
});

Deno.test("threads that can't be seen are unknown, not narrowed: said once, and movable as before", () => {
  const it = rig();
  it.kernel.hidden = UNSEEN;
  run(it, db);
  compared(it, 3);
  assert.equal(affinityOf(it, db), "unknown");
  const said = it.link.logged("info").filter((line) => line.includes("masks of threads not seen"));
  assert.deepEqual(said, [
    `masks of threads not seen: whether containers may use all of their CPUs isn't known: ${UNSEEN}`,
  ]);
  run(it, pin("9"));
  assert.equal(`${it.link.container("id-db")?.grant}`, "2,10");
});
