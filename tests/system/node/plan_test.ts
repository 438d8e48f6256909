// The executable's `plan --from-agent` and `support-bundle` beside a real agent.
import assert from "node:assert/strict";
import { runExecutable } from "./agent.ts";
import { online } from "./machine.ts";
import { exclusive } from "./pods.ts";
import { onContainerd } from "./suite.ts";

const all = online();

onContainerd("a plan on the agent's node knows what runs there, and a bundle has it", async (node) => {
  await node.startAgent();
  await node.run(exclusive(all.length - 1));
  const manifest = `${node.dir}/next.yaml`;
  await Deno.writeTextFile(
    manifest,
    "kind: Pod\nmetadata: {name: next}\nspec: {containers: [{name: c, resources: {limits: {cpu: 1, memory: 1Gi}}}]}\n",
  );
  const plan = (...args: string[]) =>
    runExecutable({ args: ["--run-dir", node.runDir, "plan", "--output", "json", ...args, manifest] });
  assert.deepEqual([(await plan()).code, (await plan("--from-agent")).code], [0, 3]);
  const { containers: [next] } = JSON.parse((await plan("--from-agent")).stdout);
  assert.match(
    next.reason,
    new RegExp(
      `needs 1 exclusive CPU, 0 are free \\(${all.length} online, 0 reserved, ${all.length - 1} claimed,`,
    ),
  );
  const file = `${node.dir}/bundle.tar.gz`;
  const { code, stdout } = await runExecutable({
    args: ["--run-dir", node.runDir, "support-bundle", "--file", file],
  });
  assert.equal(code, 0);
  assert.match(stdout, /^status\.json +\d{3,} +the agent's view: containers and their CPUs$/m);
  assert.equal(((await Deno.lstat(file)).mode ?? 0) & 0o777, 0o600);
});
