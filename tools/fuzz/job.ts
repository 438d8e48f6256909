/** What the thread that fuzzes is sent, and sends. */
import type { Failure } from "./run.ts";
import type { AnyTarget } from "./target.ts";

export interface Job {
  /** The module whose TARGETS has it, as a URL. */
  readonly module: string;
  readonly name: string;
  readonly seed: number;
  readonly inputs: number;
  /** Two words: the index of the input that is being checked, and how many checks were begun. */
  readonly progress: SharedArrayBuffer;
}

export interface Figures {
  readonly milliseconds: number;
  /** The input that took longest. */
  readonly slowest: { readonly index: number; readonly milliseconds: number };
  /** Bytes that the heap has grown by over the last four fifths; undefined without --v8-flags=--expose-gc. */
  readonly growth: number | undefined;
}

export type Result = { readonly failure: Failure } | { readonly figures: Figures };

export async function targetsOf(module: string): Promise<readonly AnyTarget[]> {
  const { TARGETS } = await import(module) as { TARGETS: readonly AnyTarget[] };
  return TARGETS;
}
