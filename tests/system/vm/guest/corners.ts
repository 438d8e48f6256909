// What is checked on a machine whose kernel isolates CPUs and has memory beside no CPU, on a runtime that can be made to do what
// few do; checks.ts plays the same day on a plain one.
import "./machine.ts";
import { isolated } from "./isolated.ts";
import { leftovers } from "./leftovers.ts";
import { memory } from "./memory.ts";
import { podLimits } from "./pod_limits.ts";
import { quotas } from "./quotas.ts";
import { sandboxed } from "./sandboxed.ts";
import { play } from "./story.ts";

for (const [suite, driver] of [["trixie", "cgroupfs"], ["sid", "systemd"]] as const) {
  play({ suite, driver, apply: "kernel-first", isImitated: true }, async (scene, check) => {
    await isolated(scene, check);
    await memory(scene, check);
    await quotas(scene, check);
    await podLimits(scene, check);
    await sandboxed(scene, check);
    await leftovers(scene, check);
  });
}
