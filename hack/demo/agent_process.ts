/** The compiled agent as a process of its own, with its log in a file. */

const STOP_MS = 5000;
const MOMENT_MS = 300;
const TAIL_LINES = 15;

export interface AgentOptions {
  executable: string;
  args: readonly string[];
  logFile: string;
}

export class AgentProcess {
  readonly #child: Deno.ChildProcess;
  readonly #logging: Promise<void>;
  readonly #logFile: string;
  readonly #ended: Promise<string>;

  constructor({ executable, args, logFile }: AgentOptions) {
    this.#logFile = logFile;
    this.#child = new Deno.Command(executable, {
      args: [...args],
      // The embedded runtime has no CRI for delayed updates: growth has to be part of replies.
      env: { WEKA_CPUSET_GROW_DELAY_MS: "0" },
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    })
      .spawn();
    const log = Deno.openSync(logFile, { create: true, append: true });
    this.#logging = this.#child.stderr.pipeTo(log.writable);
    this.#ended = this.#child.status.then(({ code, signal }) =>
      `the agent ended unexpectedly, with ${signal ?? `exit code ${code}`}`
    );
  }

  /** The result of `work`; rejects if the agent ends meanwhile, or a moment after `work` has failed. */
  async during<T>(work: Promise<T>): Promise<T> {
    const death = this.#ended.then((sentence) => Promise.reject(new Error(sentence)));
    death.catch(() => {});
    try {
      return await Promise.race([work, death]);
    } catch (error) {
      // If the agent dies, the work fails first; the process's end is reported a little later.
      const moment = Promise.withResolvers<void>();
      const timer = setTimeout(moment.resolve, MOMENT_MS);
      await Promise.race([death, moment.promise]).finally(() => clearTimeout(timer));
      throw error;
    }
  }

  /** The last lines of its log. */
  tail(): string {
    const lines = Deno.readTextFileSync(this.#logFile).trimEnd().split("\n");
    return lines.slice(-TAIL_LINES).join("\n");
  }

  /** Sends SIGTERM, and SIGKILL after a deadline. */
  async stop(): Promise<void> {
    this.#signal("SIGTERM");
    const timer = setTimeout(() => this.#signal("SIGKILL"), STOP_MS);
    await this.#child.status;
    clearTimeout(timer);
    await this.#logging;
  }

  #signal(signal: Deno.Signal): void {
    try {
      this.#child.kill(signal);
    } catch {
      // It has ended already.
    }
  }
}
