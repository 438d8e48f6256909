import { type Install, requirements } from "../../tests/system/node/requirements.ts";
import type { StartOptions } from "../../tests/system/node/containerd.ts";
import { hereMs } from "../../tests/system/node/slowness.ts";
import { sweepLeftovers } from "../../tests/system/node/sweep.ts";
import { comparison } from "./compare.ts";
import { PoolNode, type Way } from "./pool_node.ts";
import type { Figure, Section } from "./report.ts";
import type { Stage } from "./stage.ts";
import { summarize } from "./statistics.ts";

const WAYS: readonly Way[] = ["no agent", "kernel-first", "runtime"];
/** ms */
const GROWTH_GOAL = 300;
const WARM_UP = 1;
/** Enough to see a tenth; with 400 containers the runtime alone takes half a minute for each. */
const CELLS: readonly Cell[] = [
  { shared: 100, rounds: 10, slowRounds: 10 },
  { shared: 400, rounds: 5, slowRounds: 5 },
];
const MOST = Math.max(...CELLS.map(({ shared }) => shared));
/** ms. The other creation needs some until it asks the plugins; where these take long, it is far from its end then. */
const LATER = 20;

const ALONE = "create";
const BOTH = "create and start";
const POD = "exclusive pod until it runs";
const BESIDE = "another pod meanwhile";
const GROWTH = "shared ones grow again";
const MEASURES = [ALONE, BOTH, POD, BESIDE, GROWTH] as const;

/** What was measured of one thing: a time in ms for each way and round. */
type Samples = Record<Way, number[]>;
type Measured = Record<typeof MEASURES[number], Samples>;

/** On which node a way is measured. */
interface Seat {
  readonly way: Way;
  readonly node: PoolNode;
}

/** Pairs of ways to be compared, and below what the median of the ratio should be with the most shared containers. */
const RATIOS: readonly { measure: typeof MEASURES[number]; ways: readonly [Way, Way]; goal?: number }[] = [
  { measure: ALONE, ways: ["kernel-first", "runtime"], goal: 1 / 20 },
  { measure: BOTH, ways: ["kernel-first", "no agent"], goal: 1.1 },
  { measure: BOTH, ways: ["runtime", "no agent"] },
  { measure: POD, ways: ["kernel-first", "no agent"] },
  { measure: POD, ways: ["runtime", "no agent"] },
  { measure: BESIDE, ways: ["kernel-first", "no agent"] },
  { measure: BESIDE, ways: ["runtime", "no agent"] },
];

/**
 * What a claim costs that shrinks the shared pool, on every real containerd there is; as root.
 * @throws {Error} one sentence, where none can run
 */
export async function measurePool(stage: Stage): Promise<Section[]> {
  const installs = await requirements();
  if (typeof installs === "string") throw new Error(`pool needs a real containerd: ${installs}`);
  await sweepLeftovers();
  const cells = cellsOf(Deno.env.get("CELLS") ?? "");
  const results: Result[] = [];
  for (const [at, install] of installs.entries()) {
    const progress = (done: number) =>
      stage.progress("pool", at * cells.length + done, installs.length * cells.length);
    results.push(...await measureOn(install, cells, progress));
  }
  return sectionsOf(results);
}

/** So many shared containers, and how many rounds are measured; only in the first ones by the runtime too. */
export interface Cell {
  readonly shared: number;
  readonly rounds: number;
  readonly slowRounds: number;
}

/** All, or those that a list such as `100,400` names. */
export function cellsOf(list: string, all: readonly Cell[] = CELLS): readonly Cell[] {
  const asked = list.split(",").filter(Boolean);
  const names = all.map(({ shared }) => `${shared}`);
  const unknown = asked.find((name) => !names.includes(name));
  if (unknown !== undefined) throw new Error(`CELLS names ${unknown}; there are ${names.join(", ")}`);
  return all.filter(({ shared }) => asked.length === 0 || asked.includes(`${shared}`));
}

/** What came of a cell. */
interface Result {
  readonly labels: readonly string[];
  readonly measured: Measured;
}

/** One containerd for each way, so that no way finds what another has left behind. */
async function measureOn(
  install: Install,
  cells: readonly Cell[],
  progress: (done: number) => void,
): Promise<Result[]> {
  await using nodes = new AsyncDisposableStack();
  const seats: Seat[] = [];
  for (const way of WAYS) seats.push({ way, node: nodes.use(await PoolNode.start(install)) });
  const results: Result[] = [];
  for (const [done, cell] of cells.entries()) {
    progress(done);
    for (const { way, node } of seats) {
      await node.turnTo(way);
      await node.fill(cell.shared);
    }
    const measured = await measure(seats, { ...cell, warmUp: WARM_UP });
    results.push({ labels: [install.version, `${cell.shared}`], measured });
  }
  return results;
}

