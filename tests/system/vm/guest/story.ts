import assert from "node:assert/strict";
import { online } from "../../node/machine.ts";
import { pinned } from "../../node/pods.ts";
import { arrivals } from "./arrivals.ts";
import { changes, releases } from "./changes.ts";
import { fitness } from "./fitness.ts";
import { hotplug } from "./hotplug.ts";
import { plugAll } from "./kernel.ts";
import { masks } from "./masks.ts";
import { narrowed } from "./narrowed.ts";
import { partitions } from "./partition.ts";
import { Scene, type Setting } from "./scene.ts";
import { systemctl } from "./systemd.ts";

/** Does one thing, and checks what comes of it. */
export type Check = (name: string, body: () => Promise<void>) => Promise<void>;

const LIVING = { sanitizeOps: false, sanitizeResources: false, sanitizeExit: false };

/**
 * Plays one day of a node, a check for each thing that happens. Each begins where the one before it ended, since
 * starting anything takes an emulated machine seconds; after a failure the rest is left out.
 */
export function play(setting: Setting, tell = tellAll): void {
  const name = `${setting.suite}'s containerd, ${setting.driver} driver, ${setting.apply}`;
  Deno.test({
    name,
    ...LIVING,
    fn: async (test) => {
      const scene = await Scene.open(setting);
      let sound = true;
      const check: Check = async (title, body) => {
        sound = await test.step({ name: title, ignore: !sound, fn: body, ...LIVING }) && sound;
      };
      try {
        await tell(scene, check);
      } finally {
        if (!sound) scene.keepLogs(name);
        await plugAll();
        await scene.close();
      }
    },
  });
}

async function tellAll(scene: Scene, check: Check): Promise<void> {
  await fitness(scene, check);
  await arrivals(scene, check);
  await changes(scene, check);
  await releases(scene, check);
  await partitions(scene, check);
  await narrowed(scene, check);
  await masks(scene, check);
  await hotplug(scene, check);
  await check("shared pods have every CPU again when the others have ended", async () => {
    await scene.end("pinned");
    await scene.end("exclusive");
    assert.deepEqual(scene.pool, online());
    await scene.settles();
  });
  if (scene.setting.driver !== "systemd") return;
  // The last one: runc 1.1.5 gives systemd the CPUs with their bytes the wrong way round, and a reload writes those.
  await check("systemd reloads its units, and every container has its CPUs again soon after", async () => {
    await scene.prepare({ again: pinned("2,3,12") });
    await scene.claim("again");
    await scene.settles();
    await systemctl("daemon-reload");
    await scene.settles();
  });
}
