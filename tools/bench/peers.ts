// The agent beside other NRI plugins, all launched as containerd does it, in the same rounds.

import { cellsOf, measureAll, ours, type Pair, sectionsOf } from "./events.ts";
import type { Section } from "./report.ts";
import type { Contestant } from "./side.ts";
import type { Stage } from "./stage.ts";

const ROOT = new URL("../..", import.meta.url).pathname;
const LIVE = [10, 500, 1000, 4000];
const UNAVAILABLE = 2;
const FLOOR = "floor (Go)";

/** None, and the reason on standard error, where there is nothing to be measured beside. */
export async function measurePeers(stage: Stage): Promise<Section[]> {
  const peers = [...await floor(), ...peerOf(Deno.env.get("PEER") ?? "")];
  if (peers.length === 0) return [];
  const agents = (["kernel-first", "runtime"] as const).map((apply): Contestant => ({
    ...ours(apply, stage.executable, apply),
    mode: "launched",
  }));
  const pairs = peers.flatMap((peer) => agents.map((agent): Pair => [agent.name, peer.name]));
  const cells = cellsOf(stage.machines, Deno.env.get("CELLS") ?? "", LIVE);
  const measured = await measureAll(stage, "peers", [...agents, ...peers], cells);
  return sectionsOf(", beside other plugins", measured, pairs);
}

async function floor(): Promise<Contestant[]> {
  const dir = `${ROOT}.tools/peers`;
  const { code, stderr } = await new Deno.Command(`${ROOT}hack/get-peers.sh`, { args: [dir] }).output();
  if (code === 0) return [peer(FLOOR, `${dir}/floor`, [])];
  const reason = new TextDecoder().decode(stderr).trim();
  if (code !== UNAVAILABLE) throw new Error(`hack/get-peers.sh failed: ${reason}`);
  console.error(`peers: skipped: ${reason}`);
  return [];
}

/** Another plugin by its command line, as in `/opt/nri/plugins/10-example --verbose`; of an empty one none. */
export function peerOf(command: string): Contestant[] {
  const [executable, ...args] = command.split(" ").filter(Boolean);
  if (executable === undefined) return [];
  return [peer(executable.slice(executable.lastIndexOf("/") + 1), executable, args)];
}

function peer(name: string, executable: string, args: readonly string[]): Contestant {
  return { name, executable, args, mode: "launched", writes: false };
}
