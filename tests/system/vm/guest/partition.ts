import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { eventually } from "../../node/eventually.ts";
import { allowedCpus, cpusetDirectory, numbers, online, without } from "../../node/machine.ts";
import { exclusive, pinned } from "../../node/pods.ts";
import { assertHas } from "./kernel.ts";
import type { Scene } from "./scene.ts";
import type { Check } from "./story.ts";

const ISOLATED = { "weka.io/isolation": "partition" };
const EXCLUSIVE = "cpuset.cpus.exclusive";

/** Pods whose CPUs the kernel itself is to take from all others: on a kernel that can't, they have plain sets. */
export async function partitions(scene: Scene, check: Check): Promise<void> {
  if (scene.setting.apply !== "kernel-first") return;
  await scene.prepare({ isolated: exclusive(2, ISOLATED) });
  // Kernel 6.7 is the first with the file.
  const isAble = existsSync(`${cpusetDirectory(scene.the("before").pid)}/${EXCLUSIVE}`);
  await (isAble ? madeAndEnded : fallenBack)(scene, check);
  await check("the CPUs of isolated pods go back to the shared ones", () => scene.settles());
}

async function fallenBack(scene: Scene, check: Check): Promise<void> {
  await check(
    "on a kernel before 6.7 an isolated pod has a plain set, and the agent says why once",
    async () => {
      await scene.claim("isolated");
      assertHas(scene.the("isolated"), scene.of("isolated"));
      await scene.settles();
      await scene.agent.says(/no partition; the container has a plain CPU set.*it takes kernel 6\.7/);
      await scene.end("isolated");
      const said = scene.agent.lines.filter((line) => line.includes("no partition"));
      assert.equal(said.length, 1, said.join("\n"));
    },
  );
}

async function madeAndEnded(scene: Scene, check: Check): Promise<void> {
  const { pid } = scene.the("exclusive");
  const kubepods = dirname(dirname(cpusetDirectory(pid)));
  // A node's kubepods lies at the root, which has all CPUs to give; that of a test doesn't.
  Deno.writeTextFileSync(`${dirname(kubepods)}/${EXCLUSIVE}`, `${online()}`);

  await check("an isolated pod's CPUs are taken from everything else before it runs", async () => {
    await scene.claim("isolated");
    assertPartition(scene, "isolated");
    await scene.settles();
  });

  await check("an agent that is killed and started again takes it over", async () => {
    await scene.agent.end("SIGKILL");
    assertPartition(scene, "isolated");
    await scene.startAgent();
    await scene.agent.says(/partition in force/);
    assertPartition(scene, "isolated");
  });

  await check(
    "at its end nothing of it is left, and a pinned pod in a class has one of the same CPUs",
    async () => {
      const cpus = scene.of("isolated");
      await scene.end("isolated");
      await eventually(() => assert.deepEqual(entriesBelow(kubepods), []));
      assert.deepEqual(inForce(), online());
      const { annotations, ...pod } = pinned(`${cpus}`);
      await scene.prepare({ next: { ...pod, annotations: { ...annotations, ...ISOLATED } } });
      await scene.claim("next");
      assert.deepEqual(scene.of("next"), cpus);
      assertPartition(scene, "next");
    },
  );

  await check("what ends while no agent runs is cleared by the next one", async () => {
    await scene.agent.end("SIGKILL");
    await scene.end("next");
    assert.notDeepEqual(entriesBelow(kubepods), [], "the kernel keeps it");
    await scene.startAgent();
    await eventually(() => assert.deepEqual(entriesBelow(kubepods), []));
    await scene.prepare({ last: exclusive(2, ISOLATED) });
    await scene.claim("last");
    assertPartition(scene, "last");
    await scene.end("last");
    await eventually(() => assert.deepEqual(entriesBelow(kubepods), []));
    Deno.writeTextFileSync(`${dirname(kubepods)}/${EXCLUSIVE}`, "\n");
  });
}

/** It is alone on its CPUs: also process 1 and what has no set of its own are kept off them. */
function assertPartition(scene: Scene, name: string): void {
  const [container, cpus] = [scene.the(name), scene.of(name)];
  assertHas(container, cpus);
  assert.equal(
    Deno.readTextFileSync(`${cpusetDirectory(container.pid)}/cpuset.cpus.partition`).trim(),
    "root",
  );
  const others = without(online(), cpus);
  assert.deepEqual(inForce(), others);
  assert.deepEqual(allowedCpus(1), others);
}

/** What the root cgroup has left. */
function inForce(): number[] {
  return numbers(Deno.readTextFileSync("/sys/fs/cgroup/cpuset.cpus.effective"));
}

/** The cgroups from this one down that are given CPUs for partitions. */
function entriesBelow(path: string): string[] {
  const own = existsSync(`${path}/${EXCLUSIVE}`) ? Deno.readTextFileSync(`${path}/${EXCLUSIVE}`).trim() : "";
  const below = [...Deno.readDirSync(path)].filter(({ isDirectory }) => isDirectory);
  return [
    ...own === "" ? [] : [`${path} ${own}`],
    ...below.flatMap(({ name }) => entriesBelow(`${path}/${name}`)),
  ];
}