/**
 * The same on one containerd, on which the ways take turns, where a container takes long to create. It ends with the machine:
 * nothing is removed.
 *
 * @param logs the folder for the agents' logs
 * @param tell is told of each way what it took, and how far it is
 */
export async function measurePoolInTurns(
  install: Install,
  options: StartOptions,
  cells: readonly Cell[],
  { logs, tell }: { readonly logs: string; readonly tell: (line: string) => void },
): Promise<Section[]> {
  const node = await PoolNode.start(install, options, logs);
  try {
    const seats = WAYS.map((way) => ({ way, node }));
    const results: Result[] = [];
    for (const cell of cells) {
      const { shared } = cell;
      tell(`creating shared containers until there are ${shared}`);
      await node.turnTo("no agent");
      await node.fill(shared);
      tell(`${shared} shared containers run`);
      const measured = await measure(seats, { ...cell, warmUp: 0, tell });
      results.push({ labels: [install.version, `${shared}`], measured });
    }
    return sectionsOf(results);
  } finally {
    await node.close();
  }
}

interface Course extends Cell {
  /** Rounds that don't count. */
  readonly warmUp: number;
  readonly tell?: (line: string) => void;
}

/** In turns, each round beginning with another way, so that whatever disturbs meets all of them alike. */
async function measure(
  seats: readonly Seat[],
  { warmUp, rounds, slowRounds, tell = () => {} }: Course,
): Promise<Measured> {
  const measured = Object.fromEntries(MEASURES.map((name) => [name, noSamples()])) as Measured;
  for (let round = 0; round < warmUp + rounds; round++) {
    const first = round % seats.length;
    for (const { way, node } of [...seats.slice(first), ...seats.slice(0, first)]) {
      if (way === "runtime" && round >= warmUp + slowRounds) continue;
      await node.turnTo(way);
      const { create, both, pod, growth } = await node.follow();
      const beside = await node.beside(hereMs(LATER));
      const took = { [ALONE]: create, [BOTH]: both, [POD]: pod, [BESIDE]: beside, [GROWTH]: growth };
      tell(`round ${round + 1}, ${way}, ms: ${JSON.stringify(took)}`);
      if (round < warmUp) continue;
      for (const name of MEASURES) measured[name][way].push(took[name]);
    }
  }
  return measured;
}

function sectionsOf(results: readonly Result[]): Section[] {
  return [
    {
      title: "A claim that shrinks the shared pool",
      note:
        "On a real containerd: a Guaranteed pod gets a CPU for itself, and so many running shared containers have to " +
        `leave it. Another: an unrelated shared pod until it runs, asked for ${
          hereMs(LATER)
        } ms after the exclusive container. ` +
        "Grow: from the answer of its StopPodSandbox until all of them have its CPU too.",
      dimensions: ["containerd", "shared", "what", "apply"],
      percentiles: true,
      figures: results.flatMap(({ labels, measured }) => timesOf(labels, measured)),
    },
    {
      title: "The same, compared round by round",
      note: "Each round measures every way once, in turns: the ratio of two ways in the same round.",
      dimensions: ["containerd", "shared", "what", "ratio"],
      percentiles: false,
      figures: results.flatMap(({ labels, measured }) => comparisonsOf(labels, measured)),
    },
  ];
}

function noSamples(): Samples {
  return { "no agent": [], "kernel-first": [], "runtime": [] };
}

function timesOf(labels: Result["labels"], measured: Measured): Figure[] {
  return MEASURES.flatMap((name) =>
    WAYS.map((way): Figure => ({
      labels: [...labels, name, way],
      unit: "ms",
      summary: summarize(measured[name][way]),
      ...(name === GROWTH && way === "kernel-first" ? { goal: GROWTH_GOAL } : {}),
    }))
  );
}

function comparisonsOf(labels: Result["labels"], measured: Measured): Figure[] {
  const isMost = labels.includes(`${MOST}`);
  return RATIOS.map(({ measure, ways: [one, other], goal }): Figure => ({
    ...comparison([...labels, measure, `${one} : ${other}`], ...paired(measured[measure], one, other)),
    ...(isMost && goal !== undefined ? { goal } : {}),
  }));
}

/** Of the rounds in which both were measured. */
function paired(samples: Samples, one: Way, other: Way): [number[], number[]] {
  const rounds = Math.min(samples[one].length, samples[other].length);
  return [samples[one].slice(0, rounds), samples[other].slice(0, rounds)];
}
