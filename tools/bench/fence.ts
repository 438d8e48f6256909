// What a claim costs where the QoS classes are fenced, by how many containers there are in them: cgroups of the real
// kernel and the executable, without a runtime.

import { KERNEL } from "../../tests/kit/scratch_cgroups.ts";
import { KernelAgent, KernelNode } from "./kernel_node.ts";
import type { Figure, Section } from "./report.ts";
import type { Stage } from "./stage.ts";
import { ratios, summarize } from "./statistics.ts";

const [FEW, MANY] = [10, 1000] as const;
const ROUNDS = 40;
const WARM_UP = 5;
const REQUESTS = 1000;
/** Of the time with few containers. */
const GOAL = 1.5;

/**
 * Admissions of an exclusive container: created, its cgroup made, started, ended.
 * @throws {Error} one sentence, where no cgroups can be made
 */
export async function measureFence(
  stage: Pick<Stage, "executable" | "dir" | "progress">,
): Promise<Section[]> {
  if (typeof KERNEL === "string") throw new Error(`fence needs cgroup v2: ${KERNEL}`);
  if (KERNEL.version !== 2) {
    throw new Error("fence needs cgroup v2: make bench-vm boots a machine that has it");
  }
  await using stack = new AsyncDisposableStack();
  const agents = new Map<number, KernelAgent>();
  for (const count of [FEW, MANY]) {
    const node = stack.use(await KernelNode.make(KERNEL, count));
    agents.set(count, stack.use(await KernelAgent.start(stage, node, `fence${count}`)));
  }
  const took: Record<number, number[]> = { [FEW]: [], [MANY]: [] };
  for (let round = -WARM_UP; round < ROUNDS; round++) {
    stage.progress("fence", Math.max(round, 0), ROUNDS);
    for (const [count, agent] of agents) {
      const { took: ms } = await agent.claim();
      if (round >= 0) took[count]?.push(ms);
    }
  }
  const cpu = new Map<number, number>();
  for (const [count, agent] of agents) cpu.set(count, await agent.cpuTimeOf(REQUESTS));
  return sections(took, cpu);
}

function sections(
  took: Readonly<Record<number, readonly number[]>>,
  cpu: ReadonlyMap<number, number>,
): Section[] {
  const [few = [], many = []] = [took[FEW], took[MANY]];
  const figures: Figure[] = [[FEW, few], [MANY, many]].map(([count, samples]) => ({
    labels: [`${count}`, "CreateContainer"],
    unit: "ms",
    summary: summarize(samples as number[]),
  }));
  for (const [count, ms] of cpu) {
    figures.push({
      labels: [`${count}`, `CPU time of ${REQUESTS} requests`],
      unit: "ms",
      summary: summarize([ms]),
    });
  }
  const cpuRatio = (cpu.get(MANY) ?? NaN) / (cpu.get(FEW) ?? NaN);
  const comparison: Figure[] = [
    { labels: ["CreateContainer"], unit: "", summary: summarize(ratios(many, few)), goal: GOAL },
    { labels: [`CPU time of ${REQUESTS} requests`], unit: "", summary: summarize([cpuRatio]), goal: GOAL },
  ];
  return [
    {
      title: "An exclusive claim behind fences",
      note: `On cgroup v2, by how many shared containers there are in the two classes.`,
      dimensions: ["shared", "what"],
      percentiles: true,
      figures,
    },
    {
      title: `The same with ${MANY} by that with ${FEW}`,
      note: "Both agents take turns: the ratio of two in the same round.",
      dimensions: ["what"],
      percentiles: false,
      figures: comparison,
    },
  ];
}
