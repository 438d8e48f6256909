/** An agent that is kept from running logs so, with the time; the runtime may have gone on without it. */
import assert from "node:assert/strict";
import { TICK_MS } from "../../src/daemon/latency.ts";
import { PINNED } from "../kit/daemon_stage.ts";
import { onStage } from "./stage.ts";

/** Half of it is what the agent has to be late to log so. */
const REQUEST_TIMEOUT_MS = 600;

Deno.test("an agent that was stopped logs for how long, and goes on with its work", async () => {
  await onStage("external", async ({ runtime, start }) => {
    const agent = start();
    await runtime.pluginReady();
    agent.signal("SIGSTOP");
    const unplaced = await runtime.runPod(PINNED); // which takes the runtime's own time to give up
    const cpus = () => runtime.cpusOf(unplaced.containers.get("c") ?? "").toString();
    assert.equal(cpus(), "0-63");
    await new Promise((resolve) => setTimeout(resolve, TICK_MS + REQUEST_TIMEOUT_MS)); // whatever the tick's phase was
    agent.signal("SIGCONT");
    await agent.logged("process stalled: stopped, or starved of CPU time");
    const [, ms] = /process stalled.* durationMs=(\d+) timeoutMs=600/.exec(agent.log()) ?? [];
    assert(Number(ms) >= REQUEST_TIMEOUT_MS, agent.log());
    await runtime.pluginReady();
    assert.equal(cpus(), "8-9,40");
  }, { requestTimeoutMs: REQUEST_TIMEOUT_MS });
});
