import assert from "node:assert/strict";
import { demandsOf, readManifests } from "../../../src/manifests/manifest.ts";
import { qosClass } from "../../../src/manifests/resources.ts";

const ROOT = new URL("../../..", import.meta.url).pathname;

/** Each pod of the samples: its class of service, and whether it names CPUs. */
function kinds(file: string): string[] {
  return readManifests(Deno.readTextFileSync(`${ROOT}deploy/samples/${file}`)).map((pod) => {
    const [annotation = "no annotation"] = Object.keys(pod.annotations);
    return `${pod.name}: ${qosClass(demandsOf(pod))}, ${annotation}`;
  });
}

Deno.test("each sample shows what it says", () => {
  const expected: Record<string, string[]> = {
    "shared-deployment.yaml": [1, 2, 3].map((n) => `web-${n}: Burstable, no annotation`),
    "pinned-pod.yaml": ["pinned: Burstable, weka.io/cores-ids"],
    "annotated-daemonset.yaml": ["annotated-1: Burstable, weka.io/cores-ids"],
    "weka-drive.yaml": ["weka-drive-1: Guaranteed, weka.io/cores-ids"],
    "weka-compute.yaml": [0, 1].map((n) => `weka-compute-${n}: Guaranteed, no annotation`),
    "database.yaml": ["database-0: Guaranteed, weka.io/placement"],
    "dpdk-pod.yaml": ["packets: Guaranteed, weka.io/movable"],
    "per-container.yaml": ["gateway: Burstable, cores-ids.weka.io/container.forwarder"],
    "side-car.yaml": ["inference: Guaranteed, no annotation"],
    "weka-client.yaml": [1, 2].map((n) => `weka-client-${n}: Burstable, no annotation`),
    "forbid-core-ids.yaml": [
      "avoiding: Burstable, weka.io/forbid-core-ids",
      "avoiding-exclusively: Guaranteed, weka.io/forbid-core-ids",
    ],
  };
  const files = [...Deno.readDirSync(`${ROOT}deploy/samples`)].map((entry) => entry.name).sort();
  assert.deepEqual(files, Object.keys(expected).sort());
  for (const file of files) assert.deepEqual(kinds(file), expected[file], file);
});
