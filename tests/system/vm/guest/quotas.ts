import assert from "node:assert/strict";
import { dirname } from "node:path";
import { eventually } from "../../node/eventually.ts";
import { cpusetDirectory } from "../../node/machine.ts";
import { exclusive, type Pod } from "../../node/pods.ts";
import type { Scene } from "./scene.ts";
import type { Check } from "./story.ts";

const HALF: Pod = { annotations: {}, qos: "guaranteed", request: 0.5, limit: 0.5 };
const NONE = "max 100000";

/** The agents of this day have `exclusiveQuota: off`. */
export async function quotas(scene: Scene, check: Check): Promise<void> {
  await check(
    "a container with CPUs of its own has no CFS quota, nor has its record or its pod",
    async () => {
      await scene.prepare({ whole: exclusive(2), half: HALF });
      await scene.claim("whole");
      await scene.share("half");
      const whole = scene.the("whole");
      const [own, pod] = [whole, scene.the("half")].map(({ pid }) => cpusetDirectory(pid));
      assert(own !== undefined && pod !== undefined);
      assert.equal(maxOf(own), NONE, "from its start");
      assert.equal((await scene.node.recorded(whole)).quota, -1);
      assert.equal(maxOf(pod), "50000 100000", "a shared one keeps its own");
      // As kubelet writes the pod's, and anybody the container's.
      for (const cgroup of [dirname(own), own]) limit(cgroup);
      await eventually(() => assert.deepEqual([maxOf(dirname(own)), maxOf(own)], [NONE, NONE]));
      limit(dirname(pod));
      for (const cgroup of [dirname(own), own]) limit(cgroup);
      await eventually(() => assert.deepEqual([maxOf(dirname(own)), maxOf(own)], [NONE, NONE]));
      assert.equal(maxOf(dirname(pod)), "200000 100000", "that of a pod without CPUs of its own stays");
      for (const name of ["whole", "half"]) await scene.end(name);
      await scene.settles();
    },
  );
}

function maxOf(cgroup: string): string {
  return Deno.readTextFileSync(`${cgroup}/cpu.max`).trim();
}

function limit(cgroup: string): void {
  Deno.writeTextFileSync(`${cgroup}/cpu.max`, "200000 100000");
}
