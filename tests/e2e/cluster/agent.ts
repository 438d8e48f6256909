/** The agent on a node, in each of its three ways in. */
import { existsSync } from "node:fs";
import type { StatusDocument } from "../../../src/status/document.ts";
import { eventually } from "../../system/node/eventually.ts";
import { hereMs, timeoutOption } from "../../system/node/slowness.ts";
import { kubectl } from "./control_plane.ts";
import { importImage, onNode, optionsOf, startContainerd, startOnNode } from "./node.ts";
import { CONTROL, MADE_UP_CGROUP, nodeFolder, nodeRoot, repository } from "./places.ts";
import { stopDaemon } from "./processes.ts";

/** Launched by containerd, as a service beside it, as a DaemonSet's pod; or none. */
export type Way = "plugin" | "service" | "daemonset" | "none";
const WAYS: readonly Way[] = ["plugin", "service", "daemonset", "none"];

/** Of a command line; throws one sentence. */
export function wayOf(word: string): Way {
  const way = WAYS.find((each) => each === word);
  if (way === undefined) throw new Error(`--agent is "${word}"; it may be ${WAYS.join(", ")}`);
  return way;
}

const EXECUTABLE = `${repository}/dist/weka-cpuset`;
const ARCHIVE = `${repository}/dist/weka-cpuset-image.tar`;
const DAEMONSET = "weka-nri-cpuset";
const PATIENCE = { patienceMs: 60_000, pauseMs: 50 };
/** It takes milliseconds; a node that is very busy may take seconds. */
const ANSWER_MS = 5000;

/** More keys of the agent's configuration. */
export type AgentConfig = Readonly<Record<string, unknown>>;

/** Installs the agent on these nodes and waits until it is active on each. */
export async function installAgent(
  way: Way,
  nodes: readonly string[],
  config: AgentConfig = {},
): Promise<void> {
  if (way === "none") return await prepareDaemonSet(nodes, config);
  for (const node of nodes) {
    // JSON is YAML.
    Deno.mkdirSync(`${nodeRoot(node)}/etc/weka-cpuset`, { recursive: true });
    Deno.writeTextFileSync(
      `${nodeRoot(node)}/etc/weka-cpuset/config.yaml`,
      JSON.stringify({ ...ownTree(node), ...config }),
    );
    if (way === "plugin") await installPlugin(node);
    if (way === "service") await startService(node);
  }
  if (way === "daemonset") await installDaemonSet(nodes, config);
  for (const node of nodes) await untilActive(node);
}

/** Starts the agent as a service of the node, unless it runs. */
export async function startService(node: string): Promise<void> {
  await startOnNode(node, "agent", [EXECUTABLE]);
}

/** The process ids of all agents of the node, as the node counts. */
export async function agentProcesses(node: string): Promise<number[]> {
  const [program = "", ...args] = [...onNode(node), "sh", "-c", LIST_AGENTS];
  const { stdout } = await new Deno.Command(program, { args }).output();
  return new TextDecoder().decode(stdout).split("\n").filter((line) => line !== "").map(Number);
}

/** By the executable that they run; its path is another in each way. */
const LIST_AGENTS = `for p in /proc/[0-9]*; do
  case $(readlink $p/exe) in */weka-cpuset|*/99-weka-cpuset|*/.new-weka-cpuset) echo "\${p#/proc/}";; esac
done`;

/** Kills all agents of the node. Who started one may start it again. */
export async function killAgents(node: string): Promise<number> {
  const pids = await agentProcesses(node);
  const [program = "", ...args] = [...onNode(node), "sh", "-c", 'kill -9 "$@"', "sh", ...pids.map(String)];
  if (pids.length > 0) await new Deno.Command(program, { args, stderr: "null" }).output();
  return pids.length;
}

/** What the node's active agent answers to `GET /api/v1/…`: src/status/document.ts. */
export async function askAgent<T>(node: string, path: string): Promise<T> {
  using connection = await Deno.connect({
    transport: "unix",
    path: `${nodeRoot(node)}/run/weka-cpuset/status.sock`,
  });
  const late = setTimeout(() => connection.close(), hereMs(ANSWER_MS));
  try {
    const request = `GET /api/v1/${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`;
    await connection.write(new TextEncoder().encode(request));
    const answer = await new Response(connection.readable).text();
    const end = answer.indexOf("\r\n\r\n");
    if (!answer.startsWith("HTTP/1.1 200 ")) throw new Error(`the agent of ${node}: ${answer.slice(0, 500)}`);
    return JSON.parse(answer.slice(end)) as T;
  } finally {
    clearTimeout(late);
  }
}

