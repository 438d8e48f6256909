import { type Install, requirements } from "../../tests/system/node/requirements.ts";
import { sweepLeftovers } from "../../tests/system/node/sweep.ts";
import { comparison } from "./compare.ts";
import { PoolNode, type Way } from "./pool_node.ts";
import type { Figure, Section } from "./report.ts";
import type { Stage } from "./stage.ts";
import { summarize } from "./statistics.ts";

const WAYS: readonly Way[] = ["no agent", "kernel-first", "runtime"];
const SHARED = [100, 400];
/** ms */
const GROWTH_GOAL = 300;
const WARM_UP = 1;
/** Enough to see a tenth; with 400 containers the runtime takes half a minute for each. */
const ROUNDS: Readonly<Record<number, number>> = { 100: 10, 400: 5 };
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
  const times: Figure[] = [];
  const comparisons: Figure[] = [];
  const counts = SHARED.filter(isAsked);
  for (const [at, install] of installs.entries()) {
    const progress = (done: number) =>
      stage.progress("pool", at * counts.length + done, installs.length * counts.length);
    for (const { labels, measured } of await measureOn(install, counts, progress)) {
      times.push(...timesOf(labels, measured));
      comparisons.push(...comparisonsOf(labels, measured));
    }
  }
  return [
    {
      title: "A claim that shrinks the shared pool",
      note:
        "On a real containerd: a Guaranteed pod gets a CPU for itself, and so many running shared containers have to " +
        `leave it. Another: an unrelated shared pod until it runs, asked for ${LATER} ms after the exclusive container. ` +
        "Grow: from the answer of its StopPodSandbox until all of them have its CPU too.",
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
  ];
}

/** All, unless CELLS names some. */
function isAsked(count: number): boolean {
  const asked = (Deno.env.get("CELLS") ?? "").split(",").filter(Boolean);
  return asked.length === 0 || asked.includes(`${count}`);
}

/** One containerd for each way, so that no way finds what another has left behind. */
async function measureOn(install: Install, counts: readonly number[], progress: (done: number) => void) {
  await using nodes = new AsyncDisposableStack();
  const all: PoolNode[] = [];
  for (const way of WAYS) all.push(nodes.use(await PoolNode.start(install, way)));
  const results: { labels: string[]; measured: Measured }[] = [];
  for (const [done, shared] of counts.entries()) {
    progress(done);
    for (const node of all) await node.fill(shared);
    const measured = await measure(all, ROUNDS[shared] ?? 0);
    results.push({ labels: [install.version, `${shared}`], measured });
  }
  return results;
}

/** In turns, each round beginning with another way, so that whatever disturbs meets all of them alike. */
async function measure(nodes: readonly PoolNode[], rounds: number): Promise<Measured> {
  const measured = Object.fromEntries(MEASURES.map((name) => [name, noSamples()])) as Measured;
  for (let round = 0; round < WARM_UP + rounds; round++) {
    const first = round % nodes.length;
    for (const node of [...nodes.slice(first), ...nodes.slice(0, first)]) {
      const { create, both, pod, growth } = await node.follow();
      const beside = await node.beside(LATER);
      if (round < WARM_UP) continue;
      measured[ALONE][node.way].push(create);
      measured[BOTH][node.way].push(both);
      measured[POD][node.way].push(pod);
      measured[BESIDE][node.way].push(beside);
      measured[GROWTH][node.way].push(growth);
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
      ...(name === GROWTH && way === "kernel-first" ? { goal: GROWTH_GOAL } : {}),
    }))
  );
}

function comparisonsOf(labels: readonly string[], measured: Measured): Figure[] {
  const isMost = labels.includes(`${Math.max(...SHARED)}`);
  return RATIOS.map(({ measure, ways: [one, other], goal }): Figure => ({
    ...comparison(
      [...labels, measure, `${one} : ${other}`],
      measured[measure][one],
      measured[measure][other],
    ),
    ...(isMost && goal !== undefined ? { goal } : {}),
  }));
}
