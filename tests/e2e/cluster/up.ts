/**
 * Starts a Kubernetes cluster on this machine, with the agent on its nodes; what runs already is left as it is.
 * `hack/cluster-up.sh --help` says how.
 */
import { existsSync } from "node:fs";
import { findHierarchy } from "../../system/node/machine.ts";
import { type AgentConfig, installAgent, MANIFESTS, type Way, wayOf } from "./agent.ts";
import { startControlPlane } from "./control_plane.ts";
import { startKubelet, startNode, untilReady } from "./node.ts";
import { SAVED_SYSCTLS, SYSCTLS } from "./node_files.ts";
import { ADMIN, BY_HAND, CONTROL, KUBERNETES, nodeNames, repository, STATE, UNPACKED } from "./places.ts";
import { run } from "./processes.ts";

const USAGE =
  `usage: hack/cluster-up.sh [--big] [--agent plugin|service|daemonset|none] [--containerd sid|trixie|go]
         [--config JSON] [NODE…]
Starts etcd, the control plane, and for each NODE (default: one) a kubelet and a containerd, on loopback.
  --big         nodes claim 64 CPUs and 4 NUMA nodes that this machine doesn't have
  --agent       how the agent is installed; default: service; none: ${MANIFESTS} is ready for kubectl's --kustomize
  --containerd  which of .tools/node; default: sid
  --config      keys of the agent's configuration, as in {"fence":"on"}
Afterwards: ${KUBERNETES}/kubectl --kubeconfig ${ADMIN} get pods --all-namespaces`;

/** What a cluster is to be. */
export interface ClusterOptions {
  readonly big: boolean;
  readonly agent: Way;
  readonly containerd: string;
  readonly config: AgentConfig;
  readonly nodes: readonly string[];
}

export const DEFAULTS: ClusterOptions = {
  big: false,
  agent: "service",
  containerd: "sid",
  config: {},
  nodes: ["one"],
};

/** Why no cluster can run here, in one sentence; undefined: it can. Fetches and builds what is missing. */
export async function missing(): Promise<string | undefined> {
  if (Deno.build.os !== "linux") return `a node needs Linux, this is ${Deno.build.os}.`;
  if (Deno.uid() !== 0) return "a node needs root, and this is another user.";
  for (const [script, folder] of [["get-containerd.sh", UNPACKED], ["get-kubernetes.sh", KUBERNETES]]) {
    const command = new Deno.Command(`${repository}/hack/${script}`, {
      args: [folder ?? ""],
      stderr: "piped",
    });
    const { code, stderr } = await command.output();
    const said = new TextDecoder().decode(stderr).trim();
    if (code === 2) return said;
    if (code !== 0) throw new Error(`hack/${script} failed with status ${code}: ${said}`);
  }
  return hierarchyMissing();
}

function hierarchyMissing(): string | undefined {
  try {
    findHierarchy();
    return undefined;
  } catch (error) {
    return `a node needs cpusets: ${(error as Error).message}`;
  }
}

/** Starts it, or what of it doesn't run. */
export async function startCluster({ nodes, big, agent, containerd, config }: ClusterOptions): Promise<void> {
  Deno.mkdirSync(CONTROL, { recursive: true });
  const before = nodeNames();
  if (before.length > 0 && `${before}` !== `${[...nodes].sort()}`) {
    throw new Error(
      `a cluster with the nodes ${before} runs in ${STATE}; end it first: hack/cluster-down.sh`,
    );
  }
  await saveSysctls();
  const control = startControlPlane(nodes);
  // A node's /etc/hosts is the control plane's.
  await control;
  await Promise.all(nodes.map((node) => startNode(node, { big, containerd })));
  // The plugin and the service are there before the first pod, as on a node that is provisioned.
  if (agent !== "daemonset") await installAgent(agent, nodes, config);
  for (const node of nodes) await startKubelet(node);
  await Promise.all(nodes.map((node) => untilReady(node)));
  if (agent === "daemonset") await installAgent(agent, nodes, config);
}

/** Kubelet sets these for the whole machine; {@link restoreSysctls} puts them back. */
async function saveSysctls(): Promise<void> {
  if (!existsSync(SAVED_SYSCTLS)) Deno.writeTextFileSync(SAVED_SYSCTLS, await run("sysctl", SYSCTLS));
}

/** Of the command line; throws one sentence. */
export function parseOptions(words: readonly string[]): ClusterOptions {
  let options = DEFAULTS;
  const nodes: string[] = [];
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? "";
    const value = () => {
      const next = words[++at];
      if (next === undefined) throw new Error(`${word} needs a value`);
      return next;
    };
    if (word === "--big") options = { ...options, big: true };
    else if (word === "--agent") options = { ...options, agent: wayOf(value()) };
    else if (word === "--containerd") options = { ...options, containerd: value() };
    else if (word === "--config") options = { ...options, config: JSON.parse(value()) };
    else if (/^[a-z][a-z0-9-]{0,15}$/.test(word)) nodes.push(word);
    else throw new Error(`"${word}" is neither an option nor a node's name (small letters, digits, dashes)`);
  }
  return nodes.length > 0 ? { ...options, nodes } : options;
}

async function main(words: readonly string[]): Promise<number> {
  if (words.includes("--help")) {
    console.log(USAGE);
    return 0;
  }
  const options = parseOptions(words);
  const reason = await missing();
  if (reason !== undefined) {
    console.error(`no cluster: ${reason}`);
    return 2;
  }
  const started = performance.now();
  await startCluster(options);
  Deno.writeTextFileSync(BY_HAND, "");
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`nodes ${options.nodes.join(", ")} are ready after ${seconds} s; export KUBECONFIG=${ADMIN}`);
  return 0;
}

if (import.meta.main) {
  try {
    Deno.exit(await main(Deno.args));
  } catch (error) {
    console.error(`cluster-up: ${(error as Error).message}`);
    Deno.exit(1);
  }
}
