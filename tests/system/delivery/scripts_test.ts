// hack/build-and-deploy.sh and hack/uninstall.sh on an API server with a node.
import assert from "node:assert/strict";
import { kubectl } from "../../e2e/cluster/control_plane.ts";
import { ADMIN, repository } from "../../e2e/cluster/places.ts";
import { missing } from "../../e2e/cluster/up.ts";
import { NodeCgroups } from "../../e2e/harness/node_cgroups.ts";
import { exclusive } from "../../e2e/harness/pods.ts";
import { eventually } from "../node/eventually.ts";
import { cluster, NODE, runPod } from "./cluster.ts";

const reason = await missing();
if (reason !== undefined) console.error(`\n*** NOT TESTED, the scripts on Kubernetes: ${reason} ***\n`);

const { version } = JSON.parse(Deno.readTextFileSync(`${repository}/deno.json`)) as { version: string };
const IN = ["--namespace", "kube-system"];

/** Runs a script of hack/ on the cluster: its exit status, and what it says. */
async function script(name: string, args: readonly string[], timeout = "120s"): Promise<string> {
  const command = new Deno.Command(`${repository}/hack/${name}`, {
    args: ["--kubeconfig", ADMIN, ...args],
    env: { ROLLOUT_TIMEOUT: timeout },
    stdin: "null",
  });
  const { code, stdout, stderr } = await command.output();
  const decoder = new TextDecoder();
  return `${code} ${decoder.decode(stdout)}${decoder.decode(stderr)}`;
}

/** deploy/manifests with a fence, which this machine's cgroup version may not have by default. */
function fenced(): string {
  Deno.mkdirSync(`${repository}/.test-reports`, { recursive: true });
  const folder = Deno.makeTempDirSync({ dir: `${repository}/.test-reports` });
  const value = "fence: on\nlog:\n  level: info\n";
  Deno.writeTextFileSync(
    `${folder}/kustomization.yaml`,
    JSON.stringify({
      resources: ["../../deploy/manifests"],
      patches: [{
        target: { kind: "ConfigMap" },
        patch: JSON.stringify([{ op: "replace", path: "/data/config.yaml", value }]),
      }],
    }),
  );
  return folder;
}

/** All objects of ours in the cluster. */
async function objects(): Promise<string> {
  const kinds = "daemonset,pod,configmap,serviceaccount,controllerrevision";
  const selector = "app in (weka-nri-cpuset, weka-nri-cpuset-release)";
  return await kubectl("get", kinds, "--all-namespaces", "--selector", selector, "--output", "name");
}

async function agentPod(): Promise<string> {
  const name = "jsonpath={.items[0].metadata.name}";
  return await kubectl(...IN, "get", "pods", "--selector", "app=weka-nri-cpuset", "--output", name);
}

Deno.test({
  name:
    "the scripts install the DaemonSet, roll it out anew, and remove it with all that it has kept off CPUs",
  ignore: reason !== undefined,
  async fn(t) {
    await using _ = await cluster(`localhost/weka-cpuset:${version}`);
    const cgroups = new NodeCgroups(NODE);
    const { machine: { cpus } } = cgroups;
    const deploy = ["--skip-build", "--overlay", fenced()];
    await t.step("a dry run is checked by the API server, and changes nothing", async () => {
      assert.match(
        await script("build-and-deploy.sh", ["--dry-run"]),
        /^0 .*kind: DaemonSet.*created \(server dry run\)/s,
      );
      assert.equal(await objects(), "");
    });
    await t.step("an image that isn't there: it fails, with the reason of the node's events", async () => {
      const said = await script("build-and-deploy.sh", [...deploy, "--image-tag", "none"], "20s");
      assert.match(said, /^1 .*(ErrImagePull|Failed to pull image|ImagePull)/s);
    });
    await t.step("it is installed, and Ready means that it places", async () => {
      assert.match(await script("build-and-deploy.sh", deploy), /^0 .*successfully rolled out/s);
      await runPod("own", exclusive(1));
      await eventually(() => assert.notDeepEqual(cgroups.classCpus("burstable"), cpus));
      const ready = await kubectl(...IN, "exec", await agentPod(), "--", "weka-cpuset", "ready");
      assert.match(ready, /^ready: synchronized with the runtime and serving$/m);
    });
    await t.step("the same again, with another configuration, replaces the pod", async () => {
      const before = await agentPod();
      assert.match(
        await script("build-and-deploy.sh", [...deploy, "--debug"]),
        /^0 .*successfully rolled out/s,
      );
      await eventually(async () => assert.notEqual(await agentPod(), before));
      assert.match(
        await kubectl(...IN, "exec", "daemonset/weka-nri-cpuset", "--", "weka-cpuset", "config"),
        /level: debug/,
      );
    });
    await t.step(
      "it is removed: no object is left, the classes have all CPUs, and the container has kept its own",
      async () => {
        assert.match(await script("uninstall.sh", ["--cluster", "--dry-run"]), /^0 would run: /);
        assert.notEqual(await objects(), "");
        assert.match(await script("uninstall.sh", ["--cluster"]), /^0 /);
        await eventually(async () => assert.equal(await objects(), ""), { pauseMs: 500 });
        assert.deepEqual(cgroups.classCpus("burstable"), cpus);
        const own = cgroups.look().find(({ name }) => name === "default/own/main");
        assert.equal(own?.cpus.length, 1);
        assert.match(await script("uninstall.sh", ["--cluster"]), /^0 the cluster has no DaemonSet of ours/);
      },
    );
  },
});
