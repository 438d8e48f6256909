/** What is to be seen of a failure, kept while it is there. */
import { askAgent } from "../cluster/agent.ts";
import { nodeFolder, nodeRoot } from "../cluster/places.ts";
import type { NodeView } from "./check.ts";
import type { Kube, KubePod } from "./kube.ts";
import { listText } from "./overlaps.ts";
import type { PodCache } from "./pod_cache.ts";
import { LABEL } from "./pods.ts";

/** Where to look, and for what. */
export interface Scene {
  readonly kube: Kube;
  readonly cache: PodCache;
  readonly view: NodeView;
  /** The report's folder. */
  readonly report: string;
  /** The test's. */
  readonly title: string;
}

/** Lines of a log that are kept: the last ones. */
const MAX_LINES = 2000;

/** Writes `failures/TEST/…`, `pod-describes`, `plugin-logs` and `cluster-state`; what can't be had is said there. */
export async function capture({ kube, cache, view, report, title }: Scene): Promise<void> {
  const name = fileName(title);
  const folder = `${report}/failures/${name}`;
  Deno.mkdirSync(folder, { recursive: true });
  const pods = cache.pods.filter(({ metadata }) => metadata.labels?.[LABEL] === "true");
  await keep(`${folder}/pod-states.md`, () => podStates(pods, view));
  await keep(`${folder}/cluster-snapshot.md`, () => snapshot(kube, view));
  await keep(`${folder}/plugin-logs.txt`, () => agentLog(kube, view.name));
  await keep(`${report}/plugin-logs/${name}-journal.json`, () => journal(view.name));
  await keep(
    `${report}/cluster-state/${name}-events.txt`,
    () => kube.kubectl("get", "events", "--all-namespaces", "--sort-by=.metadata.creationTimestamp"),
  );
  await keep(
    `${report}/cluster-state/${name}-pods.txt`,
    () => kube.kubectl("get", "pods", "--all-namespaces", "--output=wide"),
  );
  await keep(
    `${report}/pod-describes/${name}.txt`,
    () => kube.kubectl("describe", "pods", "--all-namespaces", `--selector=${LABEL}=true`),
  );
}

/** Copies the logs of the node's programs. */
export function captureLogs(report: string, node: string): void {
  for (const name of ["kubelet", "containerd", "agent"]) {
    try {
      const lines = Deno.readTextFileSync(`${nodeFolder(node)}/${name}.log`).split("\n");
      Deno.writeTextFileSync(`${report}/logs/${node}-${name}.log`, lines.slice(-MAX_LINES).join("\n"));
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error; // it isn't there in this way in
    }
  }
}

/** For a folder or a file. */
export function fileName(title: string): string {
  return title.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-").replaceAll(/^-|-$/g, "");
}

async function keep(path: string, look: () => string | Promise<string>): Promise<void> {
  let text: string;
  try {
    text = await look();
  } catch (error) {
    text = `not to be had: ${(error as Error).message}\n`;
  }
  Deno.writeTextFileSync(path, text);
}

/** Each pod of the tests: what it asked for, how it is, and what the node has given it. */
async function podStates(pods: readonly KubePod[], view: NodeView): Promise<string> {
  const all = await view.look();
  const rows = pods.flatMap(({ metadata, status }) =>
    (status.containerStatuses ?? [{ name: "-", containerID: "", state: {} }]).map(
      ({ name, containerID = "", state }) => {
        const seen = all.find(({ id }) => containerID.endsWith(id));
        const cpus = seen === undefined
          ? ""
          : `${listText(seen.cpus)}, memory ${listText(seen.mems)} | ${JSON.stringify(seen.wish)}`;
        const message = JSON.stringify(state).replaceAll("|", "\\|");
        return `| ${metadata.namespace}/${metadata.name} | ${name} | ${status.phase} | ${
          cpus || " | "
        } | ${message} |`;
      },
    )
  );
  const head =
    "| pod | container | phase | CPUs and memory nodes | asked for | state |\n|---|---|---|---|---|---|";
  return `# Pods\n\n${head}\n${rows.join("\n")}\n`;
}

async function snapshot(kube: Kube, view: NodeView): Promise<string> {
  const all = await view.look();
  const rows = view.cpus.map((cpu) => {
    const here = all.filter(({ wish, cpus }) => wish.kind !== "shared" && cpus.includes(cpu));
    return `| ${cpu} | ${
      here.map(({ name, wish }) => `${name} (${wish.kind})`).join(", ") || "shared pool"
    } |`;
  });
  const classes = await Promise.all(
    (["burstable", "besteffort"] as const).map(async (name) =>
      `- ${name}: ${listText(await view.classCpus(name))}`
    ),
  );
  const nodes = await kube.kubectl("get", "nodes", "--output=wide");
  return [
    "# The node's CPUs, by its cpusets",
    "",
    "| CPU | who has it |",
    "|---|---|",
    ...rows,
    "",
    "Cgroups of the classes:",
    "",
    ...classes,
    "",
    "```",
    nodes,
    "```",
    "",
  ].join("\n");
}

/** Whichever way the agent came in. */
export async function agentLog(kube: Kube, node: string): Promise<string> {
  for (const path of [`${nodeFolder(node)}/agent.log`, `${nodeRoot(node)}/var/log/weka-cpuset.log`]) {
    try {
      return Deno.readTextFileSync(path).split("\n").slice(-MAX_LINES).join("\n");
    } catch {
      // The next one.
    }
  }
  return await kube.kubectl(
    "-n",
    "kube-system",
    "logs",
    "--selector=app=weka-nri-cpuset",
    `--tail=${MAX_LINES}`,
    "--prefix",
  );
}

async function journal(node: string): Promise<string> {
  return JSON.stringify(await askAgent(node, "journal"), null, 2);
}
