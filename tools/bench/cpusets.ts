// What the kernel takes for the cpusets of many containers, in cgroup v1, where each write can go through all of them.

import assert from "node:assert/strict";
import process from "node:process";
import { CpuSet } from "../../src/cpu/cpu_set.ts";
import { findCgroup } from "../../src/cgroup/hierarchy.ts";
import { look, withKept } from "../../src/cgroup/keep.ts";
import { LoadBalance } from "../../src/cgroup/load_balance.ts";
import type { CpusetHierarchy } from "../../src/cgroup/read.ts";
import { type CgroupWrite, writeCpusets } from "../../src/cgroup/write.ts";
import { KERNEL, ScratchCgroups } from "../../tests/kit/scratch_cgroups.ts";
import type { Figure, Section } from "./report.ts";
import { sleepers } from "./sleepers.ts";
import type { Stage } from "./stage.ts";
import { ratios, summarize } from "./statistics.ts";

const CGROUPS = [100, 1000];
const ROUNDS = 9;
/** Of the time of plain writes. */
const GOAL = 0.2;
const DEADLINE_MS = 60_000;
const [FEWER, ALL] = [CpuSet.of(0), CpuSet.range(0, 1)];

type Way = "plain" | "balance off" | "balance off, kept open";
const NOW: Way = "balance off, kept open";

/**
 * A batch of writes with read-back, as an admission makes one that shrinks the shared pool.
 * @throws {Error} one sentence, where cgroup v1 can't be written
 */
export async function measureCpusets(stage: Stage): Promise<Section[]> {
  if (typeof KERNEL === "string") throw new Error(`cpusets needs cgroup v1: ${KERNEL}`);
  if (KERNEL.version !== 1) throw new Error("cpusets needs cgroup v1, and this machine's cpusets are v2's");
  const [times, comparisons]: [Figure[], Figure[]] = [[], []];
  for (const [at, count] of CGROUPS.entries()) {
    const progress = (round: number) =>
      stage.progress("cpusets", at * ROUNDS + round, CGROUPS.length * ROUNDS);
    const took = await measure(KERNEL, count, progress);
    for (const [way, samples] of Object.entries(took)) {
      times.push({ labels: [`${count}`, way], unit: "ms", summary: summarize(samples) });
      const summary = summarize(ratios(samples, took.plain));
      const goal = way === NOW && count === Math.max(...CGROUPS) ? { goal: GOAL } : {};
      if (way !== "plain") comparisons.push({ labels: [`${count}`, way], unit: "", summary, ...goal });
    }
  }
  const what = "so many cgroups of one process each are found, written and read back";
  return [
    {
      title: "Cpusets in cgroup v1",
      note: `CPU time, without a runtime: ${what}. Each in a pod's cgroup of its own.`,
      dimensions: ["cgroups", "way"],
      percentiles: false,
      figures: times,
    },
    {
      title: "The same, by the time of plain writes",
      note: "Each round measures every way once, in turns: the ratio of two in the same round.",
      dimensions: ["cgroups", "way"],
      percentiles: false,
      figures: comparisons,
    },
  ];
}

async function measure(kernel: CpusetHierarchy, count: number, progress: (round: number) => void) {
  const took: Record<Way, number[]> = { plain: [], "balance off": [], "balance off, kept open": [] };
  await using scratch = new ScratchCgroups(kernel);
  // Each in a pod of its own: the kernel also compares a cgroup with those beside it.
  const paths = Array.from({ length: count }, (_, at) => {
    scratch.make(`/pod${at}`, "0-1");
    return scratch.make(`/pod${at}/c${at}`, "0-1");
  });
  await using _ = await sleepers(scratch, paths);
  for (let round = 0; round < ROUNDS; round++) {
    progress(round);
    const ways: [Way, CpusetHierarchy][] = [
      ["plain", kernel],
      ["balance off", { ...kernel, balance: new LoadBalance(kernel.root) }],
      [NOW, withKept(kernel)],
    ];
    for (const [way, hierarchy] of ways) {
      // Once before it counts: the first write of a cgroup takes the flag from it, and opens what is kept.
      for (const cpus of [FEWER, ALL]) batch(hierarchy, paths, cpus);
      took[way].push(batch(hierarchy, paths, FEWER));
      batch(hierarchy, paths, ALL);
      hierarchy.kept?.close();
      if (way !== "plain") {
        for (const path of paths) scratch.write(path, "1", "cpuset.sched_load_balance");
      }
    }
  }
  return took;
}

/** The CPU time that it takes, in ms: other programs disturb that less, and there is nothing to wait for. */
function batch(hierarchy: CpusetHierarchy, paths: readonly string[], cpus: CpuSet): number {
  const began = process.cpuUsage();
  look(hierarchy, true);
  const writes = paths.map((path): CgroupWrite => {
    const id = path.slice(path.lastIndexOf("/") + 1);
    const found = findCgroup(hierarchy, { id, cgroup: { path, parent: "", pid: 0 } });
    assert(found.kind === "found");
    return { id, path: found.path, cpus };
  });
  assert.equal(writeCpusets(hierarchy, writes, DEADLINE_MS).kind, "done");
  const { user, system } = process.cpuUsage(began);
  return (user + system) / 1000;
}
