/** The Helm chart: what it renders, and what it says of values that it can't mean. On an API server: chart_test.ts. */
import assert from "node:assert/strict";
import { parse } from "yaml";
import { checkedLayer } from "../../../src/config/layers.ts";
import { parseYaml } from "../../../src/config/parse.ts";
import { CHART, helm, kustomized, type Manifest, missing, objects, rendered } from "./helm.ts";
import { VALUE_SETS } from "./value_sets.ts";

function byHelm(name: string, fn: () => Promise<void>): void {
  Deno.test({ name: `chart: ${name}`, ignore: missing !== undefined, fn });
}

/**
 * Without what only Helm has: its labels, and the checksum that replaces the pods when the configuration changes. The configuration is
 * compared by what it means.
 */
function bare(objects: readonly Manifest[]): unknown[] {
  return objects.map((object) => {
    const copy = structuredClone(object);
    copy.metadata.labels = { app: copy.metadata.labels?.app };
    delete copy.spec?.template?.metadata.annotations;
    if (copy.kind === "ConfigMap") copy.data["config.yaml"] = parse(copy.data["config.yaml"]);
    return copy;
  });
}

interface Mount {
  readonly name: string;
  readonly mountPath: string;
}

/** The agent's container in what was rendered, and its pod. */
function agentIn(objects: readonly Manifest[]) {
  const pod = objects.find(({ kind }) => kind === "DaemonSet")?.spec.template.spec;
  return { pod, container: pod.containers[0] };
}

byHelm("with its own values it is deploy/manifests, object by object", async () => {
  assert.deepEqual(bare(await rendered({})), bare(await kustomized("manifests")));
});

byHelm("with values for them it is the overlays", async () => {
  const overlays = [
    ["as it is", "overlays/containerd"],
    ["k3s", "overlays/k3s"],
    ["kind", "overlays/kind"],
    ["the plugin on each node too", "host-plugin"],
  ] as const;
  for (const [set, overlay] of overlays) {
    const sorted = (objects: readonly Manifest[]) => {
      const { pod, container } = agentIn(objects);
      for (const list of [pod.volumes, container.volumeMounts]) {
        list.sort((a: { name: string }, b: { name: string }) => a.name < b.name ? -1 : 1);
      }
      return bare(objects);
    };
    const made = sorted(await rendered(VALUE_SETS[set]));
    assert.deepEqual(made, sorted(await kustomized(overlay)), overlay);
  }
});

byHelm("with http it has the probe of deploy/http, at the address", async () => {
  const { livenessProbe } = agentIn(await kustomized("http")).container;
  const { container } = agentIn(await rendered({ config: { http: "0.0.0.0:9753" } }));
  assert.deepEqual(container.livenessProbe, livenessProbe);
  const { container: local } = agentIn(await rendered({ config: { http: "127.0.0.1:123" } }));
  assert.deepEqual(local.livenessProbe.httpGet, { path: "/healthz", host: "127.0.0.1", port: 123 });
});

byHelm("giving the nodes back it has deploy/release instead of the agent", async () => {
  const sets = (await rendered({ releaseNodes: true })).filter(({ kind }) => kind === "DaemonSet");
  assert.deepEqual(bare(sets), bare(objects(Deno.readTextFileSync(`${CHART}/files/release.yaml`))));
});

byHelm("the plugin's side-car has the agent's image and paths, and not the system bus", async () => {
  const values = VALUE_SETS["everything elsewhere"] as Record<string, unknown>;
  const { pod, container } = agentIn(await rendered({ ...values, hostPlugin: { enabled: true } }));
  const [sideCar] = pod.initContainers;
  assert.equal(sideCar.image, container.image);
  const known = new Map(container.volumeMounts.map(({ name, mountPath }: Mount) => [name, mountPath]));
  const mounts = sideCar.volumeMounts.map(({ name, mountPath }: Mount) => [name, mountPath]);
  assert.deepEqual(mounts, [
    ["host-plugin", "/opt/nri"],
    ...["nri", "cri", "run", "config"].map((name) => [name, known.get(name)]),
  ]);
});

byHelm("the plugin is removed before the nodes are released", async () => {
  const without = await rendered({ releaseNodes: true });
  const { pod } = agentIn(await rendered({ releaseNodes: true, hostPlugin: { enabled: true } }));
  const [{ args, restartPolicy, volumeMounts }, ...rest] = pod.initContainers;
  assert.deepEqual([args, restartPolicy], [["install-host-plugin", "--remove"], undefined]);
  assert.deepEqual(volumeMounts, [{ name: "host-plugin", mountPath: "/opt/nri" }]);
  assert.deepEqual(rest, agentIn(without).pod.initContainers);
  assert.deepEqual(
    pod.volumes.map(({ name }: Mount) => name),
    ["host-plugin", ...agentIn(without).pod.volumes.map(({ name }: Mount) => name)],
  );
});

/** The alert of the DaemonSet's pods, of these values and that Helm release. */
async function podAlert(values: Record<string, unknown>, release: string): Promise<string> {
  const made = await rendered({ ...values, prometheusRule: { enabled: true } }, release);
  const { spec } = made.find(({ kind }) => kind === "PrometheusRule") as Manifest;
  const [{ rules }] = spec.groups;
  return rules.find(({ alert }: { alert: string }) => alert === "WekaCpusetPodNotReady").expr;
}

