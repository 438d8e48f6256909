/** Masks of threads: one that the runtime gave is said once. */
import assert from "node:assert/strict";
import { CpuSet } from "../../../src/cpu/cpu_set.ts";
import { CORES_IDS } from "../../../src/nri/annotations.ts";
import { Event } from "../../../src/nri/gen/nri_pb.ts";
import { FakeKernel } from "../../kit/fake_kernel.ts";
import { Link } from "../../kit/link.ts";
import type { Wanted } from "../../kit/messages.ts";
import type { MachineSpec } from "../../kit/sysfs.ts";

/** CPU N's sibling is N + 8. */
const machine: MachineSpec = { sockets: 1, nodesPerSocket: 1, coresPerNode: 8, threads: 2 };
const db: Wanted = { name: "db", cpus: 2 };
const web: Wanted = { name: "web", cgroupParent: "/kubepods/pod2" };

interface Rig {
  readonly link: Link;
  readonly kernel: FakeKernel;
}

function rig(setup: ConstructorParameters<typeof Link>[1] = {}, running: readonly Wanted[] = []): Rig {
  const kernel = new FakeKernel(2);
  kernel.online = CpuSet.range(0, 15);
  for (const { name, record = "" } of running) kernel.appear(`id-${name}`, record);
  const options = { cpusets: kernel, reconcileMs: 1000, fence: "off", ...setup } as const;
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

function compared({ link }: Rig, times = 2): void {
  for (let n = 0; n < times; n++) link.tick(link.now + 1200);
}

function affinityOf({ link }: Rig, { name }: Wanted): string {
  const { state, cpus, lost } = link.container(`id-${name}`)?.affinity ?? { state: "gone" };
  return [state, ...(cpus === undefined ? [] : [cpus]), ...(lost === undefined ? [] : [`lost ${lost}`])].join(
    " ",
  );
}

Deno.test("kernel 6.2, CPUAffinity=0-1 on the runtime's unit and an old runc: narrowed, said once with the remedy", () => {
  const it = rig();
  const eight: Wanted = { name: "db", annotations: { [CORES_IDS]: "0,3-8" } };
  run(it, eight, "0-1");
  assert.equal(affinityOf(it, eight), "narrowed 0");
  compared(it, 3);
  const [said, ...more] = it.link.logged("warn");
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
