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
      if (!this.#open) this.#closeUnused();
    }
  }

  /** Idempotent. Calls under way go on; the file is closed when the last one has ended. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#closeUnused();
  }

  /** Not while a thread uses the number: the kernel would reuse it for the next file opened. */
  #closeUnused(): void {
    if (this.#users === 0) libc().close(this.number);
  }
}
