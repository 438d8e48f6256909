/** Entry point: reads the command line, hears signals, and sets the exit code. */
import { CommanderError } from "commander";
import { OptionError } from "./src/cli/option_error.ts";
import { commandLine } from "./src/cli/options.ts";
import { run } from "./src/cli/run.ts";
import { buildInfo } from "./src/host/build_info.ts";

const { version, commit, deno } = buildInfo();
const stop = new AbortController();
for (const signal of ["SIGTERM", "SIGINT"] as const) Deno.addSignalListener(signal, () => stop.abort());

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
  Deno.exit(exitCode(error));
}

/** 2 for a command line that can't be used, 1 for a failure of the work itself. */
function exitCode(error: unknown): number {
  // Commander has already printed its own sentence, the help or the version.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  console.error(`weka-cpuset: ${error instanceof Error ? error.message : error}`);
  return error instanceof OptionError ? 2 : 1;
}
