/** Entry point: command line, signals, exit code. */
import { POD_VARIABLE } from "./src/config/environment.ts";
import { ConfigError } from "./src/daemon/config_error.ts";
import { DEFAULT_FILE, type Effective, fileBeside, loadConfig } from "./src/daemon/load_config.ts";
import { run } from "./src/daemon/run.ts";
import { buildInfo } from "./src/platform/build_info.ts";
import { logFatal } from "./src/platform/log.ts";
import { raisePriority } from "./src/platform/priority.ts";

/** From the first signal to the exit, whatever is still under way: supervisors may kill after a second. */
const EXIT_DEADLINE_MS = 900;

const { version, commit, deno } = buildInfo();
const stop = new AbortController();
for (const signal of ["SIGTERM", "SIGINT"] as const) Deno.addSignalListener(signal, stopOrExit);
// Its default action ends the process; handled, a file at its limit (LimitFSIZE=) fails the write, like a full disk.
Deno.addSignalListener("SIGXFSZ", () => {});

// Set by a runtime that has started this process: the descriptor is one end of a socket pair.
const inherited = Deno.env.get("NRI_PLUGIN_SOCKET");
const pod = Deno.env.get(POD_VARIABLE);

try {
  // As a runtime and systemd start it: there is nothing to be parsed.
  if (Deno.args.length === 0) {
    dropRun();
    const beside = inherited === undefined ? undefined : fileBeside(Deno.execPath());
    await runAgent(await loadConfig({ values: new Map() }, Deno.env.toObject(), DEFAULT_FILE, beside));
  } else await runCommand();
  // A command may have set another status than 0.
  Deno.exit();
} catch (error) {
  Deno.exit(await exitCode(error));
}

function runAgent(effective: Effective): Promise<void> {
  return run({
    effective,
    version,
    stop: stop.signal,
    priorityFailure: raisePriority(),
    dropNetwork,
    ...(pod === undefined ? {} : { pod }),
    ...(inherited === undefined ? {} : { inherited: Number(inherited) }),
  });
}

async function runCommand(): Promise<void> {
  const { commandLine } = await import("./src/cli/command_line.ts");
  const program = commandLine(`weka-cpuset ${version} (commit ${commit}, Deno ${deno})`, runAgent);
  program.hook("preAction", (_, command) => {
    // It starts the copy that it has written; nothing else starts programs.
    if (command.name() !== "install-host-plugin") dropRun();
    // The agent does it by itself, once it listens where the configuration says.
    if (command !== program && command.name() !== "run") dropNetwork();
  });
  await program.parseAsync(Deno.args, { from: "user" });
}

/** The permission can't be had back: no program can be started from now on. */
function dropRun(): void {
  Deno.permissions.revokeSync({ name: "run" });
}

/** The permission can't be had back: neither connecting nor listening is possible from now on. */
function dropNetwork(): void {
  Deno.permissions.revokeSync({ name: "net" });
}

/** Stops: the request in hand is answered and the log flushed before the exit, unless that takes too long. */
function stopOrExit(): void {
  if (!stop.signal.aborted) setTimeout(() => Deno.exit(0), EXIT_DEADLINE_MS);
  stop.abort();
}

/** 2 for an invalid command line or configuration, 1 for any other failure. */
async function exitCode(error: unknown): Promise<number> {
  // A CommanderError; the command line has already printed its message, the help or the version.
  if (error instanceof Error && "exitCode" in error) return error.exitCode === 0 ? 0 : 2;
  await logFatal(`weka-cpuset: ${error instanceof Error ? error.message : error}`);
  return error instanceof ConfigError ? 2 : 1;
}
