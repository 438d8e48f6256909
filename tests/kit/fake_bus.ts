/** A system bus with a systemd on it, that does what it is told. It runs beside the test, whose thread its client blocks. */
import assert from "node:assert/strict";

/** What happens once, at the next call of this name (or line: AUTH), in place of the right answer and nothing else. */
export interface Rule {
  readonly on: "AUTH" | "Hello" | "SetUnitProperties" | "Get";
  /** An error's name and text. */
  readonly error?: readonly [name: string, text: string];
  /** Sent before the right answer. */
  readonly before?: Uint8Array;
  /** Sent together with the right answer, behind it. */
  readonly after?: Uint8Array;
  /** The right answer is left out. */
  readonly silent?: boolean;
  /** The right answer is kept until the next call comes, on whichever connection. */
  readonly hold?: boolean;
  /** The right answer is written in pieces of so many bytes. */
  readonly piece?: number;
  /** The connection is closed afterwards. */
  readonly close?: boolean;
}

export type FromTest = { path: string } | { rules: readonly Rule[] } | { log: true };

export class FakeBus implements AsyncDisposable {
  readonly #worker = new Worker(import.meta.resolve("./fake_bus_worker.ts"), { type: "module" });

  private constructor(private readonly folder: string) {}

  static async start(): Promise<FakeBus> {
    const bus = new FakeBus(await Deno.makeTempDir());
    assert.equal(await bus.#ask({ path: bus.path }), "listening");
    return bus;
  }

  get path(): string {
    return `${this.folder}/bus`;
  }

  /** Adds rules; each is used once. */
  async rule(...rules: readonly Rule[]): Promise<void> {
    await this.#ask({ rules });
  }

  /** What came in since the last time, and each connection made or closed. */
  log(): Promise<string[]> {
    return this.#ask({ log: true }) as Promise<string[]>;
  }

  /** Resolves when a connection has been closed by either end. */
  async closed(): Promise<void> {
    while (!(await this.log()).includes("closed"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#worker.terminate();
    await Deno.remove(this.folder, { recursive: true });
  }

  #ask(question: FromTest): Promise<unknown> {
    const { promise, resolve } = Promise.withResolvers<unknown>();
    this.#worker.onmessage = ({ data }) => resolve(data);
    this.#worker.postMessage(question);
    return promise;
  }
}
