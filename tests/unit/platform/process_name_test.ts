import assert from "node:assert/strict";
import { processName, processStart } from "../../../src/platform/process_name.ts";

processName(undefined, "/proc"); // loads libc outside of the tests, where it is no leak

const PID = `pid ${Deno.pid}`;

const CASES: readonly [where: string, cgroup: string, pod: string | undefined, name: string][] = [
  [
    "a service, cgroup v2",
    "0::/system.slice/weka-cpuset.service\n",
    undefined,
    `unit weka-cpuset.service, ${PID}`,
  ],
  [
    "a service, cgroup v1",
    "4:cpuset:/\n1:name=systemd:/system.slice/containerd.service\n0::/\n",
    undefined,
    `unit containerd.service, ${PID}`,
  ],
  ["a pod that knows its name", "0::/\n", "weka-cpuset-x7k2p", `pod weka-cpuset-x7k2p, ${PID}`],
  ["a pod that doesn't", "0::/\n", undefined, PID],
  ["a pod without a name", "0::/\n", "", PID],
  ["a shell", "0::/user.slice/user-0.slice/session-1.scope\n", undefined, PID],
];

for (const [where, cgroup, pod, name] of CASES) {
  Deno.test(`the process is named by where it runs: ${where}`, async () => {
    const proc = await Deno.makeTempDir();
    await Deno.mkdir(`${proc}/self`);
    await Deno.writeTextFile(`${proc}/self/cgroup`, cgroup);
    assert.equal(processName(pod, proc), name);
    await Deno.remove(proc, { recursive: true });
  });
}

Deno.test("where /proc can't be read, the process id is all there is", () => {
  assert.equal(processName(undefined, "/nonexistent"), PID);
});

Deno.test("the start of the process is in the past", () => {
  assert(Date.parse(processStart()) <= Date.now());
});
