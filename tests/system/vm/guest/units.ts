// AllowedCPUs of slices and scopes, by way of a system bus.
import assert from "node:assert/strict";
import { CpuSet } from "../../../../src/cpu/cpu_set.ts";
import { libc } from "../../../../src/platform/libc.ts";
import { openSystemBus } from "../../../../src/systemd/system_bus.ts";
import { systemctl } from "./systemd.ts";

libc(); // loaded outside of the tests, where it is no leak

/** Milliseconds: an emulated machine takes long, and nobody waits so long unless something is wrong. */
const DEADLINE_MS = 30_000;
const CLASSES = ["kubepods-burstable.slice", "kubepods-besteffort.slice"];
/** Those that have a cgroup in this machine, and where. */
const CGROUPS = new Map([
  ...CLASSES.map((name) => [name, `kubepods.slice/${name}`] as const),
  ["system.slice", "system.slice"],
  ["init.scope", "init.scope"],
]);
const UNITS = [...CGROUPS.keys(), "user.slice", "machine.slice"];

/** What the cgroups of all units have, at once: nothing is awaited. */
function assertInForce(cpus: CpuSet): void {
  for (const [unit, path] of CGROUPS) {
    const written = Deno.readTextFileSync(`/sys/fs/cgroup/${path}/cpuset.cpus`).trim();
    assert.equal(written, `${cpus}`, `cpuset.cpus of ${unit}`);
  }
}

export function checkUnits(): void {
  const bus = openSystemBus();
  const assertSet = (cpus: CpuSet) => {
    for (const unit of UNITS) {
      assert.deepEqual(bus.setAllowedCpus(unit, cpus, DEADLINE_MS), { kind: "done" }, unit);
    }
    assertInForce(cpus);
  };
  const assertRead = (cpus: CpuSet) => {
    for (const unit of UNITS) {
      assert.deepEqual(bus.allowedCpus(unit, DEADLINE_MS), { kind: "values", cpus }, unit);
    }
  };
  const some = CpuSet.range(0, 11);
  Deno.test("systemd: slices and scopes get CPUs by D-Bus, keep them over a reload, and are given all again", async () => {
    await systemctl("start", "dbus.service", ...CLASSES);
    assertRead(CpuSet.empty);
    assertSet(some);
    assertRead(some);
    await systemctl("daemon-reload");
    assertRead(some);
    assertInForce(some);
    assertSet(CpuSet.range(0, 15));
  });

  Deno.test("systemd: a scope that isn't there is refused in one sentence, and the connection stays", () => {
    const refused = bus.setAllowedCpus("none.scope", some, DEADLINE_MS);
    assert(refused.kind === "failed");
    assert.match(
      refused.reason,
      /^systemd refused AllowedCPUs of none\.scope \("org\.freedesktop\.systemd1\./,
    );
    assert.equal(bus.allowedCpus("init.scope", DEADLINE_MS).kind, "values");
  });

  Deno.test("systemd: root may set the property without any capability, as the agent is deployed", async () => {
    const call = "org.freedesktop.systemd1 /org/freedesktop/systemd1 org.freedesktop.systemd1.Manager".split(
      " ",
    );
    const values = "SetUnitProperties sba(sv) kubepods-burstable.slice true 1 AllowedCPUs ay 2 255 15".split(
      " ",
    );
    const unit = [
      "--quiet",
      "--wait",
      "--pipe",
      "-p",
      "DefaultDependencies=no",
      "-p",
      "CapabilityBoundingSet=",
    ];
    const args = [...unit, "busctl", "--system", "call", ...call, ...values];
    const { success, stderr } = await new Deno.Command("systemd-run", { args }).output();
    assert(success, new TextDecoder().decode(stderr));
    assert.deepEqual(bus.allowedCpus(CLASSES[0] ?? "", DEADLINE_MS), { kind: "values", cpus: some });
    bus.close();
  });
}
