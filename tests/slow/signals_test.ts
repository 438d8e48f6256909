/** SIGTERM and SIGINT end the agent within a second, with exit code 0, whatever it is doing; every set stays. */
import assert from "node:assert/strict";
import { LeaderLock } from "../../src/platform/lock.ts";
import { EXCLUSIVE, manifest, PINNED, SHARED } from "../kit/daemon_stage.ts";
import { type AgentProcess, holds, MODES, type ProcessOptions } from "../kit/agent_process.ts";
import { hangingSocket, unreadingRuntime } from "./peers.ts";
import { onStage, type Stage } from "./stage.ts";

const SECOND = 1000;
/** A machine with something better to do may need longer: one of so many tries has to make it. */
const TRIES = 3;

/** The agent in the state in which the signals are to find it. */
interface Scene {
  readonly agent: AgentProcess;
  /** What has to be so afterwards. */
  readonly afterwards?: () => void;
}

type Prepare = (stage: Stage) => Promise<Scene>;

function endsOn(
  name: string,
  mode: ProcessOptions["mode"],
  signals: readonly ("SIGTERM" | "SIGINT")[],
  prepare: Prepare,
): void {
  Deno.test(`${name}: ${signals.join(" and ")} end it within a second, ${mode}`, async () => {
    let took = Infinity;
    for (let tries = 0; tries < TRIES && took > SECOND; tries++) {
      await onStage(mode, async (stage) => {
        const { agent, afterwards = () => {} } = await prepare(stage);
        for (const signal of signals) agent.signal(signal);
        const end = await agent.ended();
        assert.deepEqual({ code: end.code, signal: end.signal }, { code: 0, signal: null }, agent.log());
        afterwards();
        took = end.took;
      });
    }
    assert(took <= SECOND, `it took ${Math.round(took)} ms`);
  });
}

/** Connected, with containers; each keeps its CPUs. */
async function serving({ runtime, start }: Stage, flags: Record<string, string> = {}): Promise<Scene> {
  const agent = start({ flags });
  await runtime.pluginReady();
  for (const pod of [SHARED, PINNED, EXCLUSIVE]) await runtime.runPod(pod);
  const sets = () => runtime.containers().map(({ id }) => runtime.cpusOf(id).toString());
  const before = sets();
  assert.equal(new Set(before).size, 3);
  return {
    agent,
    afterwards: () => {
      assert.deepEqual(sets(), before);
      assert.match(agent.log(), /stopped; containers keep their CPUs/);
    },
  };
}

for (const mode of MODES) {
  endsOn("while it waits for requests", mode, ["SIGTERM"], serving);
  endsOn("while it waits for requests", mode, ["SIGINT"], serving);
  endsOn("twice in a row", mode, ["SIGTERM", "SIGINT"], serving);
  endsOn("while it starts", mode, ["SIGTERM"], async ({ start }) => {
    const agent = start();
    await agent.logged("starting");
    return { agent };
  });

  endsOn("while another owner decides", mode, ["SIGTERM"], async ({ start, dir }) => {
    const never = new AbortController().signal;
    const lock = await LeaderLock.acquire(`${dir}/run`, "another", never, () => {});
    const agent = start();
    await agent.logged("standby: another agent is active");
    return { agent, afterwards: () => lock.release() };
  });

  endsOn("while the runtime doesn't read what it is sent", mode, ["SIGTERM"], async ({ start, dir }) => {
    const socket = `${dir}/peer.sock`;
    const peer = unreadingRuntime(socket);
    const agent = start({ socket });
    await peer.stalled;
    const afterwards = () => {
      peer.close();
      assert.match(agent.log(), /stopped; containers keep their CPUs/);
    };
    return { agent, afterwards };
  });

  endsOn("while the CRI hangs that is to apply growth", mode, ["SIGTERM"], async (stage) => {
    const cri = hangingSocket(`${stage.dir}/cri.sock`);
    const flags = { "--cri-socket": `${stage.dir}/cri.sock` };
    const { agent } = await serving(stage, flags);
    const [, , exclusive] = stage.runtime.containers();
    assert(exclusive !== undefined);
    await stage.runtime.stopContainer(exclusive.id);
    await cri.asked;
    return { agent, afterwards: cri.close };
  });
}

endsOn("while it dials", "external", ["SIGTERM"], async ({ start, dir }) => {
  const agent = start({ socket: `${dir}/nobody.sock` });
  await agent.logged("failed to connect to the NRI socket; retrying");
  return { agent };
});

endsOn(
  "while the CRI hangs that is to list what runs",
  "launched",
  ["SIGTERM"],
  async ({ start, dir, runtime }) => {
    const cri = hangingSocket(`${dir}/cri.sock`);
    const never = new AbortController().signal;
    const lock = await LeaderLock.acquire(`${dir}/run`, "another", never, () => {});
    const agent = start({ flags: { "--cri-socket": `${dir}/cri.sock` } });
    await runtime.pluginReady();
    lock.release();
    await cri.asked;
    return { agent, afterwards: cri.close };
  },
);

for (const mode of MODES) {
  Deno.test(`in a burst of creations a signal leaves each container either placed or untouched: ${mode}`, async () => {
    await onStage(mode, async ({ runtime, start }) => {
      const agent = start();
      await runtime.pluginReady();
      let made = 0;
      const burst = async () => {
        for (; made < 60; made++) {
          await runtime.runPod(manifest(`p${made}`, { "weka.io/cores-ids": `${made + 1}` }, {}));
        }
      };
      const bursting = burst();
      assert(await holds(() => made > 10));
      agent.signal("SIGTERM");
      assert.equal((await agent.ended()).code, 0);
      await bursting;
      const placed = runtime.containers().map(({ id }) => runtime.cpusOf(id).toString());
      const unplaced = placed.indexOf("0-63");
      assert(unplaced > 10, "it placed some, and was ended before the last");
      const expected = placed.map((_, at) => at < unplaced ? `${at + 1}` : "0-63");
      assert.deepEqual(placed, expected);
      assert.equal(runtime.log.of("refused").length, 0);
    });
  });
}
