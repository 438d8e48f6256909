/** Where bytes go in the end: a file, a pipe. Resolves when they are taken. */
export type WriteAll = (bytes: Uint8Array) => Promise<void>;

/** What may wait to be written: so many lines, of so many characters together. */
export interface Room {
  readonly lines: number;
  readonly characters: number;
}

/**
 * Lines written one after the other in the background. A reader that stalls or a disk that is full must not
 * stall the agent (a late answer to the runtime leaves containers unplaced), so what finds no more room is dropped, those that fail are too, and how many is said as soon as lines flow again.
 */
export class BoundedWriter {
  readonly #write: WriteAll;
  readonly #room: Room;
  readonly #sayDropped: (count: number) => string;
  readonly #encoder = new TextEncoder();
  #waiting: string[] = [];
  #characters = 0;
  #dropped = 0;
  #draining: Promise<void> | undefined;

  /** `sayDropped` makes the line, with its newline, that says how many were dropped. */
  constructor(write: WriteAll, room: Room, sayDropped: (count: number) => string) {
    this.#write = write;
    this.#room = room;
    this.#sayDropped = sayDropped;
  }

  /** Takes a line (with its newline) in, or drops it; never waits, never throws. */
  push(line: string): void {
    if (this.#hasRoomFor(line)) {
      this.#waiting.push(line);
      this.#characters += line.length;
    } else this.#dropped++;
    this.#draining ??= this.#drain();
  }

  /** Resolves when everything pushed so far is written or given up. */
  async flush(): Promise<void> {
    await this.#draining;
  }

  #hasRoomFor(line: string): boolean {
    const { lines, characters } = this.#room;
    return this.#waiting.length < lines && this.#characters + line.length <= characters;
  }

  async #drain(): Promise<void> {
    while (this.#waiting.length > 0) {
      const lines = this.#waiting;
      const dropped = this.#dropped;
      this.#waiting = [];
      this.#characters = 0;
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
