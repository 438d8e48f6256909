import type { CpuSet } from "../cpu/cpu_set.ts";
import type { CpusetHierarchy, Vanished } from "./read.ts";
import type { CpusetStep } from "./steps.ts";
import { type CpusetDone, type CpusetFailed, putBack, type StuckCpuset, writeCpuset } from "./write.ts";

/** One container of a plan. */
export interface CpusetWrite {
  /** The cgroup of the container, below the root of the hierarchy. */
  readonly path: string;
  /** At least one. */
  readonly cpus: CpuSet;
}

/** What came of a plan. */
export type CpusetPlanResult = CpusetPlanDone | CpusetPlanUndone;

/** Every container has its CPUs, or is gone. */
export interface CpusetPlanDone {
  readonly kind: "done";
  /** For each of the writes, in their order. */
  readonly results: readonly (CpusetDone | Vanished)[];
}

/** One has not, and the others have what they had before, except for what is `stuck`. */
export interface CpusetPlanUndone {
  readonly kind: "undone";
  /** Which of the writes failed, counted from 0; with the code `late` the one that there was no time for. */
  readonly failed: number;
  readonly code: string;
  /** One sentence. */
  readonly reason: string;
  /** What could not be put back. */
  readonly stuck: readonly StuckCpuset[];
}

/**
 * Writes many containers in the given order, all or nothing: those that give up CPUs should come first. It doesn't
 * come back before that is done or undone, and waits for nothing but the kernel.
 *
 * @param deadlineMs milliseconds after which no more is begun and all is put back, which may take as long again
 * @param now a clock in milliseconds
 */
export function applyAll(
  hierarchy: CpusetHierarchy,
  writes: readonly CpusetWrite[],
  deadlineMs: number,
  now: () => number = () => performance.now(),
): CpusetPlanResult {
  const end = now() + deadlineMs;
  const results: (CpusetDone | Vanished)[] = [];
  for (const [index, { path, cpus }] of writes.entries()) {
    const result = now() > end ? late(path, deadlineMs) : writeCpuset(hierarchy, path, cpus);
    if (result.kind === "failed") {
      const { code, reason, stuck } = result;
      const others = putBack(hierarchy, results.flatMap(stepsOf));
      return { kind: "undone", failed: index, code, reason, stuck: [...stuck, ...others] };
    }
    results.push(result);
  }
  return { kind: "done", results };
}

function stepsOf(result: CpusetDone | Vanished): readonly CpusetStep[] {
  return result.kind === "done" ? result.steps : [];
}

function late(path: string, deadlineMs: number): CpusetFailed {
  const reason = `${deadlineMs} ms were over before ${path} could be written`;
  return { kind: "failed", code: "late", reason, stuck: [] };
}
