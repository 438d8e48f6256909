/** The agent as a process of its own, started in either of its two ways, with nothing of the real node in its sight. */
import assert from "node:assert/strict";
import { connectedDescriptor } from "../../tools/bench/libc.ts";
import { kill, ROOT, signalIfAlive, spawn, type SpawnOptions } from "./spawn.ts";

/** Until a wait fails with what is missing. */
const DEADLINE_MS = 20_000;
const POLL_MS = 5;
/** From a connection that is lost to the news that the process has ended. */
const MOMENT_MS = 300;
/** From SIGTERM to SIGKILL. */
const STOP_MS = 5000;
const TAIL_LINES = 15;

loadOutsideOfTests();

export type Mode = "external" | "launched";
export const MODES: readonly Mode[] = ["external", "launched"];

export interface ProcessOptions extends Pick<SpawnOptions, "shell" | "env"> {
  readonly mode: Mode;
  /** Instead of main.ts. */
  readonly program?: string;
  /** The machine's sysfs tree. */
  readonly sysfs: string;
  /** For its log, its lock and its cgroup tree. */
  readonly dir: string;
  /** The runtime's socket. */
  readonly socket: string;
  /** More of the command line; wins over what is given by default. */
  readonly flags?: Readonly<Record<string, string>>;
}

/** How a process ended, and how many milliseconds after the first signal. */
export interface End {
  readonly code: number;
  readonly signal: Deno.Signal | null;
  readonly took: number;
}

export class AgentProcess {
  readonly #child: Deno.ChildProcess;
  readonly #logFile: string;
  #signalledAt: number | undefined;

  constructor(options: ProcessOptions) {
    const { mode, socket, dir, program = `${ROOT}main.ts`, shell = ":" } = options;
    const flags = flagsOf(options);
    this.#logFile = flags["--log-file"] || `${dir}/agent.log`;
    const { env, started } = mode === "launched" ? inherit(socket) : DIALS;
    const args = Object.entries(flags).filter(([, value]) => value !== "").flat();
    const noBus = { WEKA_CPUSET_SYSTEM_BUS: `${dir}/no-bus.sock` };
    this.#child = spawn({ program, args, shell, env: { ...noBus, ...options.env, ...env } });
    started();
  }

  get pid(): number {
    return this.#child.pid;
  }

  get stderr(): ReadableStream<Uint8Array> {
    return this.#child.stderr;
  }

  /** Its log as it is now. */
  log(): string {
    try {
      return Deno.readTextFileSync(this.#logFile);
    } catch {
      return "";
    }
  }

  /** Resolves once its log has `text`. */
  async logged(text: string): Promise<void> {
    const found = await holds(() => this.log().includes(text));
    assert(found, `"${text}" isn't in the log:\n${this.log()}`);
  }

  signal(signal: Deno.Signal): void {
    if (signal === "SIGTERM" || signal === "SIGINT") this.#signalledAt ??= performance.now();
    this.#child.kill(signal);
  }

  /** Its end, which has to come. */
  async ended(): Promise<End> {
    let timer = 0;
    const never = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`it doesn't end; its log:\n${this.log()}`)), DEADLINE_MS);
    });
    const { code, signal } = await Promise.race([this.#child.status, never]).finally(() =>
      clearTimeout(timer)
    );
    return { code, signal, took: performance.now() - (this.#signalledAt ?? performance.now()) };
  }

  /** The result of `work`; rejects if the agent ends meanwhile, or a moment after `work` has failed. */
  async during<T>(work: Promise<T>): Promise<T> {
    const death = this.#child.status.then(({ code, signal }) => {
      throw new Error(`the agent ended unexpectedly, with ${signal ?? `exit code ${code}`}`);
    });
    death.catch(() => {});
    try {
      return await Promise.race([work, death]);
    } catch (error) {
      // If the agent dies, the work fails first; the process's end is known a little later.
      const moment = Promise.withResolvers<void>();
      const timer = setTimeout(moment.resolve, MOMENT_MS);
      await Promise.race([death, moment.promise]).finally(() => clearTimeout(timer));
      throw error;
    }
  }

  /** The last lines of its log. */
  tail(): string {
    return this.log().trimEnd().split("\n").slice(-TAIL_LINES).join("\n");
  }

  /** Sends SIGTERM, and SIGKILL if it doesn't end. */
  async stop(): Promise<void> {
    signalIfAlive(this.#child, "SIGTERM");
    const timer = setTimeout(() => signalIfAlive(this.#child, "SIGKILL"), STOP_MS);
    await this.#child.status;
    clearTimeout(timer);
    await this.kill();
  }

  /** Ends it if it hasn't ended yet. */
  async kill(): Promise<void> {
    await kill(this.#child);
    if (!this.#child.stderr.locked) await this.#child.stderr.cancel();
  }
}

/** Polls until it is so; false when it never is. */
export async function holds(isSo: () => boolean): Promise<boolean> {
  for (const until = performance.now() + DEADLINE_MS; !isSo();) {
    if (performance.now() > until) return false;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  return true;
}

const DIALS = { env: {}, started: () => {} };

/** As a runtime starts a plugin: with a connected descriptor. */
function inherit(socket: string): { env: Record<string, string>; started: () => void } {
  const { descriptor, close } = connectedDescriptor(socket);
  const env = { NRI_PLUGIN_SOCKET: `${descriptor}`, NRI_PLUGIN_NAME: "weka-cpuset", NRI_PLUGIN_IDX: "99" };
  return { env, started: close };
}

function flagsOf({ socket, sysfs, dir, flags }: ProcessOptions): Record<string, string> {
  return {
    "--socket": socket,
    "--sysfs-root": sysfs,
    "--cgroup-root": `${dir}/cgroup`,
    "--run-dir": `${dir}/run`,
    "--kubelet-root": `${dir}/kubelet`,
    "--cri-socket": `${dir}/no-cri.sock`,
    "--log-file": `${dir}/agent.log`,
    "--apply": "runtime",
    ...flags,
  };
}

/** A library that stays loaded is no leak of a test's if no test has loaded it. */
function loadOutsideOfTests(): void {
  const dir = Deno.makeTempDirSync();
  const listener = Deno.listen({ transport: "unix", path: `${dir}/socket` });
  connectedDescriptor(`${dir}/socket`).close();
  listener.close();
  Deno.removeSync(dir, { recursive: true });
}
