/** Texts that are remembered; the oldest is forgotten first. */
const MAX_REMEMBERED = 100;

/** Tells what was said a moment ago, so that a state that lasts doesn't fill the log. */
export class Repeats {
  readonly #quiet: number;
  readonly #saidAt = new Map<string, number>();

  /** A text counts as news again `quiet` milliseconds after it was news last. */
  constructor(quiet: number) {
    this.#quiet = quiet;
  }

  /** Whether `text` is worth saying at `now` (milliseconds of any clock that never goes back). */
  isNews(text: string, now: number): boolean {
    const last = this.#saidAt.get(text);
    if (last !== undefined && now - last < this.#quiet) return false;
    this.#saidAt.delete(text);
    this.#saidAt.set(text, now);
    for (const oldest of this.#saidAt.keys()) {
      if (this.#saidAt.size <= MAX_REMEMBERED) break;
      this.#saidAt.delete(oldest);
    }
    return true;
  }
}
