/** An agent that is kept from running says so, and how long it was; the runtime may have gone on without it. */
import assert from "node:assert/strict";
import { PINNED } from "../kit/daemon_stage.ts";
import { EmbeddedRuntime } from "../kit/runtime/runtime.ts";
import { bigNode, topologyOf } from "../kit/sysfs.ts";
import { AgentProcess } from "../kit/agent_process.ts";

/** Milliseconds: half of it is what the agent has to be late to say so. */
const REQUEST_TIMEOUT = 600;

Deno.test("an agent that was stopped tells for how long, and goes on with its work", async () => {
  const dir = await Deno.makeTempDir();
  const socket = `${dir}/nri.sock`;
  await Deno.mkdir(`${dir}/cgroup`);
  const runtime = EmbeddedRuntime.start({
    socketPath: socket,
    cgroupRoot: `${dir}/cgroup`,
    online: topologyOf(bigNode).online,
    requestTimeoutMs: REQUEST_TIMEOUT,
  });
  const agent = new AgentProcess({ mode: "external", dir, socket });
  try {
    await runtime.pluginReady();
    agent.signal("SIGSTOP");
    const unplaced = await runtime.runPod(PINNED); // which takes the runtime's own time to give up
    assert.equal(runtime.cpusOf(unplaced.containers.get("c") ?? "").size, 64);
    await new Promise((resolve) => setTimeout(resolve, REQUEST_TIMEOUT)); // whatever the tick's phase was
    agent.signal("SIGCONT");
    await agent.logged("process stalled: stopped, or starved of CPU time");
    const [, ms] = /process stalled.* durationMs=(\d+) timeoutMs=600/.exec(agent.log()) ?? [];
    assert(Number(ms) >= REQUEST_TIMEOUT, agent.log());
    await runtime.pluginReady();
    assert.equal(runtime.cpusOf(unplaced.containers.get("c") ?? "").toString(), "8-9,40");
  } finally {
    await agent.kill();
    await runtime.close();
    await Deno.remove(dir, { recursive: true });
  }
});
