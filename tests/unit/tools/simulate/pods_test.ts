/** Pods with resources of their own that are resized: what the plugins are told, and that a wrong limit is found. */
import assert from "node:assert/strict";
import { step } from "../../../../src/agent/step.ts";
import { podMessage } from "../../../../tools/simulate/messages.ts";
import { newsOf } from "../../../../tools/simulate/pod_figures.ts";
import { figures, type PodSpec } from "../../../../tools/simulate/pods.ts";
import { SHARED, Stage } from "../../../../tools/simulate/stage.ts";

const CREATED = 3;
const RESIZE = { kind: "podUpdate", pod: 1, limit: 2 } as const;

/** Whose one container has the pod's figures. */
const POD: PodSpec = {
  ...SHARED,
  qos: "guaranteed",
  limit: CREATED,
  containers: [{ name: "a", resources: figures(CREATED * 1000, true) }],
};

Deno.test("the limit of a pod grows before its request, and shrinks after it", () => {
  const told = (before: number, after: number) =>
    newsOf(before, after).map(({ shares = 0, quota = 0 }) => [shares / 1024, quota / 100_000]);
  assert.deepEqual(told(1, 3), [[1, 3], [3, 3]]);
  assert.deepEqual(told(3, 1), [[1, 3], [1, 1]]);
});

Deno.test("a resized pod is listed with what it was created with, and its next container has its figures of now", () => {
  const stage = Stage.serving();
  stage.run("a", POD);
  assert.equal(stage.play(RESIZE), undefined);
  const pod = stage.world.runtime.pods.get(1);
  assert(pod);
  assert.equal(podMessage(pod).linux?.podResources?.cpu?.quota?.value, BigInt(CREATED * 100_000));
  assert.equal(`${stage.world.inCharge?.placed.get("a")?.grant}`.length, 3, "two CPUs");
  stage.play({ kind: "stop", id: "a" }, { kind: "create", pod: 1, slot: 0, id: "again" });
  assert.equal(stage.world.runtime.containers.get("again")?.record.quota, 200_000);
});

Deno.test("an agent that ignores a pod's new limit is found, whether that is less or more", () => {
  const deaf = (agent: Parameters<typeof step>[0], input: Parameters<typeof step>[1]) => {
    const next = step(agent, input);
    const { ledger } = agent.state;
    const isNews = next.agent.state.podResources.size > 0;
    return isNews ? { ...next, agent: { ...next.agent, state: { ...next.agent.state, ledger } } } : next;
  };
  const resized = (limit: number, change = step) => {
    const stage = Stage.serving({ machine: "split8" }, { step: change });
    return stage.run("a", POD) ?? stage.play({ ...RESIZE, limit });
  };
  assert.match(resized(2, deaf) ?? "", /u1 has 3 CPUs, its limit is 2/);
  assert.match(resized(4, deaf) ?? "", /u1 has only 3 CPUs, its limit is 4/);
  assert.deepEqual([resized(2), resized(4)], [undefined, undefined]);
});
