/**
 * Bugs that must not come: each is a small edit that a person might make in good faith, and that some unit test has
 * to notice (`deno run -A tools/mutate/main.ts --planted`). `anchors.ts` finds its place.
 */
import type { Anchored } from "./anchors.ts";
import { CALLS } from "./planted_calls.ts";
import { CORE } from "./planted_core.ts";
import { CPU, LEDGER } from "./planted_decisions.ts";

export interface Planted extends Anchored {
  /** What the edit breaks. */
  readonly breaks: string;
}

export const PLANTED: readonly Planted[] = [...CPU, ...LEDGER, ...CORE, ...CALLS];
