/** Real processes for tests of what happens between processes, or when one ends. */
import assert from "node:assert/strict";
import { kill, ROOT, spawn, type SpawnOptions } from "./spawn.ts";

/** A program that runs beside the test, and the lines that it prints. Its input and its errors are the test's own. */
export class Child {
  readonly #lines: ReadableStreamDefaultReader<string>;
  #rest = "";

  private constructor(readonly process: Deno.ChildProcess) {
    this.#lines = process.stdout.pipeThrough(new TextDecoderStream()).getReader();
  }

  /**
   * Starts `program`, which may import from `src` as "src/…". `shell` runs before it in the same process: limits,
   * mostly. Ends with the test, one way or another.
   */
  static async with(
    programs: readonly string[],
    play: (...children: Child[]) => Promise<void>,
    options: Pick<SpawnOptions, "shell" | "stderr"> = {},
  ): Promise<void> {
    const dir = await Deno.makeTempDir();
    const children: Child[] = [];
    try {
      for (const [at, program] of programs.entries()) {
        const file = `${dir}/program${at}.ts`;
        await Deno.writeTextFile(file, program.replaceAll('from "src/', `from "file://${ROOT}src/`));
        children.push(new Child(spawn({ program: file, stdout: "piped", stderr: "inherit", ...options })));
      }
      await play(...children);
    } finally {
      for (const child of children) await child.#end();
      await Deno.remove(dir, { recursive: true });
    }
  }

  /** The next line that it prints; undefined when there are no more. */
  async line(): Promise<string | undefined> {
    while (!this.#rest.includes("\n")) {
      const { value, done } = await this.#lines.read();
      if (done) return undefined;
      this.#rest += value;
    }
    const [line, ...rest] = this.#rest.split("\n");
    this.#rest = rest.join("\n");
    return line;
  }

  async says(expected: string | RegExp): Promise<void> {
    const line = await this.line() ?? "(nothing more)";
    if (typeof expected === "string") assert.equal(line, expected);
    else assert.match(line, expected);
  }

  async kill(): Promise<void> {
    await kill(this.process);
  }

  async #end(): Promise<void> {
    await kill(this.process);
    await this.#lines.cancel();
  }
}
