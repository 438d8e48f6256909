// Agent and containerd die at points drawn by chance, in the midst of creations.
import type { Random } from "../../../tools/random.ts";
import { Burst } from "./burst.ts";
import { NriProxy } from "./nri_proxy.ts";
import type { TestNode } from "./node.ts";
import { shared } from "./pods.ts";
import { onContainerd } from "./suite.ts";
import { faultSeed, Tally } from "./tally.ts";

const RESTARTS = 5;

/** Milliseconds after a message at which something may die: an agent takes one or two to deal with one. */
const MIDST = 4;

/** What dies at a point of a burst. */
interface Doom {
  readonly burst: Burst;
  readonly proxy: NriProxy;
  /** How many messages a burst takes while nothing goes wrong. */
  readonly messages: number;
}

async function rehearse(node: TestNode, proxy: NriProxy): Promise<Doom> {
  const burst = await Burst.prepare(node);
  const before = proxy.messages.length;
  await burst.run();
  await burst.end();
  return { burst, proxy, messages: proxy.messages.length - before };
}

/** Runs the burst, and calls `die` once: at a point of it that is drawn, or after its end. */
async function runUntil({ burst, proxy, messages }: Doom, random: Random, die: () => void): Promise<void> {
  const point = 1 + random.below(messages);
  // Milliseconds after the message was passed on; else it is lost.
  const later = random.chance(0.5) ? random.below(MIDST + 1) : undefined;
  let timer: number | undefined;
  let seen = 0;
  let died = false;
  const once = () => {
    if (!died) die();
    died = true;
  };
  proxy.tap = () => {
    if (++seen !== point) return true;
    if (later === undefined) once();
    else timer = setTimeout(once, later);
    return later !== undefined;
  };
  await burst.run();
  clearTimeout(timer);
  once();
}

function proxyOf(node: TestNode): NriProxy {
  return new NriProxy(`${node.dir}/proxy.sock`, node.nriSocket);
}

for (const [way, deaths] of [["kernel-first", 20], ["runtime", 5]] as const) {
  onContainerd(
    `${way}: an agent that dies at ${deaths} points of bursts of creations leaves nothing that the next can't repair`,
    async (node) => {
      await using proxy = proxyOf(node);
      const args = ["--socket", proxy.path, "--apply", way];
      // Kernel first, nothing may be left for reconcile to find.
      const env = { WEKA_CPUSET_RECONCILE_SECONDS: way === "runtime" ? "1" : "0" };
      const launch = () => node.launchAgent({ args, env });
      let agent = launch();
      await agent.says(/synchronized/i);
      const doom = await rehearse(node, proxy);
      await node.run(shared()); // It stands by, and has to make room.
      const tally = new Tally(node, `${way}: the agent is killed in a burst of creations`, faultSeed());
      for (let death = 0; death < deaths; death++) {
        const dying = agent;
        let gone: Promise<unknown> | undefined;
        await runUntil(doom, tally.random, () => {
          gone = dying.end("SIGKILL");
          agent = launch();
        });
        await gone;
        await agent.says(/synchronized/i);
        await tally.comesRight(agent);
        await doom.burst.end();
      }
    },
  );
}

onContainerd(
  `a containerd that dies at ${RESTARTS} points of bursts of creations finds the agent again, and every container is placed`,
  async (node) => {
    await using proxy = proxyOf(node);
    const env = { WEKA_CPUSET_RECONCILE_SECONDS: "0" };
    const agent = await node.startAgent({ args: ["--socket", proxy.path], env });
    const doom = await rehearse(node, proxy);
    await node.run(shared()); // It stands by, and has to make room.
    const tally = new Tally(node, "containerd is killed in a burst of creations", faultSeed());
    for (let death = 0; death < RESTARTS; death++) {
      let gone: Promise<void> | undefined;
      const said = agent.lines.length;
      await runUntil(doom, tally.random, () => {
        gone = node.killContainerd();
      });
      await gone;
      await node.startContainerd();
      await agent.says(/synchronized/i, said);
      await tally.comesRight(agent);
      await doom.burst.end();
    }
  },
);
