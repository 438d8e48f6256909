import assert from "node:assert/strict";
import { allowedCpus, cpusetDirectory, numbers, online, without } from "../../node/machine.ts";
import { MASKS_LAST, taskset, withRuntimeOn } from "../../node/masks.ts";
import { exclusive, pinned } from "../../node/pods.ts";
import type { Scene } from "./scene.ts";
import type { Check } from "./story.ts";

/** Threads with masks of their own: a program's, and what a runtime hands on. */
export async function masks(scene: Scene, check: Check): Promise<void> {
  await check("a claim that would move a pod which has pinned its own threads is refused", async () => {
    await scene.prepare({ tight: exclusive(2) });
    await scene.claim("tight");
    const cpus = scene.of("tight");
    const [first = 0, second = 0] = cpus;
    taskset(scene.the("tight").pid, [first]);
    await scene.prepare({ wide: pinned(`${second}`) });
    await scene.assertRefused(
      "wide",
      /held exclusively by .*; cannot reallocate it: it may not be moved: it pins its own threads/,
    );
    assert.deepEqual(allowedCpus(scene.the("tight").pid), [first]);
    taskset(scene.the("tight").pid, online());
    await scene.assertRefused("wide", /it pins its own threads/);
    await scene.end("tight");
    await scene.settles();
  });

  await check(
    "what a container inherits from its runtime's mask is seen before its program runs",
    async () => {
      // The next one like it gets the same CPUs: half of them are in the mask.
      await scene.prepare({ same: exclusive(2) });
      await scene.claim("same");
      const half = without(online(), scene.of("same").slice(1));
      await scene.end("same");
      await scene.settles();
      const said = scene.agent.lines.length;
      await withRuntimeOn(scene.node.dir, half, async () => {
        await scene.prepare({ narrow: exclusive(2) });
        await scene.claim("narrow");
      });
      const { pid } = scene.the("narrow");
      const set = numbers(Deno.readTextFileSync(`${cpusetDirectory(pid)}/cpuset.cpus`));
      const rest = without(set, half);
      assert.deepEqual([set.length, rest.length], [2, 1], `${set}`);
      if (MASKS_LAST) {
        assert.deepEqual(allowedCpus(pid), without(set, rest));
        await scene.agent.says(
          /container narrowed: its threads may use a part of its CPUs.*CPUAffinity/,
          said,
        );
      } else {
        assert.deepEqual(allowedCpus(pid), set);
        assert.deepEqual(scene.agent.lines.slice(said).filter((line) => line.includes("narrowed")), []);
      }
      await scene.end("narrow");
      await scene.settles();
    },
  );
}
