import assert from "node:assert/strict";
import { machineOn } from "../../../src/daemon/watch_cpus.ts";
import { DEFAULTS } from "../../../src/config/schema.ts";
import type { MachinePort } from "../../../src/agent/machine.ts";
import { effective, Records } from "../../kit/daemon_stage.ts";
import { sysfsTree, topologyOf, twoCpuVm, writeTree } from "../../kit/sysfs.ts";

const SPEC = { ...twoCpuVm, coresPerNode: 4, hugePages: [{ node: 0, pageKiB: 2048, freeKiB: 6144 }] };
const KNOWN = topologyOf(SPEC);

interface Stage {
  readonly machine: MachinePort;
  readonly log: Records;
  /** Writes a file below sysfs, or below the cgroup root. */
  write(path: string, text: string): void;
}

async function onMachine(play: (stage: Stage) => void, cgroups: Record<string, string> = {}): Promise<void> {
  const dir = await Deno.makeTempDir();
  const [sysfsRoot, cgroupRoot, log] = [`${dir}/sys`, `${dir}/cgroup`, new Records()];
  writeTree(sysfsRoot, sysfsTree(SPEC));
  writeTree(cgroupRoot, new Map(Object.entries(cgroups)));
  const machine = machineOn({ effective: effective({ ...DEFAULTS, sysfsRoot, cgroupRoot }), log });
  try {
    play({ machine, log, write: (path, text) => Deno.writeTextFileSync(`${dir}/${path}`, `${text}\n`) });
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

const ONLINE = "sys/devices/system/cpu/online";

Deno.test("a machine with the same CPUs as before hasn't changed", async () => {
  await onMachine(({ machine }) => assert.equal(machine.changed(KNOWN), undefined));
});

Deno.test("a CPU that has gone offline, and one that is back, are seen at the next reading", async () => {
  await onMachine(({ machine, write }) => {
    write(ONLINE, "0-2");
    const { topology, offlineRemoved } = machine.changed(KNOWN) ?? assert.fail();
    assert.deepEqual([`${topology.online}`, offlineRemoved], ["0-2", false]);
    assert.equal(machine.changed(topology), undefined);
    write(ONLINE, "0-3");
    assert.equal(`${machine.changed(topology)?.topology.online}`, "0-3");
  });
});

Deno.test("where the online CPUs can't be read, nothing has changed", async () => {
  await onMachine(({ machine, write }) => {
    write(ONLINE, "");
    assert.equal(machine.changed(KNOWN), undefined);
  });
});

Deno.test("a CPU that cgroup v1 has removed from kubepods for good is no CPU of the machine, and is logged once", async () => {
  const v1 = { "cpuset/cpuset.cpus": "0-3", "cpuset/kubepods/cpuset.cpus": "0-3" };
  await onMachine(({ machine, write, log }) => {
    write("cgroup/cpuset/kubepods/cpuset.cpus", "0-2");
    const { topology, offlineRemoved } = machine.changed(KNOWN) ?? assert.fail();
    assert.deepEqual([`${topology.online}`, offlineRemoved], ["0-2", true]);
    assert.equal(machine.changed(topology), undefined);
    assert.deepEqual(log.records.map(({ message, fields }) => [message, fields?.["cpus"]]), [
      ["online CPUs not available to containers", "3"],
    ]);
  }, v1);
});

Deno.test("kubepods that is narrowed, wide and narrowed again is followed each time, and logged once for each cause", async () => {
  const cgroups = { "cpuset.cpus.effective": "0-3", "kubepods/cpuset.cpus.effective": "0-3" };
  await onMachine(({ machine, write, log }) => {
    const seen: string[] = [];
    let known = KNOWN;
    for (const cpus of ["1-3", "0-3", "1-3", "2-3"]) {
      write("cgroup/kubepods/cpuset.cpus", cpus);
      write("cgroup/kubepods/cpuset.cpus.effective", cpus);
      const change = machine.changed(known) ?? assert.fail();
      known = change.topology;
      seen.push(`${known.online} ${known.withheld.map(({ why }) => why)} ${change.offlineRemoved}`);
    }
    const why = (cpus: string) => `kept from containers by /kubepods (${cpus})`;
    assert.deepEqual(seen, [
      `1-3 ${why("1-3")} false`,
      "0-3  false",
      `1-3 ${why("1-3")} false`,
      `2-3 ${why("2-3")} false`,
    ]);
    assert.deepEqual(log.records.map(({ message, fields }) => [message, fields?.["reason"]]), [
      ["online CPUs not available to containers", `CPU 0 is ${why("1-3")}`],
      ["online CPUs not available to containers", `CPUs 0-1 are ${why("2-3")}`],
    ]);
  }, cgroups);
});

Deno.test("free huge pages of a node are read anew each time", async () => {
  await onMachine(({ machine, write }) => {
    assert.equal(machine.freeHugePages?.(0, 2048), 6144);
    write("sys/devices/system/node/node0/hugepages/hugepages-2048kB/free_hugepages", "1");
    assert.equal(machine.freeHugePages?.(0, 2048), 2048);
    assert.deepEqual([machine.freeHugePages?.(0, 1048576), machine.freeHugePages?.(1, 2048)], [
      undefined,
      undefined,
    ]);
  });
});
