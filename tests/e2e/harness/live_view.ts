/** A node of any cluster, looked at from a pod on it that sees the cgroup tree. */
import { numbers } from "../../system/node/machine.ts";
import type { NodeView } from "./check.ts";
import type { Kube, KubePod } from "./kube.ts";
import type { Seen } from "./node_cgroups.ts";
import type { PodCache } from "./pod_cache.ts";
import { quantity, wishOf } from "./wish.ts";

const NAMESPACE = "kube-system";
const PATIENCE_MS = 120_000;
/** On the node, where its cpusets are; elsewhere only where CPUs are claimed that aren't there, see docs/e2e.md. */
const SETS = Deno.env.get("E2E_CGROUP_ROOT") || "/sys/fs/cgroup";

/**
 * A line for each cgroup of a container in which somebody lives: its folder, CPUs and memory nodes; `-` for what isn't set.
 * A cgroup may go while it is looked at.
 */
const LIST = `for t in /host/sets/cpuset /host/sets; do [ -e $t/cgroup.procs ] || continue
  find $t -type d -path '*kubepods*pod*/*' 2>/dev/null | while read d; do
    p=$(cat /host/cgroup\${d#/host/sets}/cgroup.procs 2>/dev/null); [ -n "$p" ] || continue
    c=$(cat $d/cpuset.cpus.effective 2>/dev/null || cat $d/cpuset.cpus 2>/dev/null)
    m=$(cat $d/cpuset.mems.effective 2>/dev/null || cat $d/cpuset.mems 2>/dev/null)
    echo "$d \${c:--} \${m:--}"
  done; break; done`;
const MACHINE = `cat /host/system/cpu/online
  sort -u /host/system/cpu/cpu[0-9]*/topology/thread_siblings_list | tr '\\n' ' '; echo
  for n in /host/system/node/node[0-9]*; do
  echo "\${n##*node} $(cat $n/cpulist)"; done`;

/** Runs the probe on the node, unless it runs there, and looks at the machine. */
export async function liveView(kube: Kube, cache: PodCache, node: string): Promise<NodeView> {
  await startProbe(kube, cache, node);
  const run = (script: string) =>
    kube.kubectl("-n", NAMESPACE, "exec", probeOf(node), "--", "sh", "-c", script);
  const [online = "", cores = "", ...lines] = (await run(MACHINE)).trim().split("\n");
  const nodes = lines.map((line) => line.split(" ")).map(([id, list]) => ({
    id: Number(id),
    cpus: numbers(list ?? ""),
  }));
  const look = async () => (await run(LIST)).trim().split("\n").flatMap((line) => seenOf(line, cache.pods));
  const { status } = await kube.get<{ status: { allocatable: { cpu: string } } }>(`/api/v1/nodes/${node}`);
  return {
    name: node,
    cpus: numbers(online),
    cores: cores.trim().split(" ").map(numbers),
    room: roomOf(node, status.allocatable.cpu, cache.pods),
    // Whether the agent keeps the classes off exclusive CPUs is its configuration's affair.
    isFenced: false,
    memsOf: (cpus) => nodes.filter((each) => each.cpus.some((cpu) => cpus.includes(cpu))).map(({ id }) => id),
    look,
    again: async ({ id }) => (await look()).find((each) => each.id === id),
    classCpus: () => Promise.resolve([]),
  };
}

/** What the scheduler still has for pods there, with what is left of a CPU: that one is the shared pool's. */
export function roomOf(node: string, allocatable: string, pods: readonly KubePod[]): number {
  const there = pods.filter(({ spec, status }) =>
    spec.nodeName === node && status.phase !== "Succeeded" && status.phase !== "Failed"
  );
  const asked = there.flatMap(({ spec }) => spec.containers)
    .reduce((sum, { resources }) => sum + quantity(resources?.requests?.["cpu"]), 0);
  return Math.ceil(quantity(allocatable) - asked);
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

export async function endProbes(kube: Kube, views: readonly NodeView[]): Promise<void> {
  await Promise.all(
    views.map(({ name }) => kube.delete(`/api/v1/namespaces/${NAMESPACE}/pods/${probeOf(name)}`)),
  );
}

/** The nodes to be tested: those that are named, with commas between them, else all on which an agent's pod runs. */
export function liveNodes(pods: readonly KubePod[], named = Deno.env.get("E2E_NODE") ?? ""): string[] {
  const agents = pods.filter(({ metadata, status }) =>
    metadata.labels?.["app"] === "weka-nri-cpuset" && status.phase === "Running"
  );
  const nodes = named === "" ? agents.flatMap(({ spec }) => spec.nodeName ?? []) : named.split(",");
  if (nodes.length === 0) {
    throw new Error("no agent's pod runs in this cluster; install it, or name nodes by E2E_NODE");
  }
  return [...new Set(nodes)].sort();
}

/** Where the image of test pods is by default, when the cluster isn't this machine's. */
export const LIVE_IMAGE = "busybox:1.37";

const probeOf = (node: string) => `weka-cpuset-e2e-probe-${node}`;
/** What it sees of its node, by the name below /host. */
const VOLUMES = { cgroup: "/sys/fs/cgroup", sets: SETS, system: "/sys/devices/system" };

async function startProbe(kube: Kube, cache: PodCache, node: string): Promise<void> {
  const name = probeOf(node);
  if (cache.find(NAMESPACE, name) === undefined) {
    await kube.post(`/api/v1/namespaces/${NAMESPACE}/pods`, {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name, namespace: NAMESPACE },
      spec: {
        nodeName: node,
        hostNetwork: true,
        hostPID: true,
        terminationGracePeriodSeconds: 1,
        tolerations: [{ operator: "Exists" }],
        containers: [{
          name: "main",
          image: Deno.env.get("TEST_IMAGE") || LIVE_IMAGE,
          imagePullPolicy: "IfNotPresent",
          command: ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 3600 & wait; done"],
          securityContext: { runAsUser: 0 },
          volumeMounts: Object.keys(VOLUMES).map((volume) => ({
            name: volume,
            mountPath: `/host/${volume}`,
            readOnly: true,
          })),
        }],
        volumes: Object.entries(VOLUMES).map(([volume, path]) => ({
          name: volume,
          hostPath: { path, type: "Directory" },
        })),
      },
    });
  }
  const isUp = () => cache.find(NAMESPACE, name)?.status.phase === "Running" || undefined;
  await cache.until(isUp, `the probe on ${node} to run, of the image TEST_IMAGE`, PATIENCE_MS);
}
