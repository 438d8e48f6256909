/** The demo's agent: one process at a time, which can be killed and started again while the runtime goes on. */
import { AgentProcess, type ProcessOptions } from "../../tests/kit/agent_process.ts";
import type { EmbeddedRuntime } from "../../tests/kit/runtime/runtime.ts";

export class DemoAgent {
  readonly #runtime: EmbeddedRuntime;
  readonly #options: ProcessOptions;
  #process: AgentProcess | undefined;
  #isRunning = false;

  constructor(runtime: EmbeddedRuntime, options: ProcessOptions) {
    this.#runtime = runtime;
    this.#options = options;
  }

  get isRunning(): boolean {
    return this.#isRunning;
  }

  /** Until it is synchronized with the runtime. */
  async start(): Promise<void> {
    this.#process = new AgentProcess(this.#options);
    this.#isRunning = true;
    await this.during(this.#runtime.pluginReady());
  }

  /** SIGKILL: it can't do anything before its end. */
  async kill(): Promise<void> {
    this.#isRunning = false;
    await this.#process?.kill();
    await this.#runtime.pluginGone();
  }

  /** The result of `work`; rejects if the agent runs and ends meanwhile. */
  during<T>(work: Promise<T>): Promise<T> {
    return this.#isRunning && this.#process ? this.#process.during(work) : work;
  }

  /** The last lines of the log, which all processes share. */
  tail(): string {
    return this.#process?.tail() ?? "";
  }

  async stop(): Promise<void> {
    this.#isRunning = false;
    await this.#process?.stop();
  }
}
