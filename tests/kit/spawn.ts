/** Programs of this checkout as processes of their own. */
import { LIBC_PATHS } from "../../src/platform/libc.ts";

export const ROOT = new URL("../..", import.meta.url).pathname;

export interface SpawnOptions {
  /** An executable, or a program for Deno (`.ts`), which may do what the executable may. */
  readonly program: string;
  readonly args?: readonly string[];
  /** Runs before it in the same process: limits, mostly. */
  readonly shell?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly stdout?: "piped" | "null";
  readonly stderr?: "piped" | "inherit";
}

export function spawn(options: SpawnOptions): Deno.ChildProcess {
  const { program, args = [], shell = ":", env = {}, stdout = "null", stderr = "piped" } = options;
  const command = program.endsWith(".ts") ? [...underDeno(), program] : [program];
  return new Deno.Command("sh", {
    args: ["-c", `${shell}; exec "$0" "$@"`, ...command, ...args],
    env,
    stdin: "null",
    stdout,
    stderr,
  }).spawn();
}

/** As narrow as the executable's permissions: what works here works there. */
function underDeno(): string[] {
  const permissions = ["--allow-read", "--allow-write", "--allow-env", `--allow-ffi=${LIBC_PATHS.join(",")}`];
  return [
    Deno.execPath(),
    "run",
    "--quiet",
    "--no-check",
    `--config=${ROOT}deno.json`,
    ...permissions,
    "--no-prompt",
  ];
}

/** Ends a process, unless it has ended, and waits for that. */
export async function kill(process: Deno.ChildProcess, signal: Deno.Signal = "SIGKILL"): Promise<void> {
  signalIfAlive(process, signal);
  await process.status;
}

/** Sends a signal; nothing happens if the process has ended. */
export function signalIfAlive(process: Deno.ChildProcess, signal: Deno.Signal): void {
  try {
    process.kill(signal);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error; // how Deno reports that it has ended
  }
}
