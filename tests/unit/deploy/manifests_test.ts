import assert from "node:assert/strict";
import { parse } from "yaml";
import { POD_VARIABLE } from "../../../src/config/environment.ts";
import { PLACE } from "../../../src/host_plugin/place.ts";
import { KEYS } from "../../../src/config/keys.ts";
import { parseYaml } from "../../../src/config/parse.ts";
import { DEFAULTS, schema } from "../../../src/config/schema.ts";
import { EXECUTABLE, imageReference } from "../../../hack/image.ts";
import { demandsOf, readManifests } from "../../../src/manifests/manifest.ts";
import { qosClass } from "../../../src/manifests/resources.ts";

const FOLDER = new URL("../../../deploy/manifests/", import.meta.url).pathname;
const NAME = "weka-nri-cpuset";
const PROBE = KEYS.find(({ path }) => path === "probeSocket")?.variable;

interface Mount {
  name: string;
  mountPath: string;
  readOnly?: boolean;
}

interface Manifest {
  kind: string;
  metadata: { name: string; namespace: string; labels: Record<string, string> };
}

interface DaemonSet extends Manifest {
  spec: {
    selector: { matchLabels: Record<string, string> };
    minReadySeconds: number;
    updateStrategy: unknown;
    template: {
      metadata: { labels: Record<string, string> };
      spec: Record<string, unknown> & {
        volumes: {
          name: string;
          hostPath?: { path: string };
          configMap?: { name: string };
          emptyDir?: unknown;
        }[];
        containers: [
          Record<string, unknown> & { volumeMounts: Mount[]; resources: { limits: Record<string, string> } },
        ];
      };
    };
  };
}

function text(file: string): string {
  return Deno.readTextFileSync(FOLDER + file);
}

Deno.test("the manifest for the removal runs the release where the agent ran, with the same rights", () => {
  const released = parse(Deno.readTextFileSync(`${FOLDER}../release/daemonset.yaml`), { maxAliasCount: 20 });
  const { initContainers: [first], containers: [second], volumes } = released.spec.template.spec;
  assert.deepEqual([first.args[0], second.args], ["release", ["release", "--yes", "--wait", "10", "--stay"]]);
  assert.deepEqual([first.image, first.securityContext], [container.image, container.securityContext]);
  const paths = (all: typeof pod.volumes) => new Set(all.map(({ hostPath }) => hostPath?.path));
  assert(paths(volumes).isSubsetOf(paths(pod.volumes)));
});

const daemonSet = parse(text("daemonset.yaml")) as DaemonSet;
const pod = daemonSet.spec.template.spec;
const [container] = pod.containers;

Deno.test("the kustomization names every manifest, and each is an object of kube-system with the label", () => {
  const { resources } = parse(text("kustomization.yaml")) as { resources: string[] };
  const files = [...Deno.readDirSync(FOLDER)].map(({ name }) => name).filter((name) =>
    name !== "kustomization.yaml"
  );
  assert.deepEqual([...resources].sort(), files.sort());
  const kinds = resources.map((file) => {
    const { kind, metadata } = parse(text(file)) as Manifest;
    assert.deepEqual(
      [metadata.name, metadata.namespace, metadata.labels.app],
      [NAME, "kube-system", NAME],
      file,
    );
    return kind;
  });
  assert.deepEqual(kinds, ["ServiceAccount", "ConfigMap", "DaemonSet"]);
});

Deno.test("the DaemonSet's pods are on every node, the new one beside the former one, before all others", () => {
  assert.deepEqual(daemonSet.spec.selector.matchLabels, { app: NAME });
  assert.deepEqual(daemonSet.spec.template.metadata.labels, { app: NAME });
  assert.deepEqual(daemonSet.spec.updateStrategy, {
    type: "RollingUpdate",
    rollingUpdate: { maxSurge: 1, maxUnavailable: 0 },
  });
  assert(daemonSet.spec.minReadySeconds > 0);
  // Two pods that name a port of the host can't be on one node.
  for (const folder of [FOLDER, `${FOLDER}../http/`]) {
    assert.doesNotMatch(Deno.readTextFileSync(`${folder}daemonset.yaml`), /^ *(ports|hostPort):/m);
  }
  assert.deepEqual(pod.tolerations, [{ operator: "Exists" }]);
  assert.equal(pod.priorityClassName, "system-node-critical");
});

