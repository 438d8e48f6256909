/** Which kinds of events were played, and which came after which: overall, and for each container. */
import type { Kind, SimEvent } from "./events.ts";
import { WEIGHTS } from "./draw.ts";

export const KINDS = Object.keys(WEIGHTS) as Kind[];

/** What was counted, as it goes from one thread to another. */
export type Counted = Pick<Coverage, "kinds" | "pairs" | "containerPairs">;

export class Coverage {
  readonly kinds = new Map<string, number>();
  readonly pairs = new Map<string, number>();
  readonly containerPairs = new Map<string, number>();
  #last: Kind | undefined;
  readonly #lastOf = new Map<string, Kind>();

  add(event: SimEvent): void {
    const { kind } = event;
    count(this.kinds, kind);
    if (this.#last !== undefined) count(this.pairs, `${this.#last} → ${kind}`);
    this.#last = kind;
    if (!("id" in event)) return;
    const before = this.#lastOf.get(event.id);
    if (before !== undefined) count(this.containerPairs, `${before} → ${kind}`);
    this.#lastOf.set(event.id, kind);
  }

  /** Adds what another one has counted. */
  merge({ kinds, pairs, containerPairs }: Counted): void {
    addAll(this.kinds, kinds);
    addAll(this.pairs, pairs);
    addAll(this.containerPairs, containerPairs);
  }

  /** Another node: its events don't follow the last one's. */
  cut(): void {
    this.#last = undefined;
    this.#lastOf.clear();
  }

  /** Kinds that never came. */
  get missing(): Kind[] {
    return KINDS.filter((kind) => !this.kinds.has(kind));
  }
}

function count(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

export function addAll<K>(into: Map<K, number>, counts: ReadonlyMap<K, number>): void {
  for (const [key, count] of counts) into.set(key, (into.get(key) ?? 0) + count);
}
