// Room to move in. On two CPUs there would be none, as one CPU always stays shared: so the agent is shown one CPU
// more than there is, and it is that one. Nothing shared can run beside it.
import assert from "node:assert/strict";
import type { Agent } from "./agent.ts";
import { allowedCpus, findHierarchy, online } from "./machine.ts";
import type { Running, TestNode } from "./node.ts";
import { exclusive } from "./pods.ts";

const all = online();
const missing = Math.max(...all) + 1;

/** Puts a file over others, for the program that follows and nobody else: `FILE OTHERS… -- PROGRAM`. */
const COVERED = ["unshare", "--mount", "sh", "-c"];
const COVERED_SCRIPT =
  'while [ "$1" != -- ]; do mount --bind "$0" "$1" || exit; shift; done; shift; exec "$@"';

/** Starts an agent for which there is one CPU more: in sysfs, and in the cgroups above the pods'. */
export async function startAgentWithRoom(node: TestNode, args: readonly string[] = []): Promise<Agent> {
  const list = `${[...all, missing]}\n`;
  const folder = `${node.dir}/sys/devices/system/cpu`;
  Deno.mkdirSync(folder, { recursive: true });
  Deno.writeTextFileSync(`${folder}/online`, list);
  const { root, version } = findHierarchy();
  const file = version === 1 ? "cpuset.cpus" : "cpuset.cpus.effective";
  const kubepods = `${root}${node.root}/kubepods`;
  Deno.mkdirSync(kubepods, { recursive: true });
  if (version === 1) { for (const path of [`${root}${node.root}`, kubepods]) inherit(path, root); }
  Deno.writeTextFileSync(`${node.dir}/cpus`, list);
  const covered = [root, kubepods].map((path) => `${path}/${file}`);
  return await node.startAgent({
    args: ["--sysfs-root", `${node.dir}/sys`, ...args],
    wrapper: [...COVERED, COVERED_SCRIPT, `${node.dir}/cpus`, ...covered, "--"],
  });
}

/** A new cgroup has no CPUs in cgroup v1, and nothing below it can have any then. */
function inherit(path: string, root: string): void {
  for (const file of ["cpuset.cpus", "cpuset.mems"]) {
    Deno.writeTextFileSync(`${path}/${file}`, Deno.readTextFileSync(`${root}/${file}`));
  }
}

/** Runs an exclusive pod on one of the CPUs that there are: its `own`. */
export async function runExclusive(
  node: TestNode,
  annotations: Record<string, string> = {},
): Promise<{ pod: Running; own: number[] }> {
  const pod = await node.run(exclusive(1, { ...annotations, "weka.io/forbid-core-ids": `${missing}` }));
  const own = allowedCpus(pod.pid);
  assert.equal(own.length, 1);
  return { pod, own };
}
