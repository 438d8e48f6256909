/** The Helm chart on an API server with a node: accepted, installed, tested, upgraded, and removed without a trace. */
import assert from "node:assert/strict";
import { kubectl } from "../../e2e/cluster/control_plane.ts";
import { ADMIN, KUBERNETES, PORT, repository } from "../../e2e/cluster/places.ts";
import { run } from "../../e2e/cluster/processes.ts";
import { missing as clusterMissing } from "../../e2e/cluster/up.ts";
import { NodeCgroups } from "../../e2e/harness/node_cgroups.ts";
import { exclusive } from "../../e2e/harness/pods.ts";
import { CHART, chartArchive, chartYaml, versionOf } from "../../../hack/chart.ts";
import { eventually } from "../node/eventually.ts";
import { cluster, NODE, runPod } from "./cluster.ts";
import { CRDS, helm, missing as helmMissing, RELEASE } from "./helm.ts";
import { VALUE_SETS } from "./value_sets.ts";

const missing = helmMissing ?? await clusterMissing();
if (missing !== undefined) console.error(`\n*** NOT TESTED, the Helm chart on Kubernetes: ${missing} ***\n`);

const IMAGE = `localhost/weka-cpuset:${versionOf()}`;
const IN = ["--namespace", "kube-system"];
const HERE = ["--kubeconfig", ADMIN, ...IN];
const DAEMONSET = `daemonset/${RELEASE}`;

/** helm on the cluster. @throws what it says when it fails */
async function onCluster(args: readonly string[], values?: unknown): Promise<string> {
  const { code, out, err } = await helm([...args, ...HERE], values);
  if (code !== 0) throw new Error(`helm ${args.join(" ")}: ${err}${out}`);
  return out;
}

/** Asks the API server whether it would take it, each field known. */
async function dryRun(objects: string): Promise<void> {
  const words = ["apply", "--dry-run=server", "--validate=strict", "--filename", "-"];
  await run(`${KUBERNETES}/kubectl`, ["--kubeconfig", ADMIN, ...words], { input: objects });
}

/** A chart of an earlier version, as an archive in `folder`. */
function formerChart(folder: string): string {
  const text = Deno.readTextFileSync(`${CHART}/Chart.yaml`);
  Deno.writeFileSync(`${folder}/former.tgz`, chartArchive({ "Chart.yaml": chartYaml(text, "0.0.1") }));
  return `${folder}/former.tgz`;
}

/** Name and uid of the agent's pods that aren't ending. */
async function agentPods(): Promise<string[]> {
  const format = "jsonpath={range .items[*]}{.metadata.deletionTimestamp}{.metadata.uid} {end}";
  const all = await kubectl(...IN, "get", "pods", "--selector", `app=${RELEASE}`, "--output", format);
  return all.split(" ").filter((uid) => uid !== "" && !uid.includes("T"));
}

async function revision(): Promise<unknown> {
  const [{ revision, chart }] = JSON.parse(await onCluster(["list", "--output", "json"]));
  return { revision, chart };
}

/** Everything that has the release's label, in all namespaces. */
async function leftOvers(): Promise<string> {
  const kinds = (await kubectl("api-resources", "--verbs=list", "--output=name")).trim().split("\n");
  const own = kinds.filter((kind) => !kind.startsWith("events")).join(",");
  const found = await Promise.all(
    [`app.kubernetes.io/instance=${RELEASE}`, `app=${RELEASE}`, `app=${RELEASE}-release`, "owner=helm"].map((
      label,
    ) =>
      kubectl("get", own, "--all-namespaces", "--selector", label, "--output", "name", "--ignore-not-found")
    ),
  );
  return found.join("");
}

const VALUES = {
  image: { tag: versionOf() },
  config: { fence: "on", http: `127.0.0.1:${PORT + 30}`, log: { level: "info" } },
};

async function accepted(): Promise<void> {
  await kubectl("apply", "--filename", CRDS);
  await kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s");
  for (const [set, values] of Object.entries(VALUE_SETS)) {
    const { code, out, err } = await helm(["template", RELEASE, CHART, ...IN], values);
    assert(code === 0, err);
    await dryRun(out).catch((refused) => assert.fail(`${set}: ${refused.message}`));
  }
  for (const folder of ["manifests", "http", "overlays/containerd", "overlays/k3s", "overlays/kind"]) {
    await kubectl(
      "apply",
      "--dry-run=server",
      "--validate=strict",
      "--kustomize",
      `${repository}/deploy/${folder}`,
    );
  }
  await assert.rejects(dryRun(JSON.stringify({ ...POD, spec: { ...POD.spec, hostPid: true } })), /hostPid/);
}

