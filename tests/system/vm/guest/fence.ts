// What keeps whole QoS classes off exclusive CPUs, under a real kubelet and while no agent runs.
import assert from "node:assert/strict";
import { runExecutable } from "../../node/agent.ts";
import { eventually } from "../../node/eventually.ts";
import { allowedCpus, online } from "../../node/machine.ts";
import { FenceScene, tell } from "./fence_scene.ts";
import { LASTING, WEAK } from "./fence_events.ts";
import type { Driver } from "./kubelet.ts";

const LIVING = { sanitizeOps: false, sanitizeResources: false, sanitizeExit: false };
const words = Deno.readTextFileSync("/proc/cmdline");
const driver = word("driver") as Driver;

/** Of the pods that come and go without an agent, those that the runtime is asked for, and those that kubelet is. */
const [BY_RUNTIME, BY_KUBELET] = [180, 20];

function word(name: string): string {
  return new RegExp(`\\bweka\\.${name}=(\\S+)`).exec(words)?.[1] ?? "";
}

/** Each begins where the one before it ended; all are tried, whatever becomes of one. */
const STORY: Readonly<Record<string, (scene: FenceScene) => Promise<void>>> = {
  "kubelet makes the classes, and a pod of its gets CPUs of its own": async (scene) => {
    await scene.startAgent({ WEKA_CPUSET_FENCE: "off" });
    await scene.kubelet.start();
    await scene.populate();
    scene.note("an exclusive pod, no fence");
  },

  "without the fence, what comes while no agent runs may run on exclusive CPUs": async (scene) => {
    await scene.killAgent();
    const { hits } = await scene.sampled("2 pods without agent and fence", () => scene.comeAndGo(2));
    assert(hits > 0, "the sampler saw none");
  },

  "an agent that starts puts a fence around both classes": async (scene) => {
    await scene.startFencing();
    scene.note("an agent starts");
  },

  "an agent that is killed between any two of its writes leaves none on exclusive CPUs": async (scene) => {
    await scene.killAgent();
    await scene.kubelet.kill();
    await scene.fenced("the agent is killed again and again", async () => {
      for (const nth of [1, 2, 3, 4]) {
        await scene.startAgent();
        await scene.killedAtWrite(nth);
      }
    });
  },

  [`${BY_RUNTIME + BY_KUBELET} pods come and go while no agent runs, none of them on exclusive CPUs`]: async (
    scene,
  ) => {
    await scene.fenced(`${BY_RUNTIME} pods of the runtime`, () => scene.comeAndGoWithoutKubelet(BY_RUNTIME));
    await scene.fenced(`kubelet starts; ${BY_KUBELET} pods of kubelet`, async () => {
      await scene.kubelet.start();
      await scene.comeAndGo(BY_KUBELET);
    });
  },

  ...LASTING,

  "an agent that starts again takes over what it finds, and the exclusive pod keeps its CPUs": async (
    scene,
  ) => {
    await scene.startFencing();
    scene.note("an agent starts again");
    assert.deepEqual(allowedCpus(await scene.kubelet.pid("exclusive")), scene.own);
  },

  "an agent that is removed leaves every CPU to the classes once they are released": async (scene) => {
    await scene.killAgent();
    const { code, stdout } = await runExecutable({
      args: ["--run-dir", scene.node.runDir, "release", "--yes"],
    });
    assert.equal(code, 0, stdout);
    scene.classes.assertHave(online());
    scene.note("released");
  },

  ...driver === "systemd" && WEAK,

  "the next agent takes them up, and they have every CPU again when the exclusive pod has ended": async (
    scene,
  ) => {
    await scene.startFencing();
    scene.note("an agent after that");
    await scene.kubelet.end("exclusive");
    await eventually(() => scene.classes.assertHave(online()));
    scene.note("the exclusive pod has ended");
  },
};

Deno.test({
  name: `kubelet with the ${driver} driver`,
  ...LIVING,
  fn: async (test) => {
    const scene = await FenceScene.open(driver);
    try {
      for (const [name, check] of Object.entries(STORY)) {
        const passed = await test.step({ name, fn: () => check(scene), ...LIVING });
        tell(`${passed ? "passed" : "FAILED"}: ${name}`);
      }
    } finally {
      scene.keep(word("report"));
      await scene.close();
    }
  },
});
