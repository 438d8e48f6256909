/** main.ts as a process of its own, started in either of its two ways, with nothing of the real node in its sight. */
import assert from "node:assert/strict";
import { LIBC_PATHS } from "../../src/platform/libc.ts";
import { connectedDescriptor } from "../../tools/bench/connected_descriptor.ts";
import { SYSFS } from "./daemon_stage.ts";

const ROOT = new URL("../..", import.meta.url).pathname;
/** As narrow as the executable's: what works here works there. */
const PERMISSIONS = [
  "--allow-read",
  "--allow-write",
  "--allow-env",
  `--allow-ffi=${LIBC_PATHS.join(",")}`,
  "--no-prompt",
];
/** Milliseconds until a wait says what is missing. */
const PATIENCE = 20_000;
const LOOK = 5;

loadOutsideOfTests();

export type Mode = "external" | "launched";
export const MODES: readonly Mode[] = ["external", "launched"];

export interface ProcessOptions {
  readonly mode: Mode;
  /** For its log, its lock and its cgroup tree. */
  readonly dir: string;
  /** The runtime's socket. */
  readonly socket: string;
  /** More of the command line; wins over what is given by default. */
  readonly flags?: Readonly<Record<string, string>>;
  /** Runs before it in the same process: limits, mostly. */
  readonly shell?: string;
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
    const { mode, socket, shell = ":" } = options;
    const flags = flagsOf(options);
    this.#logFile = flags["--log-file"] ?? "";
    const { env, started } = mode === "launched" ? inherit(socket) : DIALS;
    const program = ["run", "--quiet", "--no-check", `--config=${ROOT}deno.json`, ...PERMISSIONS];
    this.#child = new Deno.Command("sh", {
      args: ["-c", `${shell}; exec "$0" "$@"`, Deno.execPath(), ...program, `${ROOT}main.ts`].concat(
        Object.entries(flags).filter(([, value]) => value !== "").flat(),
      ),
      env,
      stdin: "null",
      stdout: "null",
      // A pipe that nobody reads unless it is asked for.
      stderr: "piped",
    }).spawn();
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
      timer = setTimeout(() => reject(new Error(`it doesn't end; its log:\n${this.log()}`)), PATIENCE);
    });
    const { code, signal } = await Promise.race([this.#child.status, never]).finally(() =>
      clearTimeout(timer)
    );
    return { code, signal, took: performance.now() - (this.#signalledAt ?? performance.now()) };
  }

  /** Ends it if it hasn't ended yet. */
  async kill(): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended by itself.
    }
    await this.#child.status;
    if (!this.#child.stderr.locked) await this.#child.stderr.cancel();
  }
}

/** Looks until it is so; false when it never is. */
export async function holds(isSo: () => boolean): Promise<boolean> {
  for (const until = performance.now() + PATIENCE; !isSo();) {
    if (performance.now() > until) return false;
    await new Promise((resolve) => setTimeout(resolve, LOOK));
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

function flagsOf({ socket, dir, flags }: ProcessOptions): Record<string, string> {
  return {
    "--socket": socket,
    "--sysfs-root": SYSFS,
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
