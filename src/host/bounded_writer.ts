/** Where bytes go in the end: a file, a pipe. Resolves when they are taken. */
export type WriteAll = (bytes: Uint8Array) => Promise<void>;

/**
 * Lines written one after the other in the background. A reader that stalls or a disk that is full must not
 * stall the agent (a late answer to the runtime leaves containers unplaced), so beyond `limit` waiting lines new
 * ones are dropped, those that fail are too, and how many is said as soon as lines flow again.
 */
export class BoundedWriter {
  readonly #write: WriteAll;
  readonly #limit: number;
  readonly #sayDropped: (count: number) => string;
  readonly #encoder = new TextEncoder();
  #waiting: string[] = [];
  #dropped = 0;
  #draining: Promise<void> | undefined;

  /** `sayDropped` makes the line, with its newline, that says how many were dropped. */
  constructor(write: WriteAll, limit: number, sayDropped: (count: number) => string) {
    this.#write = write;
    this.#limit = limit;
    this.#sayDropped = sayDropped;
  }

  /** Takes a line (with its newline) in, or drops it; never waits, never throws. */
  push(line: string): void {
    if (this.#waiting.length >= this.#limit) this.#dropped++;
    else this.#waiting.push(line);
    this.#draining ??= this.#drain();
  }

  /** Resolves when everything pushed so far is written or given up. */
  async flush(): Promise<void> {
    await this.#draining;
  }

  async #drain(): Promise<void> {
    while (this.#waiting.length > 0) {
      const lines = this.#waiting;
      const dropped = this.#dropped;
      this.#waiting = [];
      this.#dropped = 0;
      const text = lines.join("") + (dropped > 0 ? this.#sayDropped(dropped) : "");
      try {
        await this.#write(this.#encoder.encode(text));
      } catch {
        // There is nobody left to tell for now; the agent's work goes on.
        this.#dropped += dropped + lines.length;
      }
    }
    // In the same moment in which nothing was left: a line that comes later finds no drain, and begins one.
    this.#draining = undefined;
  }
}
