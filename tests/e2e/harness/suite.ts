/** What a test is; the suites are in `../suites`. */
import type { Bench } from "./bench.ts";

export interface Test {
  readonly name: string;
  /**
   * The most CPUs that its pods claim at one time: tests run side by side as long as there is room for all. More where it
   * names CPUs: the number of the last one, since one is left to the pool.
   */
  readonly needs: number;
  /** It needs the node for itself: it counts CPUs of all, or compares an integer pod's with earlier ones, which others' pins move. */
  readonly alone?: boolean;
  /** It does something to the node that only nodes of this machine allow, such as killing the agent. Also alone. */
  readonly own?: boolean;
  /** What it does is done to all nodes, as to the DaemonSet: nothing runs on any of them meanwhile. */
  readonly everywhere?: boolean;
  /** The agent is away meanwhile: containers that start in that gap may have other CPUs than they asked for. */
  readonly gap?: boolean;
  /** What the original's case is called, where there is one. */
  readonly original?: string;
  run(bench: Bench): Promise<void>;
}

export interface Suite {
  readonly name: string;
  readonly tests: readonly Test[];
}

/** `Annotated Pod / pins to a list` */
export function titleOf(suite: Suite, test: Test): string {
  return `${suite.name} / ${test.name}`;
}

/** Whether it must not run beside others. */
export function isAlone({ alone = false, own = false }: Test): boolean {
  return alone || own;
}
