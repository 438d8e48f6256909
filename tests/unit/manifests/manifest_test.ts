import assert from "node:assert/strict";
import { demandsOf, ManifestError, readManifests, readWorkloads } from "../../../src/manifests/manifest.ts";
import { podResources, qosClass } from "../../../src/manifests/resources.ts";

function workload(kind: string, extra = ""): string {
  return `
kind: ${kind}
metadata: { name: web, namespace: shop, annotations: { of: the-workload } }
spec:
${extra}
  template:
    metadata: { annotations: { weka.io/cores-ids: "2-3" } }
    spec: { containers: [{ name: main }] }
`;
}

function refusal(text: string): string {
  try {
    readManifests(text);
  } catch (error) {
    assert(error instanceof ManifestError);
    return error.message;
  }
  assert.fail("the manifest was taken");
}

Deno.test("a Pod is read with its annotations and resources, requests defaulting to limits", () => {
  const [pod] = readManifests(`
apiVersion: v1
kind: Pod
metadata: { name: p, annotations: { weka.io/cores-ids: "0,2" } }
spec:
  containers:
    - name: main
      resources: { limits: { cpu: 2, memory: 64Mi } }
    - name: aside
      resources: { requests: { cpu: 250m }, limits: { cpu: "1" } }
`);
  assert.deepEqual(pod, {
    name: "p",
    namespace: "default",
    annotations: { "weka.io/cores-ids": "0,2" },
    containers: [
      {
        name: "main",
        role: "main",
        requests: { cpu: 2000, memory: 2 ** 26 },
        limits: { cpu: 2000, memory: 2 ** 26 },
      },
      { name: "aside", role: "main", requests: { cpu: 250 }, limits: { cpu: 1000 } },
    ],
  });
});

Deno.test("workloads give pods of their template, named in order", () => {
  const names = (text: string) => readManifests(text).map((pod) => pod.name);
  assert.deepEqual(names(workload("Deployment", "  replicas: 3")), ["web-1", "web-2", "web-3"]);
  assert.deepEqual(names(workload("Deployment")), ["web-1"]);
  assert.deepEqual(names(workload("StatefulSet", "  replicas: 2")), ["web-0", "web-1"]);
  assert.deepEqual(names(workload("DaemonSet")), ["web-1"]);
  assert.deepEqual(names(workload("Deployment", "  replicas: 0")), []);
});

Deno.test("a workload's pods have the annotations of the template and its namespace", () => {
  const [pod] = readManifests(workload("DaemonSet"));
  assert(pod);
  assert.equal(pod.namespace, "shop");
  assert.deepEqual(pod.annotations, { "weka.io/cores-ids": "2-3" });
});

Deno.test("several documents are read in order, empty ones skipped", () => {
  const text = `---\n${workload("DaemonSet")}---\n# nothing here\n---${workload("StatefulSet")}`;
  assert.deepEqual(readManifests(text).map((pod) => pod.name), ["web-1", "web-0"]);
});

Deno.test("init containers come first, and those that restart are side-cars", () => {
  const [pod] = readManifests(`
kind: Pod
metadata: { name: p }
spec:
  initContainers:
    - { name: prepare, resources: { limits: { cpu: 3, memory: 1Mi } } }
    - { name: proxy, restartPolicy: Always, resources: { limits: { cpu: 1, memory: 1Mi } } }
  containers:
    - { name: main, resources: { limits: { cpu: 4, memory: 1Mi } } }
`);
  assert(pod);
  assert.deepEqual(pod.containers.map(({ name, role }) => [name, role]), [
    ["prepare", "init"],
    ["proxy", "sidecar"],
    ["main", "main"],
  ]);
  assert.equal(podResources(demandsOf(pod)).quota, 500_000);
  assert.equal(qosClass(demandsOf(pod)), "Guaranteed");
});

Deno.test("pod-level resources are read", () => {
  const [pod] = readManifests(`
kind: Pod
metadata: { name: p }
spec: { resources: { limits: { cpu: 2, memory: 1Gi } }, containers: [{ name: main }] }
`);
  assert(pod);
  assert.equal(qosClass(demandsOf(pod)), "Guaranteed");
  assert.equal(podResources(demandsOf(pod)).quota, 200_000);
});

Deno.test("a kind that no node runs is refused with the kinds that are", () => {
  assert.equal(
    refusal("kind: Service\nmetadata: { name: web }\nspec: {}"),
    "Service web can't be run on a node; write a Pod, Deployment, StatefulSet, DaemonSet, ReplicaSet, " +
      "ReplicationController, Job, CronJob",
  );
});

Deno.test("an annotation that is no text is refused, as the API server would", () => {
  const text =
    "kind: Pod\nmetadata: { name: p, annotations: { weka.io/cores-ids: 3 } }\nspec: { containers: [] }";
  assert.match(refusal(text), /weka\.io\/cores-ids must be a text; put it in quotes/);
});

Deno.test("broken manifests are refused with the place", () => {
  const container = (text: string) => `kind: Pod\nmetadata: {name: p}\nspec: {containers: [${text}]}`;
  const cases: [string, RegExp][] = [
    ["a: [", /not valid YAML/],
    ["- 1", /a manifest must be a mapping/],
    ["metadata: {name: p}", /kind must be a text/],
    ["kind: Pod\nspec: {}", /the metadata of a Pod must be/],
    ["kind: Pod\nmetadata: {}\nspec: {}", /metadata\.name of a Pod must be/],
    ["kind: Pod\nmetadata: {name: p}\nspec: {}", /containers of Pod p must be a list/],
    [container("{}"), /the name of a container of Pod p/],
    [container("{name: a}, {name: a}"), /same name/],
    [
      container("{name: a, resources: {limits: {cpu: lots}}}"),
      /limits of container a of Pod p: "lots" is not/,
    ],
    [workload("Deployment", "  replicas: -1"), /replicas of Deployment web must be a whole number/],
  ];
  for (const [text, expected] of cases) assert.match(refusal(text), expected, text);
});

Deno.test("a Job gives its parallel pods, a CronJob and a DaemonSet one, a List what is in it", () => {
  const template = "template: {spec: {containers: [{name: main}]}}";
  const names = readManifests(`
kind: List
items:
  - {kind: Job, metadata: {generateName: once-}, spec: {parallelism: 2, ${template}}}
  - {kind: CronJob, metadata: {name: nightly}, spec: {jobTemplate: {spec: {${template}}}}}
  - {kind: DaemonSet, metadata: {name: agent}, spec: {${template}}}
`).map(({ name }) => name);
  assert.deepEqual(names, ["once-1", "once-2", "nightly-1", "agent-1"]);
});

Deno.test("objects that run no pods are named, where they may be there", () => {
  const workloads = readWorkloads("kind: Service\nmetadata: {name: web}\n---\n# nothing\n");
  assert.deepEqual(workloads, [{ name: "Service web" }]);
});
