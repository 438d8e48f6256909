/** The Helm chart beside the manifests and the program, without helm. What it renders: tests/system/delivery/chart_render_test.ts. */
import assert from "node:assert/strict";
import { gunzipSync } from "node:zlib";
import { parse } from "yaml";
import { CHART, chartArchive, generated } from "../../../hack/chart.ts";
import { KEYS, valueAt } from "../../../src/config/keys.ts";

const DEPLOY = new URL("../../../deploy/", import.meta.url).pathname;
// deno-lint-ignore no-explicit-any
type Tree = any;

function yaml(path: string): Tree {
  return parse(Deno.readTextFileSync(path));
}

const values = yaml(`${CHART}/values.yaml`);
const daemonSet = yaml(`${DEPLOY}manifests/daemonset.yaml`);
const pod = daemonSet.spec.template.spec;
const [container] = pod.containers;
const schema = JSON.parse(Deno.readTextFileSync(`${CHART}/values.schema.json`));

Deno.test("the chart's version and its schema are the program's", () => {
  for (const [path, text] of Object.entries(generated())) {
    assert.equal(
      Deno.readTextFileSync(`${CHART}/${path}`),
      text,
      `${path} of the chart is stale; make it anew with: make rewrite-scripts`,
    );
  }
});

Deno.test("the chart's defaults are what the manifests have", () => {
  const { config, image, hostPaths, updateStrategy, minReadySeconds, resources } = values;
  assert.equal(`${image.repository}:${yaml(`${CHART}/Chart.yaml`).appVersion}`, container.image);
  assert.equal(image.pullPolicy, container.imagePullPolicy);
  assert.deepEqual(config, parse(yaml(`${DEPLOY}manifests/configmap.yaml`).data["config.yaml"]));
  assert.deepEqual([updateStrategy, minReadySeconds, resources], [
    daemonSet.spec.updateStrategy,
    daemonSet.spec.minReadySeconds,
    container.resources,
  ]);
  for (const key of ["priorityClassName", "nodeSelector", "tolerations"]) {
    assert.deepEqual(values[key], pod[key], key);
  }
  const { dbus: _, ...paths } = hostPaths;
  const volumes = new Map(pod.volumes.map(({ name, hostPath }: Tree) => [name, hostPath?.path]));
  for (const [name, path] of Object.entries(paths)) {
    assert.equal(volumes.get(name === "podResources" ? "pod-resources" : name), path, name);
  }
});

Deno.test("the chart's schema knows each value, and each key of the configuration, and no other", () => {
  const known = Object.keys(schema.properties).filter((name) => name !== "global");
  assert.deepEqual(Object.keys(values).sort(), known.sort());
  const { config } = schema.properties;
  const names = Object.entries<Tree>(config.properties).flatMap(([name, { properties }]) =>
    properties === undefined ? [name] : Object.keys(properties).map((inner) => `${name}.${inner}`)
  );
  assert.deepEqual(names.sort(), KEYS.map(({ path }) => path).sort());
  for (const { path, description } of KEYS) {
    const own = valueAt(config.properties, path.replaceAll(".", ".properties.")) as Tree;
    assert(own.description.startsWith(description), path);
  }
});

Deno.test("the chart writes on and off where YAML made true and false of them, for each key that may be one", () => {
  const switches = Object.entries<Tree>(schema.properties.config.properties)
    .filter(([, { enum: words = [] }]) => words.includes(true) || words.includes(false))
    .map(([name]) => name);
  const [, names = ""] = /range list ((?:"\w+" ?)+)/.exec(
    Deno.readTextFileSync(`${CHART}/templates/_names.tpl`),
  ) ?? [];
  assert.deepEqual([...names.matchAll(/\w+/g)].map(([name]) => name).sort(), switches.sort());
});

Deno.test("the chart's archive has the manifests, alerts and dashboard themselves, and the same bytes each time", () => {
  const archive = chartArchive(generated());
  assert.deepEqual(chartArchive(generated()), archive);
  const text = new TextDecoder().decode(gunzipSync(archive));
  for (
    const file of [
      "manifests/daemonset.yaml",
      "http/daemonset.yaml",
      "release/daemonset.yaml",
      "host-plugin/daemonset.yaml",
      "prometheus/rules.yaml",
      "grafana/dashboard.json",
    ]
  ) assert(text.includes(Deno.readTextFileSync(`${DEPLOY}${file}`)), file);
});

Deno.test("each overlay patches what deploy/manifests has", () => {
  for (const overlay of Deno.readDirSync(`${DEPLOY}overlays`)) {
    const folder = `${DEPLOY}overlays/${overlay.name}`;
    const { resources, patches = [] } = yaml(`${folder}/kustomization.yaml`);
    assert.deepEqual(resources, ["../../manifests"], overlay.name);
    for (const { path } of patches) {
      const patch = yaml(`${folder}/${path}`);
      assert.deepEqual(
        [patch.kind, patch.metadata],
        ["DaemonSet", { name: daemonSet.metadata.name, namespace: "kube-system" }],
      );
      const { containers = [], volumes = [] } = patch.spec.template.spec;
      const mounted = [...container.volumeMounts, ...containers.flatMap((each: Tree) => each.volumeMounts)];
      for (const { name } of volumes) assert(mounted.some((each: Tree) => each.name === name), name);
      for (const { name } of containers) assert.equal(name, container.name);
    }
  }
});