Deno.test("the pod's name is passed on under the variable that the agent reads", () => {
  assert.deepEqual(container.env, [
    { name: POD_VARIABLE, valueFrom: { fieldRef: { fieldPath: "metadata.name" } } },
    { name: PROBE, value: "/run/probe/agent.sock" },
  ]);
});

Deno.test("the agent gives its own pod no CPUs of its own, and nothing throttles it", () => {
  const [read] = readManifests(text("daemonset.yaml"));
  assert(read !== undefined);
  assert.equal(qosClass(demandsOf(read)), "Burstable");
  assert.deepEqual(Object.keys(container.resources.limits), ["memory"]);
});

Deno.test("the pod has no token, no capabilities and no namespace of the host but the network", () => {
  assert.equal(pod.serviceAccountName, NAME);
  assert.equal(pod.automountServiceAccountToken, false);
  assert.equal((parse(text("rbac.yaml")) as Record<string, unknown>).automountServiceAccountToken, false);
  assert.deepEqual([pod.hostPID, pod.hostIPC, pod.hostNetwork], [undefined, undefined, true]);
  const { capabilities, privileged, allowPrivilegeEscalation, readOnlyRootFilesystem } = container
    .securityContext as Record<string, unknown>;
  assert.deepEqual(capabilities, { drop: ["ALL"] });
  assert.deepEqual([privileged, allowPrivilegeEscalation, readOnlyRootFilesystem], [false, false, true]);
});

Deno.test("what is mounted is where the agent looks for it, and only its lock and the cgroups of the host can be written", () => {
  const at = new Map(container.volumeMounts.map((mount) => [mount.mountPath, mount]));
  const directories = [DEFAULTS.socket, DEFAULTS.criSockets[0] ?? ""].map((path) =>
    path.slice(0, path.lastIndexOf("/"))
  );
  const writable = [DEFAULTS.cgroupRoot, DEFAULTS.runDir, "/run/probe"];
  const podResources = `${DEFAULTS.kubeletRoot}/pod-resources`;
  const wanted = [...directories, DEFAULTS.sysfsRoot, podResources, ...writable, "/etc/weka-cpuset"];
  assert.deepEqual([...at.keys()].sort(), wanted.sort());
  for (const [path, { name, readOnly = false }] of at) {
    assert.equal(readOnly, !writable.includes(path), path);
    const volume = pod.volumes.find((each) => each.name === name);
    assert(volume?.hostPath?.path === path || volume?.configMap?.name === NAME || name === "probe", path);
  }
});

Deno.test("the image is the one that make image makes", () => {
  const { version } = JSON.parse(Deno.readTextFileSync(`${FOLDER}../../deno.json`)) as { version: string };
  assert.equal(container.image, imageReference({}, version));
});

Deno.test("the pod is ready by the word of its own agent, which is asked in a directory of the pod's own", () => {
  assert.deepEqual(Object.keys(container).filter((key) => key.endsWith("Probe")), ["readinessProbe"]);
  const { exec: { command }, timeoutSeconds, periodSeconds } = container.readinessProbe as {
    exec: { command: string[] };
    timeoutSeconds: number;
    periodSeconds: number;
  };
  assert.deepEqual(command, [EXECUTABLE, "ready"]);
  // By default a second, in which a busy node starts no program of this size; and each start costs a tenth of one.
  assert(timeoutSeconds >= 5 && periodSeconds >= 10);
  assert.deepEqual(pod.volumes.find(({ name }) => name === "probe")?.emptyDir, {
    medium: "Memory",
    sizeLimit: "1Mi",
  });
  assert.equal(container.terminationMessagePolicy, "FallbackToLogsOnError");
});

