// What a claim costs with a thousand shared containers, beside what the kernel alone takes for the writes that it is made of:
// cgroups of the real kernel and the executable, without a runtime.

import assert from "node:assert/strict";
import { KERNEL } from "../../tests/kit/scratch_cgroups.ts";
import { BareFiles, type Care } from "./bare_files.ts";
import { comparison } from "./compare.ts";
import { ALL, BALANCE, KernelAgent, KernelNode } from "./kernel_node.ts";
import type { Figure, Section } from "./report.ts";
import type { Stage } from "./stage.ts";
import { summarize } from "./statistics.ts";

const SHARED = 1000;
const ROUNDS = 30;
const WARM_UP = 5;
/** ms: of a claim behind fences, and of one by the runtime. */
const [FENCED_GOAL, RUNTIME_GOAL] = [5, 3];
/** Of the kernel's own part, where each container is written. */
const KERNEL_GOAL = 1.15;

const KERNEL_FIRST = "exclusive, kernel-first";
const RUNTIME = "exclusive, by the runtime";
const CPU_TIME = "the agent's CPU time of an exclusive one, kernel-first";
const UNCHANGED = "shared, kernel-first";
const UNCHANGED_RUNTIME = "shared, by the runtime";
const WRITES = "the same writes alone";
const READ_BACK = "the same writes, each read back";
const LOOKED_AT = "the same writes, each cgroup looked at before";
const FLAGGED = "the same writes alone, with load balancing";

/** What was measured, each once a round. */
type Samples = Map<string, number[]>;

/** Which is compared with which, and below what the median of the ratio should be on cgroup v1. */
const RATIOS: readonly { of: string; to: string; goal?: number }[] = [
  { of: KERNEL_FIRST, to: WRITES },
  { of: KERNEL_FIRST, to: READ_BACK, goal: KERNEL_GOAL },
  { of: KERNEL_FIRST, to: LOOKED_AT },
  { of: CPU_TIME, to: LOOKED_AT },
  { of: KERNEL_FIRST, to: FLAGGED },
  { of: KERNEL_FIRST, to: UNCHANGED },
  { of: RUNTIME, to: UNCHANGED_RUNTIME },
];

/**
 * Claims of one CPU, kernel-first and by the runtime, and bare writes of the same sets in turns.
 * @throws {Error} one sentence, where no cgroups can be made
 */
export async function measureAdmission(
  stage: Pick<Stage, "executable" | "dir" | "progress">,
): Promise<Section[]> {
  if (typeof KERNEL === "string") throw new Error(`admission needs cgroups: ${KERNEL}`);
  const { version } = KERNEL;
  await using node = await KernelNode.make(KERNEL, SHARED);
  await using first = await KernelAgent.start(stage, node, "admission-kernel-first");
  await using runtime = await KernelAgent.start(stage, node, "admission-runtime", "runtime");
  // Behind fences only these two are written.
  const written = version === 1
    ? node.shared
    : ["burstable", "besteffort"].map((name) => `${node.scratch.top}/kubepods/${name}`);
  using bare = new BareFiles(node.directories(written));
  const samples: Samples = new Map();
  const turn = { node, first, runtime, written, bare, isFlagged: version === 1 };
  for (let round = -WARM_UP; round < ROUNDS; round++) {
    stage.progress("admission", Math.max(round, 0), ROUNDS);
    const took = await oneRound(turn);
    if (round < 0) continue;
    for (const [what, ms] of Object.entries(took)) samples.set(what, [...samples.get(what) ?? [], ms]);
  }
  return sections(version, written.length, samples);
}

interface Turn {
  readonly node: KernelNode;
  readonly first: KernelAgent;
  readonly runtime: KernelAgent;
  /** Cgroups that a claim writes kernel-first, which are there open too. */
  readonly written: readonly string[];
  readonly bare: BareFiles;
  /** Each cgroup can have load balancing (cgroup v1). */
  readonly isFlagged: boolean;
}

/** Everything once, in ms; all cgroups have all CPUs before and after each. */
async function oneRound({ node, first, runtime, written, bare, isFlagged }: Turn) {
  const claim = await first.claim();
  await node.settled(written);
  const alone = (care: Care) => {
    const took = bare.write(claim.rest, care);
    bare.write(ALL);
    return took;
  };
  const bareTook = {
    [WRITES]: alone("written"),
    [READ_BACK]: alone("read back"),
    [LOOKED_AT]: alone("looked at"),
  };
  const flagged: Record<string, number> = {};
  if (isFlagged) {
    for (const path of written) node.scratch.write(path, "1", BALANCE);
    flagged[FLAGGED] = alone("written");
    for (const path of written) node.scratch.write(path, "0", BALANCE);
  }
  const byRuntime = await runtime.claim();
  assert.equal(byRuntime.updates, SHARED);
  await node.settled(written);
  // What comes first after a claim makes up for what it has put off.
  for (const agent of [first, runtime]) await agent.share();
  return {
    [KERNEL_FIRST]: claim.took,
    [CPU_TIME]: claim.cpuTime,
    ...bareTook,
    ...flagged,
    [UNCHANGED]: await first.share(),
    [RUNTIME]: byRuntime.took,
    [UNCHANGED_RUNTIME]: await runtime.share(),
  };
}

function sections(version: 1 | 2, writes: number, samples: Samples): Section[] {
  const goals: Record<string, number> = {
    [RUNTIME]: RUNTIME_GOAL,
    ...(version === 2 ? { [KERNEL_FIRST]: FENCED_GOAL } : {}),
  };
  const figures = [...samples].map(([what, ms]): Figure => {
    const goal = goals[what];
    return { labels: [what], unit: "ms", summary: summarize(ms), ...(goal === undefined ? {} : { goal }) };
  });
  const compared = RATIOS.filter(({ of, to }) => samples.has(of) && samples.has(to)).map(
    ({ of, to, goal }): Figure => ({
      ...comparison([of, to], samples.get(of) ?? [], samples.get(to) ?? []),
      ...(goal === undefined || version === 2 ? {} : { goal }),
    }),
  );
  return [
    {
      title: `CreateContainer with ${SHARED} shared containers, cgroup v${version}`,
      note:
        `By the socket, with cgroups of the real kernel. Kernel-first an exclusive one takes ${writes} writes.`,
      dimensions: ["what"],
      percentiles: true,
      figures,
    },
    {
      title: "The same, compared round by round",
      note: "Each round measures everything once, in turns: the ratio of two in the same round.",
      dimensions: ["what", "by"],
      percentiles: false,
      figures: compared,
    },
  ];
}
