/** What happens to nodes: to the agent, the runtime, kubelet, the whole machine. Each resolves when it is over. */
import {
  agentProcesses,
  assertActive,
  killAgents,
  startService,
  stopService,
  untilActive,
} from "../cluster/agent.ts";
import {
  crashNode,
  type KubeletChanges,
  optionsOf,
  removeKubeletState,
  startContainerd,
  startKubelet,
  startNode,
  untilReady,
} from "../cluster/node.ts";
import { nodeFolder, nodeRoot } from "../cluster/places.ts";
import { stopDaemon } from "../cluster/processes.ts";
import { eventually } from "../../system/node/eventually.ts";
import { timeoutOption } from "../../system/node/slowness.ts";
import type { Bench } from "./bench.ts";
import { expectThat } from "./expect.ts";

const DAEMONSET = "/apis/apps/v1/namespaces/kube-system/daemonsets/weka-nri-cpuset";
const PLUGIN = "opt/nri/plugins/99-weka-cpuset";
const PATIENCE = { patienceMs: 120_000, pauseMs: 50 };

/** Kills the agent, as the kernel does where memory runs out, and has it come back as it would on such a node. */
export async function killAgent(bench: Bench): Promise<void> {
  // A pod that is replaced may be the one that answered last.
  const killed = await eventually(async () => {
    const count = await killAgents(bench.node);
    expectThat(count > 0, "there is no agent to be killed");
    return count;
  }, PATIENCE);
  bench.log(`killed ${killed} processes of the agent`);
  await agentComesBack(bench);
}

/**
 * Kubelet starts a pod's again by itself, but after the second time waits longer each time: then the pod is replaced, as
 * an administrator would. systemd starts a service again, which is played here; containerd doesn't.
 */
export async function agentComesBack(bench: Bench): Promise<void> {
  const { node } = bench;
  if (bench.options.way === "service") {
    await stopService(node);
    await startService(node);
  }
  if (bench.options.way === "plugin") await restartContainerd(bench, "SIGTERM");
  await agentIsThere(bench);
}

/** Resolves as soon as an agent answers for the node, as after an earlier test that ended badly. */
export async function agentIsThere(bench: Bench): Promise<void> {
  await eventually(async () => {
    await replacePodsThatWait(bench);
    await assertActive(bench.node);
  }, PATIENCE);
}

async function replacePodsThatWait(bench: Bench): Promise<void> {
  for (const { metadata, status } of bench.options.cache.pods) {
    if (metadata.labels?.["app"] !== "weka-nri-cpuset" || metadata.deletionTimestamp !== undefined) continue;
    const isWaiting = status.containerStatuses?.some(({ state }) =>
      state.waiting?.reason === "CrashLoopBackOff"
    );
    if (isWaiting) await bench.kube.delete(`/api/v1/namespaces/kube-system/pods/${metadata.name}`);
  }
}

/** Does `body` while there is no agent on the node. */
export async function withoutAgent(bench: Bench, body: () => Promise<void>): Promise<void> {
  const { node, kube } = bench;
  const { way } = bench.options;
  const plugin = `${nodeRoot(node)}/${PLUGIN}`;
  const choose = (value: string | null) =>
    kube.patch(DAEMONSET, { spec: { template: { spec: { nodeSelector: { "weka.io/away": value } } } } });
  if (way === "daemonset") await choose("true");
  if (way === "service") await stopService(node);
  if (way === "plugin") {
    Deno.renameSync(plugin, `${nodeRoot(node)}/away`);
    await killAgents(node);
  }
  await eventually(
    async () => expectThat((await agentProcesses(node)).length === 0, "the agent doesn't end"),
    PATIENCE,
  );
  bench.log("the agent is away");
  try {
    await body();
  } finally {
    if (way === "daemonset") await choose(null);
    if (way === "service") await startService(node);
    if (way === "plugin") {
      Deno.renameSync(`${nodeRoot(node)}/away`, plugin);
      await restartContainerd(bench, "SIGTERM");
    }
    await untilActive(node);
    bench.log("the agent is back");
  }
}

/** Replaces the DaemonSet's pods, as after a change of its configuration. */
export async function rollOut(bench: Bench): Promise<void> {
  const stamp = new Date().toISOString();
  await bench.kube.patch(DAEMONSET, {
    spec: { template: { metadata: { annotations: { "kubectl.kubernetes.io/restartedAt": stamp } } } },
  });
  await bench.kube.kubectl(
    "-n",
    "kube-system",
    "rollout",
    "status",
    "daemonset/weka-nri-cpuset",
    timeoutOption(120),
  );
  await untilActive(bench.node);
}

/** Pods run on meanwhile. */
export async function restartContainerd(bench: Bench, signal: Deno.Signal): Promise<void> {
  bench.log(`containerd: ${signal}`);
  await stopDaemon(nodeFolder(bench.node), "containerd", signal);
  await startContainerd(bench.node);
}

/** @param state files below kubelet's root directory that are removed while it is down */
export async function restartKubelet(bench: Bench, ...state: readonly string[]): Promise<void> {
  bench.log(`kubelet is restarted${state.length > 0 ? `, without its ${state}` : ""}`);
  await stopDaemon(nodeFolder(bench.node), "kubelet");
  for (const file of state) removeKubeletState(bench.node, file);
  await startKubelet(bench.node);
  await untilReady(bench.node);
}

/** Does `body` while kubelet has another configuration, as one that somebody has written by mistake. */
export async function withKubelet(
  bench: Bench,
  changes: KubeletChanges,
  body: () => Promise<void>,
): Promise<void> {
  const restart = async (changes: KubeletChanges) => {
    bench.log(`kubelet is restarted with ${JSON.stringify(changes)}`);
    await stopDaemon(nodeFolder(bench.node), "kubelet");
    // It doesn't start with a policy other than that of this file.
    removeKubeletState(bench.node, "cpu_manager_state");
    await startKubelet(bench.node, changes);
    await untilReady(bench.node);
  };
  try {
    await restart(changes);
    await body();
  } finally {
    await restart({});
  }
}

/** Everything on the node ends at once; then it is started in boot order: runtime, agent unless it is a pod, kubelet. */
export async function reboot(bench: Bench): Promise<void> {
  const { node } = bench;
  bench.log("the node is rebooted");
  const options = optionsOf(node);
  await crashNode(node);
  await startNode(node, options);
  if (bench.options.way === "service") await startService(node);
  await startKubelet(node);
  await untilReady(node);
  await untilActive(node);
}
