// Room to move in. On two CPUs there would be none, as one CPU always stays shared: so the agent is shown one CPU
// more than there is, and it is that one. Nothing shared can run beside it.
import assert from "node:assert/strict";
import type { Agent } from "./agent.ts";
import { allowedCpus, online } from "./machine.ts";
import type { Running, TestNode } from "./node.ts";
import { exclusive } from "./pods.ts";

const all = online();
const missing = Math.max(...all) + 1;

/** Starts an agent for which there is one CPU more. */
export async function startAgentWithRoom(node: TestNode, args: readonly string[] = []): Promise<Agent> {
  const folder = `${node.dir}/sys/devices/system/cpu`;
  Deno.mkdirSync(folder, { recursive: true });
  Deno.writeTextFileSync(`${folder}/online`, `${[...all, missing]}\n`);
  return await node.startAgent({ args: ["--sysfs-root", `${node.dir}/sys`, ...args] });
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
