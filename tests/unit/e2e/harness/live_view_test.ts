import assert from "node:assert/strict";
import type { KubePod } from "../../../e2e/harness/kube.ts";
import { liveNodes, roomOf, seenOf } from "../../../e2e/harness/live_view.ts";

const ID = "0123456789abcdef";
const POD: KubePod = {
  metadata: { name: "p", namespace: "n", uid: "u", labels: { app: "weka-nri-cpuset" } },
  spec: { nodeName: "two", containers: [{ name: "main", resources: { limits: { cpu: "2" } } }] },
  status: {
    phase: "Running",
    qosClass: "Guaranteed",
    containerStatuses: [{
      name: "main",
      containerID: `containerd://${ID}`,
      restartCount: 0,
      state: { running: { startedAt: "" } },
    }],
  },
};

Deno.test("a line of the probe is a container of the API's, with either cgroup driver", () => {
  const wish = { kind: "exclusive", count: 2, forbidden: [] };
  const expected = [{ id: ID, name: "n/p/main", wish, cpus: [0, 1, 4], mems: [] }];
  assert.deepEqual(seenOf(`/host/cgroup/kubepods/podu/${ID} 0-1,4 -`, [POD]), expected);
  assert.deepEqual(
    seenOf(`/host/cgroup/kubepods.slice/x/cri-containerd-${ID}.scope 0-1,4 -`, [POD]),
    expected,
  );
  assert.deepEqual(seenOf("/host/cgroup/kubepods/podu/another 0-3 0", [POD]), []);
});

Deno.test("the nodes are those that are named, or those with an agent's pod", () => {
  assert.deepEqual(liveNodes([POD], "one,three"), ["one", "three"]);
  assert.deepEqual(liveNodes([POD, POD], ""), ["two"]);
  assert.throws(() => liveNodes([], ""), /name nodes by E2E_NODE/);
});

Deno.test("room is what other pods leave on the node, the pool's CPU included", () => {
  const other: KubePod = {
    ...POD,
    spec: { nodeName: "two", containers: [{ name: "main", resources: { requests: { cpu: "950m" } } }] },
  };
  assert.equal(roomOf("two", "8", [other]), 8);
  assert.equal(roomOf("two", "7900m", [other]), 7);
  assert.equal(roomOf("one", "7900m", [other]), 8);
  assert.equal(roomOf("two", "8", [{ ...other, status: { phase: "Succeeded" } }, other, other]), 7);
});
