import { bestEffort, exclusive, guaranteed, pinned, podSpec, shared, small } from "../harness/pods.ts";
import { type Bench, statusOf } from "../harness/bench.ts";
import { expectCpus, expectText, expectThat } from "../harness/expect.ts";
import { listText } from "../harness/overlaps.ts";
import type { Suite } from "../harness/suite.ts";
import { nodeRoot } from "../cluster/places.ts";

const SHORT = ["sh", "-c", "sleep 1"];

/** Six pods, three at a time, that complete one after the other. */
async function job(bench: Bench): Promise<void> {
  await bench.run("shared", shared());
  const before = await bench.cpusOf("shared");
  const path = `/apis/batch/v1/namespaces/${bench.namespace}/jobs`;
  const pod = { restartPolicy: "Never", containers: [{ ...guaranteed("2"), command: SHORT }] };
  await bench.kube.post(path, {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: { name: "job" },
    spec: { completions: 6, parallelism: 3, template: { spec: podSpec(pod, bench.options.place) } },
  });
  const own = () =>
    bench.options.cache.pods.filter(({ metadata }) =>
      metadata.namespace === bench.namespace && metadata.labels?.["job-name"] === "job"
    );
  const completed = () => own().filter(({ status }) => status.phase === "Succeeded").length;
  await bench.options.cache.until(
    () => completed() === 6 ? true : undefined,
    "six pods to complete",
    120_000,
  );
  await bench.settles(async () =>
    expectCpus("the pool, with six completed pods", await bench.cpusOf("shared"), before)
  );
  await bench.kube.delete(`${path}/job`, { propagationPolicy: "Background" });
  await bench.options.cache.until(
    () => own().length === 0 ? true : undefined,
    "the job's pods to be gone",
    120_000,
  );
  await bench.check();
}

async function initContainers(bench: Bench): Promise<void> {
  await bench.run("app", {
    containers: [guaranteed("2")],
    initContainers: [{ ...guaranteed("2", "first"), command: SHORT }, {
      ...guaranteed("1", "second"),
      command: SHORT,
    }],
  });
  expectThat((await bench.cpusOf("app")).length === 2, "the app container hasn't two CPUs");
  const free = bench.cpus.length - 2;
  await bench.run("shared", shared());
  expectThat(
    (await bench.cpusOf("shared")).length === free,
    `the init containers' CPUs are kept besides the app's`,
  );
}

async function sideCars(bench: Bench): Promise<void> {
  const always = { more: { restartPolicy: "Always" } };
  await bench.run("app", {
    containers: [guaranteed("2")],
    initContainers: [{ ...guaranteed("1", "own"), ...always }, { ...guaranteed("100m", "small"), ...always }],
  });
  const [main, own, third] = await bench.cpusTogether("app/main", "app/own", "app/small");
  expectThat(main?.length === 2 && own?.length === 1, `they have ${main} and ${own}`);
  expectThat(
    !third?.some((cpu) => main?.includes(cpu) || own?.includes(cpu)),
    `the shared side-car has ${third}`,
  );
}

async function ephemeral(bench: Bench): Promise<void> {
  await bench.run("app", exclusive(2));
  const before = await bench.cpusOf("app");
  const { image, pullPolicy } = bench.options.place;
  const debug = { name: "debug", image, imagePullPolicy: pullPolicy, command: ["sh", "-c", "sleep 600"] };
  await bench.kube.patch(
    `/api/v1/namespaces/${bench.namespace}/pods/app/ephemeralcontainers`,
    { spec: { ephemeralContainers: [debug] } },
    "strategic-merge",
  );
  await bench.until("app", "to have its ephemeral container", (pod) => statusOf(pod, "debug")?.state.running);
  await bench.check();
  expectCpus("the app container", await bench.cpusOf("app"), before);
  const own = await bench.cpusOf("app", "debug");
  expectThat(!own.some((cpu) => before.includes(cpu)), `the ephemeral container has ${listText(own)}`);
}

/** Between its lives its CPUs are its pod's. */
async function crashLoop(bench: Bench): Promise<void> {
  await bench.create("dies", {
    // Long enough to be seen while it lives on a machine that is very busy.
    containers: [{ ...guaranteed("2"), command: ["sh", "-c", "sleep 8; exit 1"] }],
  });
  await bench.running("dies");
  const first = await bench.cpusOf("dies");
  for (let life = 1; life <= 2; life++) {
    await bench.until(
      "dies",
      "to end again",
      ({ status }) => (status.containerStatuses?.[0]?.restartCount ?? 0) >= life ? true : undefined,
    );
    await bench.run(`other-${life}`, exclusive(3));
    const others = await bench.cpusOf(`other-${life}`);
    expectThat(
      !others.some((cpu) => first.includes(cpu)),
      `another pod has ${listText(others)} of ${listText(first)}`,
    );
  }
}

async function recovers(bench: Bench): Promise<void> {
  const most = listText(bench.cpus.slice(1, -2));
  await bench.run("annotated", pinned(most));
  await bench.refused("late", exclusive(8));
  await bench.kube.delete(`/api/v1/namespaces/${bench.namespace}/pods/annotated`);
  await bench.gone("annotated");
  const freed = performance.now();
  await bench.running("late");
  bench.log(`it ran ${((performance.now() - freed) / 1000).toFixed(1)} s after room appeared`);
  await bench.check();
}

