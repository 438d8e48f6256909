// What is checked on a kernel that has partitions below kubelet's cgroups; checks.ts plays the same on one that hasn't.
import assert from "node:assert/strict";
import { arrivals } from "./arrivals.ts";
import { masks } from "./masks.ts";
import { narrowed } from "./narrowed.ts";
import { partitions } from "./partition.ts";
import { play } from "./story.ts";

Deno.test("the kernel is 6.7 or later", () => {
  const [major = 0, minor = 0] = Deno.osRelease().split(".").map(Number);
  assert(major > 6 || (major === 6 && minor >= 7), Deno.osRelease());
});

const settings = [{ suite: "trixie", driver: "cgroupfs" }, { suite: "sid", driver: "systemd" }] as const;
for (const setting of settings) {
  play({ ...setting, apply: "kernel-first" }, async (scene, check) => {
    await arrivals(scene, check);
    await partitions(scene, check);
    await narrowed(scene, check);
    await masks(scene, check);
  });
}
