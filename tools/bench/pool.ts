import { type Install, requirements } from "../../tests/system/node/requirements.ts";
import { sweepLeftovers } from "../../tests/system/node/sweep.ts";
import { PoolNode, type Way } from "./pool_node.ts";
import type { Figure, Section } from "./report.ts";
import type { Stage } from "./stage.ts";
import { ratios, summarize } from "./statistics.ts";

const WAYS: readonly Way[] = ["no agent", "kernel-first", "runtime"];
const SHARED = [20, 50, 100];
/** Growth is measured besides with so many; a creation that the runtime applies would take longer than its time-out. */
const GROWING = 500;
const GROWTH_ROUNDS = 10;
/** ms */
const GROWTH_GOAL = 300;
const WARM_UP = 2;
const ROUNDS = 15;
/** ms. The other creation needs some until it asks the plugins; where these take long, it is far from its end then. */
const LATER = 20;

const ALONE = "create";
const BOTH = "create and start";
const BESIDE = "create another meanwhile";
const MEASURES = [ALONE, BOTH, BESIDE] as const;

/** What was measured of one thing: a time in ms for each way and round. */
type Samples = Record<Way, number[]>;
type Measured = Record<typeof MEASURES[number], Samples>;

/** Pairs of ways to be compared, and below what the median of the ratio should be with the most shared containers. */
const RATIOS: readonly { measure: typeof MEASURES[number]; ways: readonly [Way, Way]; goal?: number }[] = [
  { measure: ALONE, ways: ["kernel-first", "runtime"], goal: 1 / 20 },
  { measure: BOTH, ways: ["kernel-first", "no agent"], goal: 1.1 },
  { measure: BOTH, ways: ["runtime", "no agent"] },
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
  const times: Figure[] = [];
  const comparisons: Figure[] = [];
  const growth: Figure[] = [];
  const parts = SHARED.length + 1;
  for (const [at, install] of installs.entries()) {
    const progress = (done: number) => stage.progress("pool", at * parts + done, installs.length * parts);
    for (const { labels, measured } of await measureOn(install, progress)) {
      times.push(...timesOf(labels, measured));
      comparisons.push(...comparisonsOf(labels, measured));
    }
    progress(SHARED.length);
    growth.push(await measureGrowth(install));
  }
  return [
    {
      title: "A claim that shrinks the shared pool",
      note:
        "On a real containerd: a container is pinned to a CPU, and so many running shared ones have to leave it. " +
        `Another: an unrelated shared container, asked for ${LATER} ms after the pinned one.`,
      dimensions: ["containerd", "shared", "what", "apply"],
      percentiles: true,
      figures: times,
    },
    {
      title: "The same, compared round by round",
      note: "Each round measures every way once, in turns: the ratio of two ways in the same round.",
      dimensions: ["containerd", "shared", "what", "ratio"],
      percentiles: false,
      figures: comparisons,
    },
    {
      title: "A shared pool that grows",
      note:
        "On a real containerd, kernel-first: from the answer of StopPodSandbox of a pinned pod until so many " +
        "running shared ones have its CPU too.",
      dimensions: ["containerd", "shared"],
      percentiles: true,
      figures: growth,
    },
  ];
}

async function measureGrowth(install: Install): Promise<Figure> {
  await using node = await PoolNode.start(install, "kernel-first");
  await node.fill(GROWING);
  const took: number[] = [];
  for (let round = 0; round < GROWTH_ROUNDS; round++) took.push((await node.follow()).growth);
  return {
    labels: [install.version, `${GROWING}`],
    unit: "ms",
    summary: summarize(took),
    goal: GROWTH_GOAL,
  };
}

/** One containerd for each way, so that no way finds what another has left behind. */
async function measureOn(install: Install, progress: (done: number) => void) {
  await using nodes = new AsyncDisposableStack();
  const all: PoolNode[] = [];
  for (const way of WAYS) all.push(nodes.use(await PoolNode.start(install, way)));
  const results: { labels: string[]; measured: Measured }[] = [];
  for (const [done, shared] of SHARED.entries()) {
    progress(done);
    for (const node of all) await node.fill(shared);
    results.push({ labels: [install.version, `${shared}`], measured: await measure(all) });
  }
  return results;
}

/** In turns, each round beginning with another way, so that whatever disturbs meets all of them alike. */
async function measure(nodes: readonly PoolNode[]): Promise<Measured> {
  const measured = Object.fromEntries(MEASURES.map((name) => [name, noSamples()])) as Measured;
  for (let round = 0; round < WARM_UP + ROUNDS; round++) {
    const first = round % nodes.length;
    for (const node of [...nodes.slice(first), ...nodes.slice(0, first)]) {
      const { create, both } = await node.follow();
      const beside = await node.beside(LATER);
      if (round < WARM_UP) continue;
      measured[ALONE][node.way].push(create);
      measured[BOTH][node.way].push(both);
      measured[BESIDE][node.way].push(beside);
    }
  }
  return measured;
}

function noSamples(): Samples {
  return { "no agent": [], "kernel-first": [], "runtime": [] };
}

function timesOf(labels: readonly string[], measured: Measured): Figure[] {
  return MEASURES.flatMap((name) =>
    WAYS.map((way): Figure => ({
      labels: [...labels, name, way],
      unit: "ms",
      summary: summarize(measured[name][way]),
    }))
  );
}

function comparisonsOf(labels: readonly string[], measured: Measured): Figure[] {
  const isMost = labels.includes(`${Math.max(...SHARED)}`);
  return RATIOS.map(({ measure, ways: [one, other], goal }): Figure => ({
    labels: [...labels, measure, `${one} / ${other}`],
    unit: "",
    summary: summarize(ratios(measured[measure][one], measured[measure][other])),
    ...(isMost && goal !== undefined ? { goal } : {}),
  }));
}
