import assert from "node:assert/strict";
import type { KubePod, KubeResources } from "../../../e2e/harness/kube.ts";
import { wishOf } from "../../../e2e/harness/wish.ts";

function wish(qosClass: string, resources: KubeResources, annotations: Record<string, string> = {}) {
  const pod: KubePod = {
    metadata: { name: "p", namespace: "n", uid: "u", annotations },
    spec: { containers: [] },
    status: { phase: "Running", qosClass },
  };
  return wishOf(pod, { name: "main", resources });
}

const whole = { requests: { cpu: "2" }, limits: { cpu: "2" } };

Deno.test("whole CPUs in a Guaranteed pod are exclusive, everything else is shared", () => {
  assert.deepEqual(wish("Guaranteed", whole), { kind: "exclusive", count: 2, forbidden: [] });
  assert.deepEqual(wish("Guaranteed", { limits: { cpu: "2000m" } }), {
    kind: "exclusive",
    count: 2,
    forbidden: [],
  });
  assert.deepEqual(wish("Burstable", whole), { kind: "shared", forbidden: [] });
  assert.deepEqual(wish("Guaranteed", { limits: { cpu: "1500m" } }), { kind: "shared", forbidden: [] });
  assert.deepEqual(wish("Guaranteed", {}), { kind: "shared", forbidden: [] });
});

Deno.test("annotations pin and forbid, and an invalid one counts as none", () => {
  assert.deepEqual(wish("Guaranteed", whole, { "weka.io/cores-ids": "0-1,4" }), {
    kind: "pinned",
    cpus: [0, 1, 4],
  });
  assert.deepEqual(wish("BestEffort", {}, { "weka.io/forbid-core-ids": "3" }), {
    kind: "shared",
    forbidden: [3],
  });
  assert.deepEqual(wish("BestEffort", {}, { "weka.io/forbid-core-ids": "x" }), {
    kind: "shared",
    forbidden: [],
  });
});