byHelm(
  "the alert of the DaemonSet's pods matches what the DaemonSet is called, and not its release",
  async () => {
    for (
      const [release, values] of [
        ["weka-nri-cpuset", {}],
        ["storage", {}],
        ["storage", { fullnameOverride: "cpuset-storage" }],
        ["storage", { nameOverride: "agent" }],
      ] as const
    ) {
      const set = (await rendered(values, release)).find(({ kind }) => kind === "DaemonSet");
      const [, is = "", isNot = ""] =
        /daemonset=~"([^"]+)",daemonset!~"([^"]+)"/.exec(await podAlert(values, release)) ??
          [];
      const name = set?.metadata.name ?? "";
      assert.match(name, new RegExp(`^(?:${is})$`));
      assert.doesNotMatch(name, new RegExp(`^(?:${isNot})$`));
      assert.match(`${name}-release`, new RegExp(`^(?:${isNot})$`));
      assert.doesNotMatch("other", new RegExp(`^(?:${is})$`));
    }
  },
);

byHelm("every set of values is rendered, without a word of lint", async () => {
  assert(Object.keys(VALUE_SETS).length >= 12);
  for (const [set, values] of Object.entries(VALUE_SETS)) {
    const { code, out, err } = await helm(["lint", CHART, "--strict", "--quiet"], values);
    assert(code === 0 && !/WARNING|ERROR/.test(out), `${set}: ${out}${err}`);
    const kinds = (await rendered(values)).map(({ kind }) => kind);
    assert(kinds.includes("DaemonSet") && kinds.includes("ConfigMap"), `${set}: ${kinds}`);
  }
});

byHelm("every configuration that it makes is one that the agent takes", async () => {
  for (const [set, values] of Object.entries(VALUE_SETS)) {
    const made = await rendered(values);
    const text = made.find(({ data }) => data?.["config.yaml"] !== undefined)?.data["config.yaml"];
    const parsed = parseYaml(text);
    assert(parsed.kind === "parsed", `${set}: ${text}`);
    const { problems } = checkedLayer({ source: "file", file: set, nameOf: (path) => path }, parsed.tree);
    assert.deepEqual(problems.map(({ sentence }) => sentence), []);
  }
});

byHelm("where the configuration has another path, what belongs there is mounted there", async () => {
  const { pod, container } = agentIn(await rendered(VALUE_SETS["everything elsewhere"]));
  const mounts = container.volumeMounts.map(({ name, mountPath }: { name: string; mountPath: string }) => {
    const volume = pod.volumes.find((each: { name: string }) => each.name === name);
    return [mountPath, volume.hostPath?.path];
  });
  assert.deepEqual(Object.fromEntries(mounts), {
    "/run/other": "/var/run/nri2",
    "/run/other-cri": "/run/k0s",
    "/data/kubelet/pod-resources": "/var/lib/k0s/kubelet/pod-resources",
    "/cgroup": "/sys/fs/cgroup/unified",
    "/sysfs": "/sys",
    "/run/cpuset": "/run/weka",
    "/run/bus": "/var/run/dbus",
    "/etc/weka-cpuset": undefined,
    "/run/probe": undefined,
  });
});

byHelm("on a Kubernetes without side-cars the plugin is refused", async () => {
  const args = ["template", "a", CHART, "--kube-version", "1.28.4"];
  const { code, err } = await helm(args, { hostPlugin: { enabled: true } });
  assert(code !== 0 && /Kubernetes 1\.29 or newer; this is v1\.28\.4/.test(err), err);
});

byHelm("a change of the configuration replaces the pods, and nothing else does", async () => {
  const checksum = async (values: unknown) => {
    const set = (await rendered(values)).find(({ kind }) => kind === "DaemonSet");
    return set?.spec.template.metadata.annotations["checksum/config"];
  };
  assert.equal(await checksum({ prometheusRule: { enabled: true } }), await checksum({}));
  assert.notEqual(await checksum({ config: { minShared: 2 } }), await checksum({}));
});

/** Values, and what helm says against them: the value and what would be right. */
const REFUSED: readonly (readonly [unknown, RegExp])[] = [
  [{ imag: {} }, /at '\/imag': value must be 'absent: there are only image, /],
  [{ config: { minShard: 2 } }, /at '\/config\/minShard': value must be 'absent: .* minShared, /],
  [
    { config: { log: { levle: "info" } } },
    /at '\/config\/log\/levle': .* only level, format, file, maxSizeMiB, keep'/,
  ],
  [{ config: { log: { level: "loud" } } }, /config\/log\/level.*'debug', 'info', 'warn', 'error'/],
  [{ config: { minShared: 0 } }, /config\/minShared.*minimum/],
  [{ config: { http: "9753" } }, /config\/http.*pattern/],
  [{ config: { strictReserved: "yes" } }, /config\/strictReserved.*got string, want boolean/],
  [{ config: { hostFence: true } }, /config\/hostFence.*'off', 'reserved', 'pool'/],
  [{ image: { digest: "sha256:12" } }, /image\/digest.*pattern/],
  [{ hostPaths: { cri: "run/containerd" } }, /hostPaths\/cri.*pattern/],
  [{ updateStrategy: { type: "Recreate" } }, /updateStrategy\/type.*'RollingUpdate', 'OnDelete'/],
  [
    { podMonitor: { enabled: true }, config: { http: "127.0.0.1:9753" } },
    /podMonitor and serviceMonitor need config\.http .* as in 0\.0\.0\.0:9753; it is "127\.0\.0\.1:9753"/,
  ],
];

byHelm("what can't be meant is refused by a sentence that names it and what would be right", async () => {
  for (const [values, sentence] of REFUSED) {
    await assert.rejects(rendered(values), sentence, JSON.stringify(values));
  }
});
