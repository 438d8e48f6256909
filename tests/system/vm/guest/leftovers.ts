import assert from "node:assert/strict";
import { eventually } from "../../node/eventually.ts";
import { allowedCpus, cpusetDirectory, without } from "../../node/machine.ts";
import { exclusive, type Pod } from "../../node/pods.ts";
import type { Scene } from "./scene.ts";
import type { Check } from "./story.ts";

/** One process: what else it starts would have the container's output, for whose end the runtime waits. */
const FOUR: Pod = { ...exclusive(4), command: ["sleep", "100000"] };
/** The agent's bound is half a minute, and the machine is emulated. */
const LATE = { patienceMs: 120_000, pauseMs: 250 };

/** A process lives on in the cgroup of an ended container, as in an uninterruptible call. */
export async function leftovers(scene: Scene, check: Check): Promise<void> {
  await check(
    "the CPUs of a container that has left a process behind are nobody's until that has ended",
    async () => {
      await scene.prepare({ first: FOUR, second: exclusive(4) });
      const left = await leave(scene, "first");
      await scene.claim("second");
      assert.deepEqual(without(scene.of("second"), left.cpus), scene.of("second"));
      assert.deepEqual(allowedCpus(left.pid), left.cpus, "it is where it was");
      assert.deepEqual(allowedCpus(scene.the("before").pid), without(scene.pool, left.cpus));
      await left.end();
      await scene.agent.says(/processes left in the cgroup of an ended container have ended/);
      await scene.settles();
      await scene.end("second");
    },
  );

  await check("one that doesn't end is put on the shared pool in the end, and that is said", async () => {
    await scene.prepare({ third: FOUR, fourth: exclusive(4) });
    const left = await leave(scene, "third");
    await eventually(() => assert.deepEqual(allowedCpus(left.pid), scene.pool), LATE);
    await scene.agent.says(/haven't ended in time; they get the CPUs of the shared pool/);
    await scene.claim("fourth");
    assert.deepEqual(allowedCpus(left.pid), scene.pool, "it follows the pool");
    await left.end();
    await scene.end("fourth");
    await scene.settles();
  });
}

interface Left {
  readonly pid: number;
  readonly cpus: readonly number[];
  end(): Promise<void>;
}

/** Runs the pod and ends it; a process is left in the container's cgroup. */
async function leave(scene: Scene, name: string): Promise<Left> {
  await scene.claim(name);
  const { id, pid } = scene.the(name);
  const [cgroup, cpus] = [cpusetDirectory(pid), scene.of(name)];
  const child = new Deno.Command("sleep", { args: ["100000"], stdin: "null" }).spawn();
  Deno.writeTextFileSync(`${cgroup}/cgroup.procs`, `${child.pid}`);
  scene.runtime.leave(id);
  await scene.end(name);
  assert.equal(cpusetDirectory(child.pid), cgroup);
  return {
    pid: child.pid,
    cpus,
    end: async () => {
      child.kill("SIGKILL");
      await child.status;
    },
  };
}
