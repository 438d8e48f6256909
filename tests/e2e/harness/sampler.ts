import { beside } from "../cluster/places.ts";

/** Between two looks, on a usual machine. */
export const PERIOD_MS = 50;

/** What a sampler has seen so far. */
export interface Sampled {
  readonly samples: number;
  /** The longest time from one look to the next. */
  readonly longestMs: number;
  /** Containers that it has met. */
  readonly containers: number;
  /** Of these: how many ever had other CPUs than they asked for. */
  readonly unplaced: number;
  /** How many of the others ever were on an exclusive container's CPU, or had one on theirs. */
  readonly overlapping: number;
  /** The same with a pinned container's, from which no fence keeps those that start while the agent is away. */
  readonly onPinned: number;
  /** The first of them, in words. */
  readonly shown: readonly string[];
}

/** Looks at all containers of some nodes every 50 ms. */
export class Sampler implements Disposable {
  readonly #worker = new Worker(beside(import.meta.url, "sampler_worker"), { type: "module" });

  constructor(nodes: readonly string[]) {
    this.#worker.postMessage({ nodes });
  }

  /** What it has seen since it began. */
  async sampled(): Promise<Sampled> {
    const { promise, resolve, reject } = Promise.withResolvers<Sampled>();
    this.#worker.onmessage = ({ data }) => resolve(data);
    this.#worker.onerror = (event) => reject(new Error(`the sampler failed: ${event.message}`));
    this.#worker.postMessage({});
    return await promise;
  }

  [Symbol.dispose](): void {
    this.#worker.terminate();
  }
}
