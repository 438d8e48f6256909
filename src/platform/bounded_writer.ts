/** Writes all bytes to a file or pipe; resolves when they are written. */
export type WriteAll = (bytes: Uint8Array) => Promise<void>;

/** The bound of the queue: so many lines, of so many characters together. */
interface QueueBound {
  readonly lines: number;
  readonly characters: number;
}

/**
 * Writes lines one after the other in the background. A reader that stalls or a disk that is full must not stall the
 * agent (a late answer to the runtime leaves containers unplaced). So lines beyond the bound are dropped, lines whose
 * write fails are too, and their number is written once a write succeeds again.
 */
export class BoundedWriter {
  readonly #write: WriteAll;
  readonly #bound: QueueBound;
  readonly #droppedLine: (count: number) => string;
  readonly #encoder = new TextEncoder();
  #queue: string[] = [];
  #characters = 0;
  #dropped = 0;
  #draining: Promise<void> | undefined;

  /** `droppedLine` makes the line, with its newline, that reports how many were dropped. */
  constructor(write: WriteAll, bound: QueueBound, droppedLine: (count: number) => string) {
    this.#write = write;
    this.#bound = bound;
    this.#droppedLine = droppedLine;
  }

  /** Queues a line (with its newline), or drops it; never blocks, never throws. */
  push(line: string): void {
    if (this.#hasRoomFor(line)) {
      this.#queue.push(line);
      this.#characters += line.length;
    } else this.#dropped++;
    this.#draining ??= this.#drain();
  }

  /** Resolves when everything pushed so far is written or dropped. */
  async flush(): Promise<void> {
    await this.#draining;
  }

  #hasRoomFor(line: string): boolean {
    const { lines, characters } = this.#bound;
    return this.#queue.length < lines && this.#characters + line.length <= characters;
  }

  async #drain(): Promise<void> {
    while (this.#queue.length > 0) {
      const lines = this.#queue;
      const dropped = this.#dropped;
      this.#queue = [];
      this.#characters = 0;
      this.#dropped = 0;
      const text = lines.join("") + (dropped > 0 ? this.#droppedLine(dropped) : "");
      try {
        await this.#write(this.#encoder.encode(text));
      } catch {
        // There is no other place to report it; the agent goes on.
        this.#dropped += dropped + lines.length;
      }
    }
    // In the same turn in which the queue was empty: a later line starts a new drain.
    this.#draining = undefined;
  }
}
