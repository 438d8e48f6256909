// What clients of HTTP cost the runtime's calls: the same agent with and without slow clients that hang on its page.

import { Peer } from "./peer.ts";
import { synchronizeWith } from "./reception.ts";
import type { Figure, Section } from "./report.ts";
import type { Stage } from "./stage.ts";
import { ratios, summarize } from "./statistics.ts";
import { population } from "./subjects.ts";

const CLIENTS = 50;
const LIVE = 500;
const ROUNDS = 30;
const WARM_UP = 3;
/** Creations in each half of a round. */
const CALLS = 60;
/** With clients, by the time without. */
const GOAL = 1.2;

/** Creations of a shared container on a node with many others, in turns without and with the clients. */
export async function measureHttp(stage: Stage): Promise<Section[]> {
  const [machine] = stage.machines;
  if (machine === undefined) throw new Error("there is no machine");
  const port = freePort();
  const without: number[][] = [];
  const beside: number[][] = [];
  const memory: number[] = [];
  await stage.agent("external", machine, synchronizeWith([]), async (agent, { ask }) => {
    const peer = new Peer(ask);
    for (const each of population(LIVE, machine.cpus)) await peer.create(each);
    await using clients = new SlowClients(port);
    for (let round = -WARM_UP; round < ROUNDS; round++) {
      stage.progress("http", Math.max(round, 0), ROUNDS);
      const alone = await creations(peer);
      await clients.say("on");
      const together = await creations(peer);
      memory.push(agent.usage().resident);
      await clients.say("off");
      if (round < 0) continue;
      without.push(alone);
      beside.push(together);
    }
  }, { env: { WEKA_CPUSET_HTTP: `127.0.0.1:${port}` } });
  return [sectionOf(without, beside, memory)];
}

async function creations(peer: Peer): Promise<number[]> {
  const micros: number[] = [];
  for (let count = 0; count < CALLS; count++) {
    const name = `created-${count}`;
    micros.push((await peer.create({ name })).took * 1000);
    await peer.end(name);
  }
  return micros;
}

function sectionOf(
  without: readonly number[][],
  beside: readonly number[][],
  memory: readonly number[],
): Section {
  const of = (part: "median" | "p95") => (each: readonly number[]) => summarize(each)[part];
  const ratio = (part: "median" | "p95") => summarize(ratios(beside.map(of(part)), without.map(of(part))));
  const figures: Figure[] = [
    { labels: ["none"], unit: "µs", summary: summarize(without.flat()) },
    { labels: [`${CLIENTS} slow`], unit: "µs", summary: summarize(beside.flat()) },
    { labels: ["slow : none, medians of a round"], unit: "", summary: ratio("median"), goal: GOAL },
    { labels: ["slow : none, p95 of a round"], unit: "", summary: ratio("p95"), goal: GOAL },
    { labels: ["resident memory of the agent"], unit: "MiB", summary: summarize(memory) },
  ];
  return {
    title: "CreateContainer beside clients of HTTP",
    note:
      `The runtime's wait for the answer to a shared container's creation, on a node with ${LIVE} containers: in turns ` +
      `without clients and with ${CLIENTS} that ask byte by byte, don't read the status, or read the page byte by byte.`,
    dimensions: ["clients"],
    percentiles: true,
    figures,
  };
}

/** A port of the loopback address that nobody has. */
function freePort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  listener.close();
  return listener.addr.port;
}

class SlowClients implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;

  constructor(port: number) {
    const file = new URL("slow_clients.ts", import.meta.url).pathname;
    this.#child = new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--allow-net", file, `${port}`, `${CLIENTS}`],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    this.#writer = this.#child.stdin.getWriter();
    this.#reader = this.#child.stdout.getReader();
  }

  async say(word: "on" | "off"): Promise<void> {
    await this.#writer.write(new TextEncoder().encode(`${word}\n`));
    if ((await this.#reader.read()).done) throw new Error("the slow clients have ended");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writer.close();
    await this.#reader.cancel();
    await this.#child.status;
  }
}
