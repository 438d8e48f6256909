/** The commands as main.ts runs them, in this process, and an agent's status socket for them to ask. */
import { CommanderError } from "commander";
import { commandLine } from "../../src/cli/command_line.ts";
import { DEFAULTS } from "../../src/config/schema.ts";
import { ConfigError } from "../../src/daemon/config_error.ts";
import { Journal } from "../../src/daemon/journal.ts";
import { EXTERNAL } from "../../src/daemon/modes.ts";
import { StatusApi } from "../../src/daemon/status_api.ts";
import { StatusServer } from "../../src/daemon/status_server.ts";
import type { Driver } from "../../src/daemon/driver.ts";
import { readerOf } from "../../src/platform/sysfs.ts";
import { effective, Records } from "./daemon_stage.ts";

// Loads libc, once for the process.
readerOf("/sys")("devices/system/cpu/online");

export interface Ran {
  readonly out: string;
  /** What is printed where main.ts prints errors. */
  readonly error: string;
  readonly status: number;
}

/** Runs a command to its end; a failure is its message and its exit code. */
export async function ran(...args: string[]): Promise<Ran> {
  const lines: string[] = [];
  const { log } = console;
  console.log = (line: string) => void lines.push(line);
  const done = (error: string, status: number) => ({ out: lines.join("\n"), error, status });
  try {
    const inputs = { environment: {}, defaultFile: "/nonexistent" };
    const program = commandLine("test", () => Promise.resolve(), inputs);
    for (const each of [program, ...program.commands]) {
      each.configureOutput({ writeErr: () => {}, writeOut: (text) => void lines.push(text.trimEnd()) });
    }
    await program.parseAsync(args, { from: "user" });
    return done("", Deno.exitCode);
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return done("", 0);
    const isTyped = error instanceof CommanderError || error instanceof ConfigError;
    return done((error as Error).message, isTyped ? 2 : 1);
  } finally {
    console.log = log;
    Deno.exitCode = 0;
  }
}

export interface StatusStage {
  readonly runDir: string;
  readonly journal: Journal;
  readonly server: StatusServer;
  readonly log: Records;
}

/** With an agent of version 1.2.3 behind a status socket. */
export async function withStatus(
  driver: Pick<Driver, "agent" | "feed">,
  body: (stage: StatusStage) => Promise<void>,
): Promise<void> {
  const runDir = await Deno.makeTempDir();
  const [log, journal] = [new Records(), new Journal()];
  const context = {
    // Nothing of this machine is written.
    effective: effective({ ...DEFAULTS, runDir, cgroupRoot: runDir, systemBus: "" }),
    version: "1.2.3",
    stop: new AbortController().signal,
    log,
    journal,
  };
  const ticking = {
    get agent() {
      return driver.agent;
    },
    feed: (input: Parameters<typeof driver.feed>[0]) => driver.feed(input),
    tickedAt: 0,
    isApplying: false,
  };
  const api = new StatusApi({ driver: ticking, mode: EXTERNAL, context, holder: () => undefined });
  const server = new StatusServer(() => Promise.resolve(api), context);
  server.open();
  try {
    await body({ runDir, journal, server, log });
  } finally {
    await server.close();
    await Deno.remove(runDir, { recursive: true });
  }
}
