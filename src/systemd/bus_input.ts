import { assert } from "../assert.ts";
import { ProtocolError } from "../wire/errors.ts";

/** The most bytes of a message that is kept: answers to our calls have some hundred. */
export const MAX_REPLY = 64 * 1024;
/** The most bytes of a line before the messages, the end of line included. */
export const MAX_LINE = 512;

const CR = 13;
const LF = 10;

/** What comes in on a connection of a bus, in the pieces that are asked for. Holds one answer's bytes at most. */
export class BusInput {
  readonly #buffer = new Uint8Array(MAX_REPLY);
  #start = 0;
  #end = 0;

  /** @param receive puts bytes into a buffer that isn't empty, at least one, and returns their number; or throws */
  constructor(private readonly receive: (buffer: Uint8Array<ArrayBuffer>) => number) {}

  /** Bytes that have arrived and weren't asked for. */
  get waiting(): number {
    return this.#end - this.#start;
  }

  /** The next `count` bytes, at most {@link MAX_REPLY}; valid until the next call. */
  take(count: number): Uint8Array {
    assert(count <= MAX_REPLY, `${count} bytes asked for`);
    while (this.waiting < count) this.#fill();
    this.#start += count;
    return this.#buffer.subarray(this.#start - count, this.#start);
  }

  /** Passes by the next `count` bytes. */
  drop(count: number): void {
    for (let left = count; left > 0;) {
      if (this.waiting === 0) this.#fill();
      const passed = Math.min(left, this.waiting);
      this.#start += passed;
      left -= passed;
    }
  }

  /** The next line, without its end (CR LF), as text in which each byte is a character. */
  line(): string {
    for (let seen = 0;;) {
      const waiting = this.#buffer.subarray(this.#start, this.#end);
      for (; seen < waiting.length; seen++) {
        if (seen >= MAX_LINE) {
          throw new ProtocolError("oversize-frame", `a line of the system bus has no end`);
        }
        if (waiting[seen] !== LF || waiting[seen - 1] !== CR) continue;
        this.#start += seen + 1;
        return String.fromCharCode(...waiting.subarray(0, seen - 1));
      }
      this.#fill();
    }
  }

  #fill(): void {
    this.#buffer.copyWithin(0, this.#start, this.#end);
    this.#end -= this.#start;
    this.#start = 0;
    this.#end += this.receive(this.#buffer.subarray(this.#end));
  }
}
