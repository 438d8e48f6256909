/** A node of any cluster, looked at from a pod on it that sees the cgroup tree. */
import { numbers } from "../../system/node/machine.ts";
import type { NodeView } from "./check.ts";
import type { Kube, KubePod } from "./kube.ts";
import type { Seen } from "./node_cgroups.ts";
import type { PodCache } from "./pod_cache.ts";
import { wishOf } from "./wish.ts";

const NAMESPACE = "kube-system";
const PROBE = "weka-cpuset-e2e-probe";
const PATIENCE_MS = 120_000;

/** A line for each cgroup of a container in which somebody lives: its folder, CPUs and memory nodes; `-` for what isn't set. */
const LIST = `for t in /host/cgroup/cpuset /host/cgroup; do [ -e $t/cgroup.procs ] || continue
  find $t -type d -path '*kubepods*pod*/*' | while read d; do
    p=$(cat $d/cgroup.procs 2>/dev/null); [ -n "$p" ] || continue
    c=$(cat $d/cpuset.cpus.effective 2>/dev/null || cat $d/cpuset.cpus); m=$(cat $d/cpuset.mems.effective 2>/dev/null || cat $d/cpuset.mems)
    echo "$d \${c:--} \${m:--}"
  done; break; done`;
const CLASS = (name: string) =>
  `cat $(find /host/cgroup/cpuset /host/cgroup -type d -name '*${name}*' 2>/dev/null | head -n 1)/cpuset.cpus`;
const MACHINE = `cat /sys/devices/system/cpu/online; for n in /sys/devices/system/node/node[0-9]*; do
  echo "\${n##*node} $(cat $n/cpulist)"; done`;

/** Runs the probe on the node, unless it runs there, and looks at the machine. */
export async function liveView(
  kube: Kube,
  cache: PodCache,
  node: string,
  isFenced: boolean,
): Promise<NodeView> {
  await startProbe(kube, cache, node);
  const run = (script: string) => kube.kubectl("-n", NAMESPACE, "exec", PROBE, "--", "sh", "-c", script);
  const [online = "", ...lines] = (await run(MACHINE)).trim().split("\n");
  const nodes = lines.map((line) => line.split(" ")).map(([id, list]) => ({
    id: Number(id),
    cpus: numbers(list ?? ""),
  }));
  const look = async () => (await run(LIST)).trim().split("\n").flatMap((line) => seenOf(line, cache.pods));
  return {
    name: node,
    cpus: numbers(online),
    isFenced,
    memsOf: (cpus) => nodes.filter((each) => each.cpus.some((cpu) => cpus.includes(cpu))).map(({ id }) => id),
    look,
    again: async ({ id }) => (await look()).find((each) => each.id === id),
    classCpus: async (name) => numbers(await run(CLASS(name))),
  };
}

/** By the container's id, with which the name of its cgroup ends; nothing for pause containers, and those below one. */
export function seenOf(line: string, pods: readonly KubePod[]): Seen[] {
  const [folder = "", cpus = "", mems = ""] = line.split(" ");
  const last = folder.slice(folder.lastIndexOf("/") + 1).replace(/\.scope$/, "");
  return pods.flatMap((pod) => {
    const { containerStatuses = [], initContainerStatuses = [], ephemeralContainerStatuses = [] } =
      pod.status;
    const statuses = [...containerStatuses, ...initContainerStatuses, ...ephemeralContainerStatuses];
    const status = statuses.find(({ containerID = "" }) => {
      const id = containerID.replace(/^.*:\/\//, "");
      return id !== "" && last.endsWith(id);
    });
    if (status === undefined || !status.state.running) return [];
    const { containers, initContainers = [] } = pod.spec;
    const container = [...containers, ...initContainers].find(({ name }) => name === status.name);
    const id = (status.containerID ?? "").replace(/^.*:\/\//, "");
    const name = `${pod.metadata.namespace}/${pod.metadata.name}/${status.name}`;
    const wish = wishOf(pod, container ?? { name: status.name });
    return [{ id, name, wish, cpus: setIn(cpus), mems: setIn(mems) }];
  });
}

function setIn(text: string): number[] {
  return text === "-" ? [] : numbers(text);
}

export async function endProbe(kube: Kube): Promise<void> {
  await kube.delete(`/api/v1/namespaces/${NAMESPACE}/pods/${PROBE}`);
}

/** The node to be tested: the one that is named, else the first on which an agent's pod runs. */
export function liveNode(pods: readonly KubePod[], named = Deno.env.get("E2E_NODE") ?? ""): string {
  if (named !== "") return named;
  const agents = pods.filter(({ metadata, status }) =>
    metadata.labels?.["app"] === "weka-nri-cpuset" && status.phase === "Running"
  );
  const node = agents[0]?.spec.nodeName;
  if (node === undefined) {
    throw new Error("no agent's pod runs in this cluster; install it, or name a node by E2E_NODE");
  }
  return node;
}

/** Where the image of test pods is by default, when the cluster isn't this machine's. */
export const LIVE_IMAGE = "busybox:1.37";

async function startProbe(kube: Kube, cache: PodCache, node: string): Promise<void> {
  const image = Deno.env.get("TEST_IMAGE") || LIVE_IMAGE;
  if (cache.find(NAMESPACE, PROBE) === undefined) {
    await kube.post(`/api/v1/namespaces/${NAMESPACE}/pods`, {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: PROBE, namespace: NAMESPACE },
      spec: {
        nodeName: node,
        hostNetwork: true,
        hostPID: true,
        terminationGracePeriodSeconds: 1,
        tolerations: [{ operator: "Exists" }],
        containers: [{
          name: "main",
          image,
          imagePullPolicy: "IfNotPresent",
          command: ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 3600 & wait; done"],
          securityContext: { runAsUser: 0 },
          volumeMounts: [{ name: "cgroup", mountPath: "/host/cgroup", readOnly: true }],
        }],
        volumes: [{ name: "cgroup", hostPath: { path: "/sys/fs/cgroup", type: "Directory" } }],
      },
    });
  }
  const isUp = () => cache.find(NAMESPACE, PROBE)?.status.phase === "Running" || undefined;
  await cache.until(isUp, `the probe on ${node} to run`, PATIENCE_MS);
}
