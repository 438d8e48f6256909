// What systemd and kubelet do to the classes' cpusets while no agent runs.
import assert from "node:assert/strict";
import { eventually } from "../../node/eventually.ts";
import type { FenceScene } from "./fence_scene.ts";
import { systemctl } from "./systemd.ts";

/** Kubelet looks after the classes once a minute. */
const MINUTES = { patienceMs: 240_000, pauseMs: 500 };

/** A weight of CPU time that no class has from kubelet. */
const FOREIGN = "9999";

/** Resolves when kubelet has written the classes' other values anew, as it does every minute. */
export async function reconciled({ classes }: FenceScene): Promise<void> {
  const files = classes.directories.map((path) => `${path}/cpu.weight`);
  for (const file of files) Deno.writeTextFileSync(file, FOREIGN);
  await eventually(() => {
    for (const file of files) assert.notEqual(Deno.readTextFileSync(file).trim(), FOREIGN, file);
  }, MINUTES);
}

/** The last pod of each class ends, and others come. */
async function refill(scene: FenceScene): Promise<void> {
  await scene.kubelet.end("burstable", "besteffort");
  scene.note("the last pod of each class has ended");
  await reconciled(scene);
  await scene.populate();
}

/** The events, each of which has to leave the fence as it is. */
export const LASTING: Readonly<Record<string, (scene: FenceScene) => Promise<void>>> = {
  "kubelet is killed and starts again": (scene) =>
    scene.fenced("kubelet is killed, starts again, and looks after the classes", async () => {
      await scene.kubelet.kill();
      await scene.kubelet.start();
      await reconciled(scene);
    }),

  "systemd reloads its units and executes itself anew, and kubelet looks after the classes, twice": (scene) =>
    scene.fenced("two rounds of kubelet's", async () => {
      await systemctl("daemon-reload");
      scene.note("daemon-reload");
      await systemctl("daemon-reexec");
      scene.note("daemon-reexec");
      await reconciled(scene);
      scene.note("a round of kubelet's");
      await reconciled(scene);
    }),

  "the last pod of each class ends, and others come": (scene) =>
    scene.fenced("a round of kubelet's, and others come", () => refill(scene)),
};

/** What the agent can't prevent without the system bus, where classes are units of systemd's. */
export const WEAK: Readonly<Record<string, (scene: FenceScene) => Promise<void>>> = {
  "without the system bus, systemd gives a class every CPU whose last pod ends while no agent runs": async (
    scene,
  ) => {
    await scene.startFencing({ WEKA_CPUSET_SYSTEM_BUS: "" });
    await scene.killAgent();
    scene.note("an agent without the system bus, killed");
    const { hits } = await scene.sampled("a round of kubelet's, and others come", () => refill(scene));
    assert(hits > 0, "systemd left the classes as they were");
  },
};