async function forced(bench: Bench): Promise<void> {
  // It ignores SIGTERM, so its process outlives its object.
  const stubborn = { ...guaranteed("2"), command: ["sh", "-c", "trap '' TERM; while :; do sleep 1; done"] };
  for (let round = 0; round < 3; round++) {
    await bench.run("forced", { containers: [stubborn] });
    await bench.kube.delete(`/api/v1/namespaces/${bench.namespace}/pods/forced`, { gracePeriodSeconds: 0 });
    await bench.gone("forced");
    await bench.run(`next-${round}`, exclusive(2));
  }
}

async function evicted(bench: Bench): Promise<void> {
  await bench.runAll({ goes: exclusive(2), shared: bestEffort() });
  const eviction = {
    apiVersion: "policy/v1",
    kind: "Eviction",
    metadata: { name: "goes", namespace: bench.namespace },
  };
  await bench.kube.post(`/api/v1/namespaces/${bench.namespace}/pods/goes/eviction`, eviction);
  await bench.gone("goes");
  await bench.check();
}

/** Kubelet finds it in a folder and names it after the node. */
async function staticPod(bench: Bench): Promise<void> {
  const { place } = bench.options;
  const { nodeSelector: _, ...spec } = podSpec({ containers: [guaranteed("1")] }, place);
  const metadata = { name: "static", namespace: bench.namespace };
  const file = `${nodeRoot(bench.node)}/etc/kubernetes/manifests/static.json`;
  Deno.writeTextFileSync(file, JSON.stringify({ apiVersion: "v1", kind: "Pod", metadata, spec }));
  const name = `static-${bench.node}`;
  try {
    await bench.running(name);
    await bench.check();
    expectThat((await bench.cpusOf(name)).length === 1, "the static pod hasn't one CPU");
  } finally {
    Deno.removeSync(file);
  }
  await bench.gone(name);
  await bench.check();
}

/** A DaemonSet and a Deployment with an annotation in their templates. */
async function templates(bench: Bench): Promise<void> {
  const path = `/apis/apps/v1/namespaces/${bench.namespace}/daemonsets`;
  const labels = { app: "template" };
  const { annotations, ...pod } = pinned("3");
  await bench.kube.post(path, {
    apiVersion: "apps/v1",
    kind: "DaemonSet",
    metadata: { name: "template" },
    spec: {
      selector: { matchLabels: labels },
      template: { metadata: { labels, annotations }, spec: podSpec(pod, bench.options.place) },
    },
  });
  const find = () => bench.options.cache.pods.find(({ metadata }) => metadata.labels?.["app"] === "template");
  const running = () => find()?.status.containerStatuses?.some(({ state }) => state.running) || undefined;
  await bench.options.cache.until(running, "the DaemonSet's pod to run", 120_000);
  expectCpus("its pod", await bench.cpusOf(find()?.metadata.name ?? ""), [3]);
  await bench.check();
  await bench.kube.delete(`${path}/template`, { propagationPolicy: "Background" });
  await bench.options.cache.until(
    () => find() === undefined || undefined,
    "the DaemonSet's pod to be gone",
    120_000,
  );
}

/** Kubelet tries again every ten seconds to send events that the API server has refused for a moment. */
const EVENT_PATIENCE_MS = 120_000;

async function refusalIsShown(bench: Bench): Promise<void> {
  await bench.run("runs", shared());
  const message = await bench.refused("wrong", pinned("5-2"));
  expectText("the refusal", message, /pod \S+\/wrong container main: /);
  const query = ["-n", bench.namespace, "get", "events", "--field-selector=involvedObject.name=wrong"];
  await bench.settles(async () => {
    const events = await bench.kube.kubectl(...query, "--output=jsonpath={.items[*].message}");
    expectText("the pod's events", events, /is a reversed range; write "2-5"/);
  }, EVENT_PATIENCE_MS);
}

async function endsAtOnce(bench: Bench): Promise<void> {
  await bench.create("ends", {
    restartPolicy: "Never",
    containers: [{ ...guaranteed("1"), command: ["sh", "-c", "exit 3"] }],
  });
  await bench.until("ends", "to fail", ({ status }) => status.phase === "Failed" || undefined);
  await bench.run("shared", { containers: [small()] });
  await bench.check();
}

export const kubernetes: Suite = {
  name: "Kubernetes",
  tests: [
    { name: "a refusal is in the pod's events", needs: 0, run: refusalIsShown },
    { name: "a Job's completed pods free their CPUs", needs: 6, alone: true, run: job },
    { name: "init containers' CPUs are the app's", needs: 3, alone: true, run: initContainers },
    { name: "native side-cars, exclusive and shared", needs: 3, run: sideCars },
    { name: "an ephemeral container is shared", needs: 2, alone: true, run: ephemeral },
    { name: "a crash-looping pod keeps its CPUs", needs: 8, alone: true, run: crashLoop },
    { name: "a refused pod runs when room appears", needs: 62, alone: true, run: recovers },
    { name: "forced deletion: nobody gets its CPUs while it lives", needs: 8, run: forced },
    { name: "eviction frees its CPUs", needs: 2, run: evicted },
    { name: "a DaemonSet's template pins its pods", needs: 4, run: templates },
    { name: "a static pod", needs: 1, own: true, run: staticPod },
    { name: "a small crash: one that ends at once leaves nothing", needs: 1, run: endsAtOnce },
  ],
};
