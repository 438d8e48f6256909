import assert from "node:assert/strict";
import type { Wanted } from "../../tests/kit/messages.ts";
import { askInProcess } from "./in_process.ts";
import { type Ask, Peer } from "./peer.ts";
import type { Figure, Section } from "./report.ts";
import { LARGEST, type Made, type Stage } from "./stage.ts";
import { summarize } from "./statistics.ts";
import { EXCLUSIVE_CPUS, pinnedTo, population } from "./subjects.ts";

const LIVE = [10, 100, 1000, 4000];

// How long one figure is measured: a slow one at least so many times, a fast one until there are enough.
const WARM_UP_MS = 150;
const MEASURE_MS = 350;
const LEAST = 50;
const MOST = 2000;

/** µs; in process, where the kernel and the runtime have no part in it. */
const GOAL_ALONE = 100;
const GOAL_FOLLOWED = 1000;

/** The node as it is when one more container comes. */
interface Situation {
  readonly cpus: number;
  /** What an exclusive container holds. */
  readonly held: string;
}

interface Kind {
  readonly name: string;
  /** The shared pool shrinks, so that all shared containers follow. */
  readonly followed: boolean;
  readonly wants: (situation: Situation) => Wanted;
}

const KINDS: readonly Kind[] = [
  { name: "shared", followed: false, wants: () => ({}) },
  { name: "pinned to pinned CPUs", followed: false, wants: ({ cpus }) => pinnedTo(cpus - 1) },
  // CPU 0 is the last that would be given exclusively.
  { name: "pinned to a shared CPU", followed: true, wants: () => pinnedTo(0) },
  { name: "pinned to exclusive CPUs", followed: true, wants: ({ held }) => pinnedTo(held) },
  { name: "exclusive", followed: true, wants: () => ({ cpus: EXCLUSIVE_CPUS }) },
];

/** How long deciding a creation takes from bytes to bytes, by what it wants and how many containers there are already. */
export async function measureCreate(stage: Stage): Promise<Section[]> {
  const cells = [...stage.machines, LARGEST].flatMap((machine) => LIVE.map((live) => ({ machine, live })));
  const figures: Figure[] = [];
  for (const [at, { machine, live }] of cells.entries()) {
    stage.progress("create", at, cells.length);
    figures.push(...await measureKinds(askInProcess(machine.spec), machine, live));
  }
  return [{
    title: "CreateContainer in process",
    note: "From the request's bytes to the reply's, in the agent's code alone, warm. " +
      "A fifth of the containers is pinned and a fifth exclusive, up to a fifth of the CPUs; the rest " +
      "is shared, and follows where the pool changes.",
    dimensions: ["CPUs", "live", "pool", "creation"],
    percentiles: true,
    figures,
  }];
}

async function measureKinds(ask: Ask, { cpus }: Made, live: number): Promise<Figure[]> {
  const peer = new Peer(ask);
  const wanted = population(live, cpus);
  let held = "";
  for (const each of wanted) {
    const { cpus } = await peer.create(each);
    if (each.cpus !== undefined) held = cpus;
  }
  const shared = wanted.filter((each) => each.annotations === undefined && each.cpus === undefined).length;
  const figures: Figure[] = [];
  for (const { name, followed, wants } of KINDS) {
    const labels = [`${cpus}`, `${live}`, followed ? "changes" : "same", name];
    const micros = await measure(peer, wants({ cpus, held }), followed ? shared : 0);
    const goal = followed ? GOAL_FOLLOWED : GOAL_ALONE;
    figures.push({ labels, unit: "µs", summary: summarize(micros), goal });
  }
  return figures;
}

/** Creates and stops one container again and again; each finds the node as the first did. */
async function measure(peer: Peer, wants: Wanted, followers: number): Promise<number[]> {
  const micros: number[] = [];
  const began = performance.now();
  for (let count = 0; micros.length < MOST; count++) {
    const name = `created-${count}`;
    const { took, updates } = await peer.create({ ...wants, name });
    await peer.end(name);
    assert(updates >= followers && (followers > 0 || updates === 0), `${updates} updates, not ${followers}`);
    const elapsed = performance.now() - began;
    if (elapsed > WARM_UP_MS) micros.push(took * 1000);
    if (elapsed > WARM_UP_MS + MEASURE_MS && micros.length >= LEAST) break;
  }
  return micros;
}
