/** An embedded runtime and one agent process beside it, for the length of a test. */
import { SYSFS } from "../kit/daemon_stage.ts";
import { bigNode, topologyOf } from "../kit/sysfs.ts";
import { EmbeddedRuntime, type RuntimeOptions } from "../kit/runtime/runtime.ts";
import { AgentProcess, type Mode, type ProcessOptions } from "../kit/agent_process.ts";

export interface Stage {
  readonly runtime: EmbeddedRuntime;
  readonly dir: string;
  readonly socket: string;
  /** Starts an agent; it is ended with the test. */
  start(options?: Partial<ProcessOptions>): AgentProcess;
}

export async function onStage(
  mode: Mode,
  play: (stage: Stage) => Promise<void>,
  options: Partial<RuntimeOptions> = {},
): Promise<void> {
  const dir = await Deno.makeTempDir();
  const socket = `${dir}/nri.sock`;
  const cgroupRoot = `${dir}/cgroup`;
  await Deno.mkdir(cgroupRoot);
  const runtime = EmbeddedRuntime.start({
    socketPath: socket,
    cgroupRoot,
    online: topologyOf(bigNode).online,
    ...options,
  });
  const agents: AgentProcess[] = [];
  const start = (options: Partial<ProcessOptions> = {}) => {
    const agent = new AgentProcess({ mode, dir, socket, sysfs: SYSFS, ...options });
    agents.push(agent);
    return agent;
  };
  try {
    await play({ runtime, dir, socket, start });
  } finally {
    for (const agent of agents) await agent.kill();
    await runtime.close();
    await Deno.remove(dir, { recursive: true });
  }
}
