/** Claims are decided by the CPUs of this moment, not by those of the host's last report. */
import assert from "node:assert/strict";
import type { MachinePort } from "../../../src/agent/machine.ts";
import { CORES_IDS } from "../../../src/nri/annotations.ts";
import { CpuSet } from "../../../src/cpu/cpu_set.ts";
import { FakeKernel } from "../../kit/fake_kernel.ts";
import { type MachineSpec, topologyOf, twoCpuVm } from "../../kit/sysfs.ts";
import { Link, subject } from "../../kit/link.ts";
import type { Wanted } from "../../kit/messages.ts";

const FOUR: MachineSpec = { ...twoCpuVm, coresPerNode: 4 };
const pin: Wanted = { name: "pin", annotations: { [CORES_IDS]: "3" } };
const db: Wanted = { name: "db", cpus: 2 };
const web: Wanted = { name: "web" };

/** A machine whose CPUs change without a report. */
class Machine implements MachinePort {
  offline = "";
  readings = 0;

  changed(known: ReturnType<typeof topologyOf>): ReturnType<MachinePort["changed"]> {
    this.readings++;
    const topology = topologyOf({ ...FOUR, offline: this.offline });
    return topology.online.equals(known.online) ? undefined : { topology, offlineRemoved: false };
  }
}

function stage(offline = "", running: readonly Wanted[] = []): { link: Link; machine: Machine } {
  const machine = new Machine();
  const link = Link.serving(running, { ...FOUR, offline }, { machine });
  machine.offline = offline;
  return { link, machine };
}

Deno.test("a CPU that has come online within the last second is granted to a pinned container", () => {
  const { link, machine } = stage("3");
  machine.offline = "";
  assert.equal(link.create(pin).cpus, "3");
  assert(link.logged("warn").some((m) => m.startsWith("the CPUs that are online have changed")));
});

Deno.test("one that has gone offline within it is refused", () => {
  const { link, machine } = stage();
  machine.offline = "3";
  assert.match(link.refusal(pin), /names CPU 3, not online on this node \(online: 0-2\)/);
});

Deno.test("nor is it granted to an exclusive container, and the others leave it", () => {
  const { link, machine } = stage("", [web]);
  machine.offline = "3";
  const { cpus, updates } = link.create(db);
  assert(!cpus.includes("3"));
  assert.equal(updates.length, 1);
  assert(!updates[0]?.includes("3"));
});

Deno.test("a resize is decided by the CPUs of this moment, and other updates don't read them", () => {
  const { link, machine } = stage("2-3", [{ name: "db", cpus: 1, record: "1" }]);
  link.update({ name: "db", cpus: 1 });
  assert.equal(machine.readings, 0);
  machine.offline = "";
  const cpu = { shares: { value: 3072n }, quota: { value: 300_000n }, period: { value: 100_000n } };
  link.ask("UpdateContainer", { ...subject({ name: "db", cpus: 1 }), linuxResources: { cpu } });
  assert.equal(machine.readings, 1);
  assert.equal(link.claimed, "1-3");
});

Deno.test("an agent on standby reads nothing", () => {
  const machine = new Machine();
  const link = Link.configured(FOUR, { machine, standby: true });
  link.create(pin);
  assert.equal(machine.readings, 0);
});

Deno.test("an agent that has given up the leader lock changes nothing until it has it again", () => {
  const { link } = stage("", [web]);
  link.feed({ kind: "disconnected" });
  link.feed({ kind: "demoted" });
  link.register();
  link.configure();
  assert.deepEqual(link.create(pin), { cpus: "", mems: "", updates: [] });
  link.feed({ kind: "promoted", now: link.now });
  link.synchronize([web]);
  assert.equal(link.create(pin).cpus, "3");
});

Deno.test("nor does it say what becomes of containers on which another agent decides", () => {
  const { link } = stage();
  link.create({ name: "db", cpus: 3 });
  link.feed({ kind: "disconnected" });
  link.feed({ kind: "demoted" });
  link.logs.length = 0;
  for (const offline of ["3", ""]) {
    const topology = topologyOf({ ...FOUR, offline });
    link.feed({ kind: "topology", now: link.now, topology, offlineRemoved: false });
  }
  const logged = [...link.logged("warn"), ...link.logged("info")];
  assert.deepEqual(logged.filter((line) => line.includes("container ")), []);
});

Deno.test("free huge pages are read once for a claim that asks for some, and for no other container", () => {
  const read: string[] = [];
  const machine: MachinePort = {
    changed: () => undefined,
    freeHugePages: (node, pageKiB) => (read.push(`${node}:${pageKiB}`), node === 1 ? 4096 : 0),
  };
  const kernel = new FakeKernel(2);
  kernel.online = CpuSet.range(0, 7);
  kernel.appear("id-web", "0-7");
  const link = Link.serving([web], { ...FOUR, nodesPerSocket: 2 }, { machine, cpusets: kernel });
  const pages = (pageSize: string, limit: bigint) => ({ hugepageLimits: [{ pageSize, limit }] });
  for (
    const [name, resources] of Object.entries({ none: {}, zero: pages("2MB", 0n), odd: pages("2 Mb", 1n) })
  ) {
    link.create({ name, cpus: 1, resources });
  }
  link.create({ name: "shared", resources: pages("2MB", 4096n) });
  link.create({ name: "unlimited", cpus: 1, resources: pages("2MB", 2n ** 63n) });
  const single = Link.serving([], FOUR, { machine });
  single.create({ name: "single", cpus: 1, resources: pages("2MB", 4096n) });
  assert.deepEqual(read, []);
  // It is decided again after a write that fails.
  kernel.busy.set("id-web", CpuSet.of(5));
  assert.equal(link.create({ name: "db", cpus: 1, resources: pages("2MB", 4096n * 1024n) }).cpus, "6");
  assert.deepEqual(read, ["0:2048", "1:2048"]);
});
