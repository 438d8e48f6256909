import { existsSync } from "node:fs";
import { repository } from "./requirements.ts";
import { signalIfAlive } from "../../kit/spawn.ts";

/** What is tested. */
export const EXECUTABLE = `${repository}/dist/weka-cpuset`;
const PATIENCE_MS = 30_000;

/** How to start the executable: its flags, its whole environment, and words to put before it, such as `unshare`. */
export interface AgentOptions {
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly wrapper?: readonly string[];
}

/** The compiled agent while it runs, and what it has said on stderr. */
export class Agent {
  readonly lines: string[] = [];
  readonly #child: Deno.ChildProcess;
  readonly #ended: Promise<Deno.CommandStatus>;
  readonly #watchers = new Set<() => void>();
  #status: Deno.CommandStatus | undefined;

  constructor(options: AgentOptions) {
    this.#child = command(options, { stdout: "null", stderr: "piped" }).spawn();
    this.#ended = this.#follow();
  }

  /** Resolves as soon as a line from the `after`th on matches; fails if the agent ends or is silent for half a minute. */
  async says(pattern: RegExp, after = 0): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const look = () => {
      if (this.lines.slice(after).some((line) => pattern.test(line))) resolve();
      else if (this.#status !== undefined) {
        reject(new Error(`the agent ended with status ${this.#status.code} and did not say ${pattern}`));
      }
    };
    const timer = setTimeout(() => reject(new Error(`the agent did not say ${pattern}`)), PATIENCE_MS);
    this.#watchers.add(look);
    look();
    await promise.finally(() => {
      clearTimeout(timer);
      this.#watchers.delete(look);
    });
  }

  /** Sends a signal, unless it has ended. */
  signal(signal: Deno.Signal): void {
    signalIfAlive(this.#child, signal);
  }

  /** Sends a signal, unless it has ended, and waits for its end. */
  async end(signal: Deno.Signal): Promise<Deno.CommandStatus> {
    signalIfAlive(this.#child, signal);
    return await this.#ended;
  }

  async #follow(): Promise<Deno.CommandStatus> {
    const decoder = new TextDecoder();
    let rest = "";
    for await (const bytes of this.#child.stderr) {
      const parts = (rest + decoder.decode(bytes, { stream: true })).split("\n");
      rest = parts.pop() ?? "";
      this.lines.push(...parts);
      this.#wake();
    }
    if (rest !== "") this.lines.push(rest);
    this.#status = await this.#child.status;
    this.#wake();
    return this.#status;
  }

  #wake(): void {
    this.#watchers.forEach((look) => look());
  }
}

/** Runs the executable to its end; its exit status and what it printed. */
export async function runExecutable(options: AgentOptions): Promise<{ code: number; stdout: string }> {
  const { code, stdout } = await command(options, {}).output();
  return { code, stdout: new TextDecoder().decode(stdout) };
}

function command(
  { args = [], env = {}, wrapper = [] }: AgentOptions,
  streams: Deno.CommandOptions,
): Deno.Command {
  if (!existsSync(EXECUTABLE)) throw new Error("dist/weka-cpuset isn't there: make build makes it");
  const [program = "", ...rest] = [...wrapper, EXECUTABLE, ...args];
  return new Deno.Command(program, { ...streams, args: rest, env, clearEnv: true, stdin: "null" });
}
