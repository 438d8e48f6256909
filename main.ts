/** Entry point: reads the command line, hears signals, and sets the exit code. */
import { CommanderError } from "commander";
import { OptionError } from "./src/daemon/option_error.ts";
import { commandLine } from "./src/cli/options.ts";
import { run } from "./src/daemon/run.ts";
import { buildInfo } from "./src/platform/build_info.ts";
import { lastWords } from "./src/platform/log.ts";

/** Milliseconds from the first signal to the end, whatever is still under way: who sent it may wait no longer than a second. */
const LAST_MOMENT = 900;

const { version, commit, deno } = buildInfo();
const stop = new AbortController();
for (const signal of ["SIGTERM", "SIGINT"] as const) Deno.addSignalListener(signal, leave);
// Its default would be the end; heard, a file at its limit (LimitFSIZE=) is an error of the write, like a full disk.
Deno.addSignalListener("SIGXFSZ", () => {});

// Set by the runtime when it has started us; the descriptor is one end of a socket pair.
const inherited = Deno.env.get("NRI_PLUGIN_SOCKET");

const program = commandLine(
  `weka-cpuset ${version} (commit ${commit}, Deno ${deno})`,
  (effective) =>
    run({
      effective,
      version,
      stop: stop.signal,
      ...(inherited === undefined ? {} : { inherited: Number(inherited) }),
    }),
).exitOverride();

try {
  await program.parseAsync(Deno.args, { from: "user" });
  Deno.exit(0);
} catch (error) {
  Deno.exit(await exitCode(error));
}

/** The request in hand is finished and the log is written, or it takes too long. */
function leave(): void {
  if (!stop.signal.aborted) setTimeout(() => Deno.exit(0), LAST_MOMENT);
  stop.abort();
}

/** 2 for a command line that can't be used, 1 for a failure of the work itself. */
async function exitCode(error: unknown): Promise<number> {
  // Commander has already printed its own sentence, the help or the version.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  await lastWords(`weka-cpuset: ${error instanceof Error ? error.message : error}`);
  return error instanceof OptionError ? 2 : 1;
}
