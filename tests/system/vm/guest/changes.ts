import assert from "node:assert/strict";
import { runExecutable } from "../../node/agent.ts";
import { writesDuring } from "../../node/checks.ts";
import { eventually } from "../../node/eventually.ts";
import { cpusetDirectory, online, without } from "../../node/machine.ts";
import { pinned } from "../../node/pods.ts";
import { assertHas, assertWhole } from "./kernel.ts";
import type { Scene } from "./scene.ts";
import type { Check } from "./story.ts";

/** What happens to pods that run: from the agent, from others, and from within. */
export async function changes(scene: Scene, check: Check): Promise<void> {
  const { node, setting } = scene;

  await check(
    "an agent that is killed and started again finds every container, and writes nothing",
    async () => {
      await scene.agent.end("SIGKILL");
      assert.deepEqual(await writesDuring(node, scene.everybody, () => scene.startAgent()), []);
      scene.assertSettled();
    },
  );

  await check(
    "a pinned pod moves an exclusive one, and shared ones follow, whatever they made in theirs",
    async () => {
      const core = scene.of("exclusive").slice(0, 2);
      const free = scene.pool.slice(-2);
      makeInner(scene.the("after").pid, free);
      assertHas(scene.the("after"), free);
      await scene.prepare({ mover: pinned(`${[...core, ...free]}`) });
      await scene.claim("mover");
      assertHas(scene.the("mover"), [...core, ...free].sort((a, b) => a - b));
      assertWhole(scene.claims("exclusive"), 4);
      const others = [...core, ...free, ...scene.of("pinned")];
      assert.deepEqual(without(scene.of("exclusive"), others), scene.of("exclusive"));
      await scene.settles();
    },
  );

  await check("CPUs go back to the shared ones when a pod ends, and the exclusive one stays", async () => {
    // What it made in its own wants all CPUs from now on; the kernel unsets no cpuset that has processes (ENOSPC).
    Deno.writeTextFileSync(`${cpusetDirectory(scene.the("after").pid)}/cpuset.cpus`, `${online()}`);
    await scene.end("mover");
    await scene.settles();
  });

  // In runtime mode nobody reads what the kernel has.
  if (setting.apply === "kernel-first") {
    await check("a cpuset that another program writes is repaired", async () => {
      for (const name of ["before", "exclusive"]) {
        Deno.writeTextFileSync(`${cpusetDirectory(scene.the(name).pid)}/cpuset.cpus`, `${online()}`);
        await scene.settles();
      }
    });

    await check(
      "a container that the runtime takes for running, without anybody in its cgroup, gives up its CPUs",
      async () => {
        await scene.prepare({ gone: pinned(`${scene.pool.slice(-2)}`) });
        await scene.claim("gone");
        await scene.settles();
        const gone = scene.lose("gone");
        leave(gone.pid);
        await scene.settles();
        Deno.kill(gone.pid, "SIGKILL");
        await scene.settles();
      },
    );
  }
}

/** The agent goes passive, and places again. */
export async function releases(scene: Scene, check: Check): Promise<void> {
  await check(
    "released, every container has all CPUs, and those of its own once the agent is resumed",
    async () => {
      await command(scene, "release", "--yes");
      for (const container of scene.everybody) assertHas(container, online());
      await command(scene, "resume");
      await eventually(() => {
        assertWhole(scene.claims("exclusive"), 4);
        assert.deepEqual(without(scene.of("exclusive"), scene.of("pinned")), scene.of("exclusive"));
        scene.assertSettled();
      });
    },
  );
}

async function command({ node }: Scene, ...args: readonly string[]): Promise<void> {
  const { code, stdout } = await runExecutable({ args: ["--run-dir", node.runDir, ...args] });
  assert.equal(code, 0, `${args.join(" ")}: ${stdout}`);
}

/**
 * Its processes leave its cgroup for the root, where the runtime can't end them, and the cgroup goes; systemd takes that of a
 * scope away by itself.
 */
function leave(pid: number): void {
  const own = cpusetDirectory(pid);
  for (const each of Deno.readTextFileSync(`${own}/cgroup.procs`).trim().split("\n")) {
    Deno.writeTextFileSync("/sys/fs/cgroup/cgroup.procs", each);
  }
  try {
    Deno.removeSync(own);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** As systemd or Docker in a container does it: a cgroup in its own, with some of its CPUs, for its processes. */
function makeInner(pid: number, cpus: readonly number[]): void {
  const own = cpusetDirectory(pid);
  Deno.mkdirSync(`${own}/inner`);
  for (const each of Deno.readTextFileSync(`${own}/cgroup.procs`).trim().split("\n")) {
    Deno.writeTextFileSync(`${own}/inner/cgroup.procs`, each);
  }
  Deno.writeTextFileSync(`${own}/cgroup.subtree_control`, "+cpuset");
  Deno.writeTextFileSync(`${own}/inner/cpuset.cpus`, `${cpus}`);
}
