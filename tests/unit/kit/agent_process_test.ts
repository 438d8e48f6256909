import assert from "node:assert/strict";
import { AgentProcess } from "../../kit/agent_process.ts";

/** A process that runs `script` in place of the agent. */
async function withProcess(script: string, play: (agent: AgentProcess) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "agent-" });
  const shell = `exec 2>>${dir}/agent.log; ${script}`;
  const agent = new AgentProcess({ mode: "external", dir, socket: "", sysfs: "", shell });
  try {
    await play(agent);
  } finally {
    await agent.stop();
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("work that ends while the agent lives has its own outcome", async () => {
  await withProcess("exec sleep 60", async (agent) => {
    assert.equal(await agent.during(Promise.resolve(7)), 7);
    await assert.rejects(agent.during(Promise.reject(new Error("its own"))), /its own/);
  });
});

Deno.test("an agent that ends is why the work fails, also when the work fails first", async () => {
  await withProcess("exit 3", async (agent) => {
    await assert.rejects(agent.during(new Promise(() => {})), /ended unexpectedly, with exit code 3/);
  });
  await withProcess("exec sleep 60", async (agent) => {
    const failing = agent.during(Promise.reject(new Error("the connection was lost")));
    await agent.stop();
    await assert.rejects(failing, /ended unexpectedly, with SIGTERM/);
  });
});

Deno.test("the tail is the end of what it wrote to stderr", async () => {
  await withProcess("for i in $(seq 30); do echo line $i >&2; done; exit 0", async (agent) => {
    await assert.rejects(agent.during(new Promise(() => {})), /exit code 0/);
    await agent.stop();
    const lines = agent.tail().split("\n");
    assert.equal(lines.length, 15);
    assert.equal(lines.at(-1), "line 30");
  });
});