/** Resolves as soon as an agent answers for the node. */
export async function untilActive(node: string): Promise<void> {
  await eventually(() => assertActive(node), PATIENCE);
}

/** Throws unless an agent answers for the node. */
export async function assertActive(node: string): Promise<void> {
  const { agent } = await askAgent<StatusDocument>(node, "status");
  if (agent.phase !== "serving") throw new Error(`the agent of ${node} is ${agent.phase}`);
}

/** Where a node that claims CPUs keeps them: its made-up tree, and no processes, whose masks are this machine's. */
function ownTree(node: string): AgentConfig {
  if (!optionsOf(node).big) return {};
  const claims = `${nodeFolder(node)}/claims`;
  return { cgroupRoot: `${claims}/cgroup`, procRoot: `${claims}/proc` };
}

async function installPlugin(node: string): Promise<void> {
  const plugins = `${nodeRoot(node)}/opt/nri/plugins`;
  Deno.copyFileSync(EXECUTABLE, `${plugins}/.new`);
  Deno.renameSync(`${plugins}/.new`, `${plugins}/99-weka-cpuset`);
  await stopDaemon(nodeFolder(node), "containerd");
  await startContainerd(node);
}

/** deploy/manifests with what a node that claims CPUs has elsewhere: a folder for kubectl's --kustomize. */
export const MANIFESTS = `${CONTROL}/agent`;

/** Writes {@link MANIFESTS}, and puts the agent's image, if it has been built, on the nodes. */
export async function prepareDaemonSet(nodes: readonly string[], config: AgentConfig): Promise<void> {
  const version = JSON.parse(Deno.readTextFileSync(`${repository}/deno.json`)).version as string;
  for (const node of existsSync(ARCHIVE) ? nodes : []) {
    await importImage(node, `localhost/weka-cpuset:${version}`, ARCHIVE);
  }
  Deno.mkdirSync(MANIFESTS, { recursive: true });
  const isBig = nodes.some((node) => optionsOf(node).big);
  const patches = [{
    target: { kind: "ConfigMap" },
    patch: JSON.stringify([{ op: "replace", path: "/data/config.yaml", value: JSON.stringify(config) }]),
  }, ...isBig ? [{ target: { kind: "DaemonSet" }, patch: CGROUP_PATCH }] : []];
  Deno.writeTextFileSync(
    `${MANIFESTS}/kustomization.yaml`,
    JSON.stringify({
      apiVersion: "kustomize.config.k8s.io/v1beta1",
      kind: "Kustomization",
      resources: ["manifests"],
      patches,
    }),
  );
  await copyFolder(`${repository}/deploy/manifests`, `${MANIFESTS}/manifests`);
}

async function installDaemonSet(nodes: readonly string[], config: AgentConfig): Promise<void> {
  await prepareDaemonSet(nodes, config);
  await kubectl("apply", "--kustomize", MANIFESTS);
  await kubectl("-n", "kube-system", "rollout", "status", "daemonset", DAEMONSET, timeoutOption(120));
}

/** A strategic merge: the cgroup tree is mounted from elsewhere. */
const CGROUP_PATCH = JSON.stringify({
  apiVersion: "apps/v1",
  kind: "DaemonSet",
  metadata: { name: DAEMONSET, namespace: "kube-system" },
  spec: {
    template: {
      spec: { volumes: [{ name: "cgroup", hostPath: { path: MADE_UP_CGROUP, type: "Directory" } }] },
    },
  },
});

async function copyFolder(from: string, to: string): Promise<void> {
  Deno.mkdirSync(to, { recursive: true });
  for (const { name } of Deno.readDirSync(from)) await Deno.copyFile(`${from}/${name}`, `${to}/${name}`);
}

/** Ends the service of the node. */
export async function stopService(node: string): Promise<void> {
  await stopDaemon(nodeFolder(node), "agent");
}
