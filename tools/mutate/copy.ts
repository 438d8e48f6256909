/**
 * A throw-away copy of a checkout, in memory where that can be: changed files and the tests that run on them
 * never touch the checkout itself.
 */
import { join } from "node:path";

/** All that the unit tests read. */
const COPIED = [
  ...["src", "tests", "tools", "hack", "docs", "proto", "deploy"],
  ...["main.ts", "deno.json", "deno.lock", "README.md", "ARCHITECTURE.md"],
];
const IN_MEMORY = "/dev/shm";

/** How a run of tests ended. */
export interface TestRun {
  readonly outcome: "passed" | "failed" | "timed out";
  /** The first test that failed, or why there is none; empty where all passed. */
  readonly by: string;
  readonly seconds: number;
}

/** Random tests draw the same in every run: else what fails by chance would be taken for found. */
const SEEDED = `import fc from "fast-check";\nfc.configureGlobal({ seed: 1 });\n`;
const ENTRY = "mutation_entry.ts";
const SEED = "mutation_seed.ts";

export class Copy {
  readonly #cache: string;
  #child: Deno.ChildProcess | undefined;
  #removed = false;

  private constructor(readonly path: string) {
    this.#cache = join(path, ".cache");
  }

  /** A copy of the checkout at `root`; what it lacks is left out. */
  static async of(root: string): Promise<Copy> {
    const dir = await isFolder(IN_MEMORY) ? IN_MEMORY : undefined;
    const path = await Deno.makeTempDir({ prefix: "mutation-", ...(dir === undefined ? {} : { dir }) });
    const wanted = await Promise.all(
      COPIED.map(async (name) => await exists(join(root, name)) ? [name] : []),
    );
    await run("cp", ["-r", ...wanted.flat().map((name) => join(root, name)), path]);
    const copy = new Copy(path);
    await copy.#prepare();
    return copy;
  }

  /** Deno's cache lies in the copy too, and knows the fetched packages. */
  async #prepare(): Promise<void> {
    const { denoDir } = JSON.parse(await run(Deno.execPath(), ["info", "--json"])) as { denoDir: string };
    await Deno.mkdir(this.#cache);
    for (const name of ["npm", "registries"]) {
      if (await exists(join(denoDir, name))) await Deno.symlink(join(denoDir, name), join(this.#cache, name));
    }
    const config = await this.read("deno.json");
    await this.write("deno.json", config.replace(/("noUnused\w+": )true/g, "$1false"));
    await this.write(SEED, config.includes("fast-check") ? SEEDED : "");
  }

  read(file: string): Promise<string> {
    return Deno.readTextFile(join(this.path, file));
  }

  async write(file: string, text: string): Promise<void> {
    await Deno.writeTextFile(join(this.path, file), text);
  }

  /**
   * Runs test files until the first failure, in this order, as one program: that saves a second for every ten files.
   * One that isn't through after `limit` seconds is ended. `report`: a file for JUnit's form of the results.
   */
  async test(files: readonly string[], limit: number, report?: string): Promise<TestRun> {
    await this.write(
      ENTRY,
      [SEED, ...files].map((file) => `import "./${file}";\n`).join(""),
    );
    const junit = report === undefined ? [] : [`--junit-path=${report}`];
    const start = performance.now();
    const args = ["test", "--allow-all", "--no-check", "--quiet", "--fail-fast", ...junit, HEAP, ENTRY];
    const { code, text, ended } = await this.#deno(args, limit);
    const seconds = (performance.now() - start) / 1000;
    if (ended) return { outcome: "timed out", by: `no end after ${limit.toFixed(0)} s`, seconds };
    return code === 0
      ? { outcome: "passed", by: "", seconds }
      : { outcome: "failed", by: firstFailure(text), seconds };
  }

  /** Whether the compiler finds fault with a file; an unused name is none here. */
  async compiles(file: string): Promise<boolean> {
    const { code } = await this.#deno(["check", "--quiet", file], 120);
    return code === 0;
  }

  async #deno(args: string[], limit: number): Promise<{ code: number; text: string; ended: boolean }> {
    const env = { NO_COLOR: "1", DENO_DIR: this.#cache, DENO_NO_UPDATE_CHECK: "1" };
    const command = new Deno.Command(Deno.execPath(), {
      args,
      env,
      cwd: this.path,
      stdout: "piped",
      stderr: "piped",
    });
    if (this.#removed) throw new Error("the copy is removed");
    const child = this.#child = command.spawn();
    let ended = false;
    const timer = setTimeout(() => {
      ended = true;
      child.kill("SIGKILL");
    }, limit * 1000);
    const { code, stdout, stderr } = await child.output();
    clearTimeout(timer);
    this.#child = undefined;
    return { code, text: decode(stdout) + decode(stderr), ended };
  }

  /** Ends what runs on it, too. */
  async remove(): Promise<void> {
    this.#removed = true;
    const child = this.#child;
    child?.kill("SIGKILL");
    await child?.status;
    await Deno.remove(this.path, { recursive: true });
  }
}

/** Ends a change that fills the memory soon. */
const HEAP = "--v8-flags=--max-old-space-size=1500";

function firstFailure(text: string): string {
  const failed = /^(.*) \.\.\. FAILED/m.exec(text)?.[1];
  return failed ?? /^error: .*$/m.exec(text)?.[0] ?? "the tests didn't end well";
}

async function run(command: string, args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(command, { args: [...args] }).output();
  if (code !== 0) throw new Error(`${command} ended with status ${code}: ${decode(stderr)}`);
  return decode(stdout);
}

function decode(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

async function isFolder(path: string): Promise<boolean> {
  return await exists(path) && (await Deno.stat(path)).isDirectory;
}
