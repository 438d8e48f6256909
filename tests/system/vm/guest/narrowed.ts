import assert from "node:assert/strict";
import { dirname } from "node:path";
import { eventually } from "../../node/eventually.ts";
import { allowedCpus, cpusetDirectory, online } from "../../node/machine.ts";
import { exclusive, pinned } from "../../node/pods.ts";
import { cpusetFile } from "./kernel.ts";
import type { Scene } from "./scene.ts";
import type { Check } from "./story.ts";

const PARTITION = "/sys/fs/cgroup/dpdk.slice";

/** Another program narrows cgroups above containers, or takes CPUs for a partition of its own. */
export async function narrowed(scene: Scene, check: Check): Promise<void> {
  if (scene.setting.apply !== "kernel-first") return;
  const kubepods = dirname(dirname(cpusetDirectory(scene.the("exclusive").pid)));
  await scene.prepare({ narrow: exclusive(2), kept: pinned("2"), held: pinned("9"), beside: exclusive(2) });

  await check(
    "CPUs that kubepods lacks are granted to nobody, and a refusal says who keeps them",
    async () => {
      write(kubepods, "4-15");
      await scene.agent.says(
        /online CPUs not available to containers.*kept from containers by \S*kubepods\S* \(4-15\)/,
      );
      await scene.claim("narrow");
      assertOwn(scene, "narrow", 2, (cpu) => cpu >= 4);
      await scene.assertRefused(
        "kept",
        /names 2, but CPU 2 is kept from containers by \S*kubepods\S* \(4-15\)/,
      );
      write(kubepods, `${online()}`);
      await settles(scene, "exclusive");
    },
  );

  await check("a pod's cgroup that is narrowed while its container runs moves that", async () => {
    const pod = dirname(cpusetDirectory(scene.the("narrow").pid));
    write(pod, "12-15");
    await eventually(() => assertOwn(scene, "narrow", 2, (cpu) => cpu >= 12));
    write(pod, `${online()}`);
    await settles(scene, "narrow");
  });

  await check(
    "the CPUs of another program's partition are granted to nobody, nor is it disturbed",
    async () => {
      Deno.mkdirSync(PARTITION);
      try {
        write(PARTITION, "8-11");
        write(PARTITION, "isolated", "cpuset.cpus.partition");
        await besidePartition(scene);
        assert.deepEqual([read("cpuset.cpus.partition"), read("cpuset.cpus.effective")], [
          "isolated",
          "8-11",
        ]);
      } finally {
        write(PARTITION, "member", "cpuset.cpus.partition");
        Deno.removeSync(PARTITION);
      }
      await settles(scene, "exclusive", "narrow", "beside");
    },
  );

  await check("what they had is the shared pods' again when they have ended", async () => {
    for (const name of ["narrow", "beside"]) await scene.end(name);
    await scene.settles();
  });
}

async function besidePartition(scene: Scene): Promise<void> {
  assert.equal(read("cpuset.cpus.partition"), "isolated");
  await scene.agent.says(/online CPUs not available to containers.*held by the partition \/dpdk\.slice/);
  await scene.claim("beside");
  assertOwn(scene, "beside", 2, (cpu) => cpu < 8 || cpu > 11);
  await scene.assertRefused("held", /names 9, but CPU 9 is held by the partition \/dpdk\.slice/);
}

/** Everybody has their own CPUs; exclusive pods may have been moved. */
async function settles(scene: Scene, ...moved: readonly string[]): Promise<void> {
  await eventually(() => {
    for (const name of moved) scene.claims(name);
    scene.assertSettled();
  });
}

/** It has `count` CPUs, all of them fit, and its own set is what is in force. */
function assertOwn(scene: Scene, name: string, count: number, fits: (cpu: number) => boolean): void {
  const container = scene.the(name);
  const cpus = allowedCpus(container.pid);
  assert.equal(cpus.length, count);
  assert(cpus.every(fits), `${name} runs on ${cpus}`);
  assert.equal(cpusetFile(container, "cpuset.cpus"), cpusetFile(container, "cpuset.cpus.effective"));
}

function write(cgroup: string, text: string, file = "cpuset.cpus"): void {
  Deno.writeTextFileSync(`${cgroup}/${file}`, `${text}\n`);
}

function read(file: string): string {
  return Deno.readTextFileSync(`${PARTITION}/${file}`).trim();
}
