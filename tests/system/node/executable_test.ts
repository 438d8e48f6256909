// The executable as it is delivered: what it needs around it, and what its options promise.
import assert from "node:assert/strict";
import { runExecutable } from "./agent.ts";
import { assertRunsOn } from "./checks.ts";
import { online } from "./machine.ts";
import { exclusive, pinned, shared } from "./pods.ts";
import { repository } from "./requirements.ts";
import { onContainerd } from "./suite.ts";

const all = online();
const last = all.slice(-1);

Deno.test("in an empty environment the executable prints its version and that of Deno", async () => {
  const { version } = JSON.parse(Deno.readTextFileSync(`${repository}/deno.json`));
  const { code, stdout } = await runExecutable({ args: ["--version"] });
  assert.equal(code, 0);
  assert(stdout.includes(version), stdout);
  assert(stdout.includes(Deno.version.deno), stdout);
});

onContainerd("the agent works on a read-only root, and takes the socket from NRI_SOCKET", async (node) => {
  // Only where its lock is it may write, as on a node /run is a file system of its own.
  const readOnly = 'mkdir "$0" && mount -t tmpfs -o mode=700 none "$0" && mount -o remount,bind,ro / && ' +
    '! touch /weka-cpuset-probe 2>/dev/null && exec "$@"';
  await node.startAgent({
    wrapper: ["/usr/bin/unshare", "--mount", "/bin/sh", "-c", readOnly, node.runDir],
    env: { NRI_SOCKET: node.nriSocket },
  });
  assertRunsOn(await node.run(pinned(`${last}`)), last);
});

onContainerd(
  "with --dry-run the agent decides and logs it, and every container may use every CPU",
  async (node) => {
    const agent = await node.startAgent({ args: ["--dry-run"] });
    for (const pod of [shared(), pinned(`${last}`), exclusive(all.length), pinned("5-2")]) {
      const container = await node.run(pod);
      assertRunsOn(container, all);
      const { cpus, mems } = await node.recorded(container);
      assert.deepEqual({ cpus, mems }, { cpus: "", mems: "" });
    }
    await agent.says(/container would be admitted.* pod=p2 .*kind=pinned/);
    await agent.says(/refuse.*default\/p3.*exclusive/);
    await agent.says(/refuse.*default\/p4.*5-2/);
  },
);
