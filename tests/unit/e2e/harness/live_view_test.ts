import assert from "node:assert/strict";
import type { KubePod } from "../../../e2e/harness/kube.ts";
import { liveNode, seenOf } from "../../../e2e/harness/live_view.ts";

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

Deno.test("the node is the one that is named, or one with an agent's pod", () => {
  assert.equal(liveNode([POD], "one"), "one");
  assert.equal(liveNode([POD], ""), "two");
  assert.throws(() => liveNode([], ""), /name a node by E2E_NODE/);
});
