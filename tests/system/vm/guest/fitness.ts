import assert from "node:assert/strict";
import { preflight } from "../../node/preflight.ts";
import type { Scene } from "./scene.ts";
import type { Check } from "./story.ts";

/** The node as `preflight` sees it, where everything is there. */
export async function fitness(scene: Scene, check: Check): Promise<void> {
  await check(
    "preflight finds NRI, the cgroup driver, a tree that can be written, and the machine",
    async () => {
      const { said } = await preflight(scene.node);
      for (
        const name of [
          "nri",
          "nri-timeouts",
          "cgroup-version",
          "cgroup-driver",
          "cgroup-tree",
          "sysfs",
          "glibc",
        ]
      ) {
        assert.equal(said(name).result, "pass", `${name}: ${said(name).found}`);
      }
      assert.equal(said("cgroup-driver").found, `the cgroup driver is ${scene.setting.driver}`);
      assert.match(
        said("nri-timeouts").found,
        /plugin_registration_timeout is 60 s, plugin_request_timeout is 30 s/,
      );
      assert.match(said("sysfs").found, /^CPUs 0-15 in \d+ cores, NUMA nodes 0-1$/);
    },
  );
}
