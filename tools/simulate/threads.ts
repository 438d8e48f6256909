/** Plays nodes on several threads. */
import type { Answer, Job } from "./job.ts";
import type { Chosen } from "./scenario.ts";
import type { Node } from "./seeds.ts";
import type { Failure } from "./simulate.ts";
import { Tally, type Violation } from "./tally.ts";

/** Nodes of one job: a second of work or less, so that all threads end at about the same time. */
const NODES_PER_JOB = 8;

export class Threads {
  readonly #workers: readonly Worker[];

  constructor(count: number) {
    const url = new URL("./worker.ts", import.meta.url);
    this.#workers = Array.from({ length: count }, () => new Worker(url, { type: "module" }));
  }

  /** Plays all nodes. `onPlayed` is called with what was played so far; when it returns false, no more nodes are begun. */
  async play(
    nodes: Iterable<Node>,
    chosen: Chosen,
    onPlayed: (tally: Tally) => boolean = () => true,
  ): Promise<Tally> {
    const tally = new Tally();
    let goesOn = true;
    await this.#each(
      batches(nodes, () => goesOn).map((nodes): Job => ({ kind: "play", nodes, chosen })),
      (answer) => {
        if (answer.kind !== "played") return;
        tally.merge(answer.played);
        goesOn &&= onPlayed(tally);
      },
    );
    tally.violations.sort((a, b) => a.scenario.seed - b.scenario.seed);
    return tally;
  }

  /** The shortest lists of events that lead to such violations, in no order. */
  async shrink(
    violations: readonly Violation[],
    onShrunk: (failure: Failure) => void = () => {},
  ): Promise<Failure[]> {
    const failures: Failure[] = [];
    const jobs = violations.values().map((violation): Job => ({ kind: "shrink", violation }));
    await this.#each(jobs, (answer) => {
      if (answer.kind !== "shrunk") return;
      failures.push(answer.failure);
      onShrunk(answer.failure);
    });
    return failures;
  }

  end(): void {
    for (const worker of this.#workers) worker.terminate();
  }

  async #each(jobs: IteratorObject<Job>, onAnswer: (answer: Answer) => void): Promise<void> {
    await Promise.all(this.#workers.map(async (worker) => {
      for (let next = jobs.next(); !next.done; next = jobs.next()) {
        onAnswer(await answerOf(worker, next.value));
      }
    }));
  }
}

function* batches(nodes: Iterable<Node>, goesOn: () => boolean): Generator<Node[]> {
  let batch: Node[] = [];
  for (const node of nodes) {
    if (batch.push(node) < NODES_PER_JOB) continue;
    yield batch;
    batch = [];
    if (!goesOn()) return;
  }
  if (batch.length > 0) yield batch;
}

function answerOf(worker: Worker, job: Job): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  worker.onmessage = ({ data }: MessageEvent<Answer>) => resolve(data);
  worker.onerror = (event) => (event.preventDefault(), reject(new Error(event.message)));
  worker.postMessage(job);
  return promise;
}
