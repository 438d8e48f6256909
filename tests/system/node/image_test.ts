// The image as a pod, with the mounts and the rights of the DaemonSet in deploy/manifests, which is where they are read.
import assert from "node:assert/strict";
import { assertRunsOn, comesToRunOn } from "./checks.ts";
import { runDaemonSet } from "./daemonset.ts";
import { cpuset, cpusetDirectory, online, without } from "./machine.ts";
import { pinned, shared } from "./pods.ts";
import { onContainerd } from "./suite.ts";

const all = online();
const last = all.slice(-1);

onContainerd("the DaemonSet's pod registers, places containers, and is a shared one itself", async (node) => {
  const before = await node.run(shared());
  const agent = await runDaemonSet(node);
  await agent.says(/synchronized/i);

  assertRunsOn(await node.run(pinned(`${last}`)), last);
  await comesToRunOn(before, without(all, last));
  await comesToRunOn(agent, without(all, last));
});

onContainerd("the DaemonSet's pod has no rights to lose, and SIGTERM ends it with status 0", async (node) => {
  const agent = await runDaemonSet(node);
  await agent.says(/synchronized/i);
  const status = Deno.readTextFileSync(`/proc/${agent.pid}/status`);
  for (const set of ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"]) {
    assert.match(status, new RegExp(`^${set}:\\s0+$`, "m"));
  }
  assert.match(status, /^NoNewPrivs:\s1$/m);
  assert.match(Deno.readTextFileSync(`/proc/${agent.pid}/mountinfo`), /^\d+ \d+ \S+ \S+ \/ ro[, ]/m);

  assert.equal(await agent.stop(), 0);
});

onContainerd("the DaemonSet's pod can write the cpusets of others, without any right", async (node) => {
  const other = await node.run(shared());
  const agent = await runDaemonSet(node);
  const file = `${cpusetDirectory(other.pid)}/cpuset.cpus`;
  // Through the pod's own mounts, as root with no capability left.
  const { success, stderr } = await new Deno.Command("setpriv", {
    args: [
      "--bounding-set=-all",
      "--inh-caps=-all",
      "--no-new-privs",
      "sh",
      "-c",
      'grep -q "^CapEff:.0*$" /proc/self/status && echo "$0" >"$1"',
      `${last}`,
      `/proc/${agent.pid}/root${file}`,
    ],
  }).output();
  assert(success, new TextDecoder().decode(stderr));
  assert.deepEqual(cpuset(other.pid).cpus, last);
});
