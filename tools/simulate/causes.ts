/** Violations by what they are about. */
import type { Violation } from "./tally.ts";

export interface CauseGroup {
  /** The violations' common text. */
  readonly cause: string;
  /** By seed. */
  readonly violations: readonly Violation[];
  /** The one after the fewest events. */
  readonly shortest: Violation;
}

/** The commonest cause first. */
export function byCause(violations: readonly Violation[]): CauseGroup[] {
  const groups = Map.groupBy(violations, ({ problem }) => causeOf(problem));
  return [...groups].map(([cause, group]) => ({
    cause,
    violations: group.toSorted((a, b) => a.scenario.seed - b.scenario.seed),
    shortest: group.reduce((best, each) => each.at < best.at ? each : best),
  })).sort((a, b) => b.violations.length - a.violations.length || (a.cause < b.cause ? -1 : 1));
}

/** The first line of a violation without ids, names, CPU lists and numbers. */
export function causeOf(problem: string): string {
  const [line = ""] = problem.split("\n");
  return line.replaceAll(/\bpod \S+ container [^\s:]+/g, "pod # container #")
    .replaceAll(/\b[cq]\d[\d.]*/g, "c#").replaceAll(/\d[\d,-]*/g, "#");
}
