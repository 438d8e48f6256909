/** Everything that is fuzzed. */
import { busAnswers } from "./bus_answers.ts";
import { cgroupPaths } from "./cgroup_paths.ts";
import { cgroupTrees } from "./cgroup_trees.ts";
import { claims } from "./claims.ts";
import { environments, flags, yamlTexts } from "./configs.ts";
import { cpuLists } from "./cpu_lists.ts";
import { criAnswers } from "./cri_answers.ts";
import { descriptors } from "./descriptors.ts";
import { httpHeads } from "./http_heads.ts";
import { kubeletStates } from "./kubelet_states.ts";
import { logLines } from "./log_lines.ts";
import { machines } from "./machines.ts";
import { nriMessages } from "./nri_messages.ts";
import { nodeFiles } from "./node_files.ts";
import type { AnyTarget } from "./target.ts";
import { frames, sessions, trunks } from "./wires.ts";

export const TARGETS: readonly AnyTarget[] = [
  cpuLists,
  claims,
  yamlTexts,
  environments,
  flags,
  descriptors,
  machines,
  cgroupPaths,
  cgroupTrees,
  trunks,
  frames,
  sessions,
  nriMessages,
  criAnswers,
  busAnswers,
  httpHeads,
  kubeletStates,
  nodeFiles,
  logLines,
];

/** How many of `inputs` are for each target; at least one. */
export function sharesOf(targets: readonly AnyTarget[], inputs: number): ReadonlyMap<AnyTarget, number> {
  const whole = targets.reduce((sum, { share }) => sum + share, 0);
  return new Map(targets.map((target) => [target, Math.max(1, Math.round(inputs * target.share / whole))]));
}
