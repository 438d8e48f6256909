/** Where bytes go in the end: a file, a pipe. Resolves when they are taken. */
export type WriteAll = (bytes: Uint8Array) => Promise<void>;

/**
 * Lines written one after the other in the background. A reader that stalls must not stall the agent (a
 * late answer to the runtime leaves containers unplaced), so beyond `limit` waiting lines new ones are
 * dropped, and how many is said as soon as lines flow again.
 */
export class BoundedWriter {
  readonly #write: WriteAll;
  readonly #limit: number;
  readonly #encoder = new TextEncoder();
  #waiting: string[] = [];
  #dropped = 0;
  #draining: Promise<void> | undefined;

  constructor(write: WriteAll, limit: number) {
    this.#write = write;
    this.#limit = limit;
  }

  /** Takes a line (with its newline) in, or drops it; never waits, never throws. */
  push(line: string): void {
    if (this.#waiting.length >= this.#limit) this.#dropped++;
    else this.#waiting.push(line);
    this.#draining ??= this.#drain().finally(() => this.#draining = undefined);
  }

  /** Resolves when everything pushed so far is written or given up. */
  async flush(): Promise<void> {
    await this.#draining;
  }

  async #drain(): Promise<void> {
    while (this.#waiting.length > 0) {
      const lines = this.#waiting;
      this.#waiting = [];
      if (this.#dropped > 0) lines.push(`dropped ${this.#dropped} log lines, the reader was too slow\n`);
      this.#dropped = 0;
      // Where even this fails there is nobody left to tell; the agent's work goes on.
      await this.#write(this.#encoder.encode(lines.join(""))).catch(() => {});
    }
  }
}
