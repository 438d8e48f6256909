import { libc } from "./libc.ts";

/** A file or socket that was opened through libc. */
export class Descriptor {
  readonly number: number;
  #open = true;
  /** Threads of Deno's pool that use the number. */
  #users = 0;

  constructor(number: number) {
    this.number = number;
  }

  get isOpen(): boolean {
    return this.#open;
  }

  /** Awaits a call that runs on a thread of Deno's pool. */
  async await<T>(call: (number: number) => Promise<T>): Promise<T> {
    this.#users++;
    try {
      return await call(this.number);
    } finally {
      this.#users--;
      if (!this.#open) this.#giveBack();
    }
  }

  /** Idempotent. Doesn't end what is awaited; until that has ended by itself, the file stays as it is. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#giveBack();
  }

  /** While a thread uses the number it isn't given back: the kernel would give it to the next file opened. */
  #giveBack(): void {
    if (this.#users === 0) libc().close(this.number);
  }
}