const POD = {
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name: "a" },
  spec: { containers: [{ name: "a", image: "a" }] },
};

async function installed(folder: string): Promise<void> {
  const notes = await onCluster(
    ["install", RELEASE, formerChart(folder), "--wait", "--timeout", "180s"],
    VALUES,
  );
  // What they say to look at, all of it.
  const looks = [...notes.matchAll(/^ {2}kubectl (.+)$/gm)].map(([, words = ""]) => words.split(" "));
  const seen = [];
  for (const words of looks) seen.push(await kubectl(...words));
  assert.deepEqual(looks.map((words) => words[2]), ["rollout", "exec", "logs"]);
  assert.match(seen[1] ?? "", /serving/);
  const said = await onCluster(["test", RELEASE, "--timeout", "120s"]);
  assert.match(said, /Phase:\s+Succeeded/);
  assert.equal(await kubectl(...IN, "get", "pods", "--selector", `app=${RELEASE}-test`, "--output=name"), "");
}

async function upgraded(cgroups: NodeCgroups): Promise<void> {
  const [before, pods] = [cgroups.look().find(({ name }) => name === "default/own/main"), await agentPods()];
  const archive = `${repository}/dist/${RELEASE}-${versionOf()}.tgz`;
  const change = [
    "--reset-then-reuse-values",
    "--set",
    "config.log.level=debug",
    "--wait",
    "--timeout",
    "180s",
  ];
  await onCluster(["upgrade", RELEASE, archive, ...change]);
  await kubectl(...IN, "rollout", "status", DAEMONSET, "--timeout=120s");
  assert.equal(new Set([...pods, ...await agentPods()]).size, 2, "the pod was replaced");
  const config = await kubectl(...IN, "exec", DAEMONSET, "--", "weka-cpuset", "config");
  assert.match(config, /level: debug {2}# file/);
  assert.match(config, /fence: "on" {2}# file/);
  assert.match(await onCluster(["test", RELEASE, "--timeout", "120s"]), /Phase:\s+Succeeded/);
  const after = cgroups.look().find(({ name }) => name === "default/own/main");
  assert.deepEqual([after?.id, after?.cpus], [before?.id, before?.cpus]);
}

async function refused(): Promise<void> {
  const [before, pods] = [await revision(), await agentPods()];
  const wrong = ["upgrade", RELEASE, CHART, "--reset-then-reuse-values", "--set", "config.minShard=2"];
  await assert.rejects(
    onCluster(wrong),
    /config\/minShard': value must be 'absent: there are only .*minShared/,
  );
  assert.deepEqual([await revision(), await agentPods()], [before, pods]);
}

async function removed(cgroups: NodeCgroups): Promise<void> {
  const { machine: { cpus } } = cgroups;
  assert.notDeepEqual(cgroups.classCpus("burstable"), cpus);
  const removal = ["--cluster", "--kubeconfig", ADMIN];
  const said = await run(`${repository}/hack/uninstall.sh`, removal);
  assert.match(said, /release "weka-nri-cpuset" uninstalled/);
  assert.deepEqual(cgroups.classCpus("burstable"), cpus);
  assert.deepEqual(await agentPods(), []);
  await eventually(async () => assert.equal(await leftOvers(), ""), { pauseMs: 500 });
  const own = cgroups.look().find(({ name }) => name === "default/own/main");
  assert.equal(own?.cpus.length, 1, "a container keeps its CPUs");
}

Deno.test({
  name:
    "chart: accepted by an API server, installed, tested, upgraded from the former version, and removed without a trace",
  ignore: missing !== undefined,
  async fn(t) {
    await using _ = await cluster(IMAGE);
    const folder = await Deno.makeTempDir();
    const cgroups = new NodeCgroups(NODE);
    try {
      await t.step("the API server takes every set of values", accepted);
      await t.step("the former version is installed, and its test passes", () => installed(folder));
      await t.step("an exclusive pod gets its CPU, and the fence keeps others off it", async () => {
        await runPod("own", exclusive(1));
        const own = cgroups.look().find(({ name }) => name === "default/own/main");
        assert.equal(own?.cpus.length, 1);
        await eventually(() => assert(!cgroups.classCpus("burstable").includes(own?.cpus[0] ?? -1)));
      });
      await t.step("it is upgraded with other values, and no container notices", () => upgraded(cgroups));
      await t.step("a value that can't be meant changes nothing", refused);
      await t.step("the nodes are given back, and nothing is left", () => removed(cgroups));
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