Deno.test("the ConfigMap's configuration can be used", () => {
  const { data } = parse(text("configmap.yaml")) as { data: Record<string, string> };
  assert.deepEqual(Object.keys(data), ["config.yaml"]);
  const parsed = parseYaml(data["config.yaml"] ?? "");
  assert(parsed.kind === "parsed", JSON.stringify(parsed));
  assert.equal(schema.safeParse(parsed.tree).error, undefined);
});

Deno.test("deploy/http is the same with an address, and with probes of paths that the agent has", () => {
  const folder = `${FOLDER}../http/`;
  const { resources, patches } = parse(Deno.readTextFileSync(`${folder}kustomization.yaml`));
  assert.deepEqual([resources, patches], [["../manifests"], [{ path: "daemonset.yaml" }]]);
  const patch = parse(Deno.readTextFileSync(`${folder}daemonset.yaml`));
  const [patched] = patch.spec.template.spec.containers;
  assert.deepEqual([patch.kind, patch.metadata.name, patched.name], ["DaemonSet", NAME, container.name]);
  const [{ name, value }] = patched.env;
  assert.equal(name, KEYS.find(({ path }) => path === "http")?.variable);
  assert.equal(schema.parse({ http: value }).http, value);
  assert.equal(patched.readinessProbe, undefined);
  const { path, port } = patched.livenessProbe.httpGet;
  assert.deepEqual([path, `0.0.0.0:${port}`], ["/healthz", value]);
  // A pod is restarted for a stall only where the runtime has long gone on without it.
  const { periodSeconds, failureThreshold, timeoutSeconds } = patched.livenessProbe;
  assert(periodSeconds * failureThreshold >= 60 && timeoutSeconds > 2);
});

Deno.test("deploy/host-plugin is the same with a side-car that alone can write where plugins are", () => {
  const folder = `${FOLDER}../host-plugin/`;
  const { resources, patches } = parse(Deno.readTextFileSync(`${folder}kustomization.yaml`));
  assert.deepEqual([resources, patches], [["../manifests"], [{ path: "daemonset.yaml" }]]);
  const patch = parse(Deno.readTextFileSync(`${folder}daemonset.yaml`));
  const { initContainers: [sideCar, ...others], containers, volumes } = patch.spec.template.spec;
  assert.deepEqual([patch.kind, patch.metadata.name, others, containers], ["DaemonSet", NAME, [], undefined]);
  assert.deepEqual([sideCar.image, sideCar.securityContext], [container.image, container.securityContext]);
  assert.deepEqual([sideCar.restartPolicy, sideCar.args], ["Always", [
    "install-host-plugin",
    "--stay",
    "--with-config",
  ]]);
  assert.deepEqual(volumes.map(({ hostPath }: { hostPath: { path: string } }) => hostPath.path), [
    PLACE.directory,
  ]);
  const mounts = sideCar.volumeMounts as Mount[];
  assert.deepEqual(mounts.filter(({ readOnly }) => !readOnly).map(({ mountPath }) => mountPath), [
    PLACE.directory,
  ]);
  // The others are the agent's, each where the agent has it, and whatever it looks at is there.
  const known = container.volumeMounts.map(({ name, mountPath }) => `${name} ${mountPath}`);
  const rest = mounts.filter(({ readOnly }) => readOnly).map(({ name, mountPath }) => `${name} ${mountPath}`);
  assert.deepEqual(rest.filter((mount) => !known.includes(mount)), []);
  for (const path of [DEFAULTS.socket, DEFAULTS.criSockets[0] ?? "", `${DEFAULTS.runDir}/launched.json`]) {
    assert(mounts.some(({ mountPath }) => path.startsWith(`${mountPath}/`)), path);
  }
  assert.deepEqual(Object.keys(sideCar.resources.limits), ["memory"]);
});
