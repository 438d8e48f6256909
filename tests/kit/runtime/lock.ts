import { assert } from "../../../src/assert.ts";

/** More than any test queues; beyond it something is stuck. */
const MAX_WAITING = 10_000;

/** One at a time, in the order of asking. */
export class Lock {
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  run<T>(work: () => Promise<T>): Promise<T> {
    assert(this.#waiting < MAX_WAITING, `${MAX_WAITING} calls wait for the lock`);
    this.#waiting++;
    const result = this.#last.then(work).finally(() => this.#waiting--);
    this.#last = result.catch(() => {});
    return result;
  }
}
