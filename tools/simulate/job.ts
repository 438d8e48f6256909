/** What the threads of a simulation are asked for, and their answers. */
import type { Node } from "./seeds.ts";
import type { Chosen } from "./scenario.ts";
import type { Failure } from "./simulate.ts";
import type { Played, Violation } from "./tally.ts";

export type Job =
  /** Plays these nodes. */
  | { readonly kind: "play"; readonly nodes: readonly Node[]; readonly chosen: Chosen }
  /** Makes the list of events that leads to a violation as short as it gets. */
  | { readonly kind: "shrink"; readonly violation: Violation };

export type Answer =
  | { readonly kind: "played"; readonly played: Played }
  | { readonly kind: "shrunk"; readonly failure: Failure };
