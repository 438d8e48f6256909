import assert from "node:assert/strict";
import { eventually } from "../../node/eventually.ts";
import { IMAGE, sockets } from "../../node/containerd.ts";
import type { TestNode } from "../../node/node.ts";
import type { Pod } from "../../node/pods.ts";
import { repository } from "../../node/requirements.ts";
import { ContainerState } from "../../../../src/cri/gen/cri_pb.ts";

/** Who makes cgroups. */
export type Driver = "cgroupfs" | "systemd";

/** With it kubelet finds the address of a node that has no network. */
const NODE = "192.0.2.10";

// Asked more often, an emulated runtime would do nothing but answer. On a busy machine kubelet waits half a minute for
// systemd in vain, and tries again after a pause: then a pod takes minutes.
const SLOW = { patienceMs: 600_000, pauseMs: 250 };

/** A kubelet without an API server on the node's containerd: its pods are the files of a folder. */
export class Kubelet {
  #child: Deno.ChildProcess | undefined;
  readonly #dir: string;

  constructor(private readonly node: TestNode, driver: Driver) {
    this.#dir = `${node.dir}/kubelet`;
    Deno.mkdirSync(`${this.#dir}/pods`, { recursive: true });
    Deno.writeTextFileSync(`${this.#dir}/config.json`, JSON.stringify(configuration(node.dir, driver)));
  }

  get log(): string {
    return `${this.#dir}/log`;
  }

  /** Starts it, for the first time or again. */
  async start(): Promise<void> {
    await addAddress();
    const flags = [
      `--config=${this.#dir}/config.json`,
      `--root-dir=${this.#dir}/root`,
      `--hostname-override=${NODE}`,
    ];
    this.#child = new Deno.Command("sh", {
      args: ["-c", 'exec "$@" >>"$0" 2>&1', this.log, `${repository}/.tools/kubelet/kubelet`, ...flags],
      stdin: "null",
    }).spawn();
  }

  /** Kills it with SIGKILL; its pods run on. */
  async kill(): Promise<void> {
    this.#child?.kill("SIGKILL");
    await this.#child?.status;
    this.#child = undefined;
  }

  /** Hands pods over to it, by name, and waits until they run. */
  async run(pods: Readonly<Record<string, Pod>>): Promise<void> {
    for (const [name, pod] of Object.entries(pods)) {
      // Files whose names begin with a dot are none of its pods, so that it never reads half of one.
      Deno.writeTextFileSync(`${this.#dir}/pods/.new`, JSON.stringify(manifest(name, pod)));
      Deno.renameSync(`${this.#dir}/pods/.new`, `${this.#dir}/pods/${name}.json`);
    }
    await eventually(async () => {
      const running = await this.#running();
      for (const name of Object.keys(pods)) assert(running.has(name), `pod ${name} doesn't run`);
    }, SLOW);
  }

  /** Takes pods back, and waits until the runtime has none of them. */
  async end(...names: readonly string[]): Promise<void> {
    for (const name of names) Deno.removeSync(`${this.#dir}/pods/${name}.json`);
    await eventually(async () => {
      const { items } = await this.node.cri.listPodSandbox({});
      const left = items.map(({ metadata }) => nameOf(metadata?.name)).filter((name) => names.includes(name));
      assert.deepEqual(left, [], "these pods don't end");
    }, SLOW);
  }

  /** The first process of the pod's container. */
  async pid(name: string): Promise<number> {
    const id = (await this.#running()).get(name);
    assert(id !== undefined, `pod ${name} doesn't run`);
    return await this.node.pid(id);
  }

  /** The containers that run, by the names of their pods. */
  async #running(): Promise<Map<string, string>> {
    const { containers } = await this.node.cri.listContainers({});
    return new Map(
      containers.filter(({ state }) => state === ContainerState.CONTAINER_RUNNING)
        .map(({ id, labels }) => [nameOf(labels["io.kubernetes.pod.name"]), id]),
    );
  }
}

/** Kubelet adds the node's name to that of a pod which no API server knows. */
function nameOf(pod = ""): string {
  return pod.replace(`-${NODE}`, "");
}

/** Without an address of its own, and a way out, kubelet and the API server don't start. */
export async function addAddress(): Promise<void> {
  const script = `ip addr replace ${NODE}/32 dev lo && ip route replace default dev lo`;
  const { success, stderr } = await new Deno.Command("sh", { args: ["-c", script] }).output();
  assert(success, new TextDecoder().decode(stderr));
}

function configuration(dir: string, driver: Driver) {
  const none = Object.fromEntries(
    ["memory.available", "nodefs.available", "nodefs.inodesFree", "imagefs.available", "imagefs.inodesFree"]
      .map((signal) => [signal, "0%"]),
  );
  return {
    apiVersion: "kubelet.config.k8s.io/v1beta1",
    kind: "KubeletConfiguration",
    staticPodPath: `${dir}/kubelet/pods`,
    containerRuntimeEndpoint: `unix://${sockets(dir).cri}`,
    cgroupDriver: driver,
    podLogsDir: `${dir}/kubelet/logs`,
    enableServer: false,
    healthzPort: 0,
    authentication: { anonymous: { enabled: true }, webhook: { enabled: false } },
    authorization: { mode: "AlwaysAllow" },
    failSwapOn: false,
    localStorageCapacityIsolation: false,
    makeIPTablesUtilChains: false,
    resolvConf: "",
    clusterDNS: [],
    fileCheckFrequency: "1s",
    runtimeRequestTimeout: "4m",
    imageGCHighThresholdPercent: 100,
    evictionHard: none,
  };
}

function manifest(name: string, { annotations, request, limit }: Pod) {
  const asked = { ...request > 0 && { cpu: `${request}` }, ...limit > 0 && { memory: "64Mi" } };
  const limits = limit > 0 ? { cpu: `${limit}`, memory: "64Mi" } : {};
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: "default", annotations },
    spec: {
      hostNetwork: true,
      terminationGracePeriodSeconds: 5,
      containers: [{
        name: "main",
        image: IMAGE,
        imagePullPolicy: "Never",
        resources: { requests: asked, limits },
      }],
    },
  };
}
