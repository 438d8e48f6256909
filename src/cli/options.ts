import { Command, Option } from "commander";
import { CONFIG_VARIABLE } from "../config/environment.ts";
import { defaultText, type Key, KEYS, valueAt } from "../config/keys.ts";
import type { Given } from "../config/layers.ts";
import { DEFAULTS } from "../config/schema.ts";
import { printConfig } from "./config_command.ts";
import { DEFAULT_FILE, type Effective, type Flags, loadConfig } from "../daemon/load_config.ts";

/** What the command line looks at besides its arguments. */
export interface Surroundings {
  readonly environment: Readonly<Record<string, string>>;
  /** The configuration file that is read if it is there and no other is named. */
  readonly defaultFile: string;
}

/**
 * The program's command line; `run` is given the configuration with its problems, and decides what they mean.
 * Only the flags are commander's: their values, like those of the other sources, are checked in src/config.
 */
export function commandLine(
  version: string,
  run: (effective: Effective) => Promise<void>,
  surroundings: Surroundings = { environment: Deno.env.toObject(), defaultFile: DEFAULT_FILE },
): Command {
  const program = new Command("weka-cpuset")
    .description("Decides which CPUs each container of this Kubernetes node may run on (an NRI plugin).")
    .version(version, "--version", "print version, commit and Deno version")
    .helpOption("--help", "print this help")
    .helpCommand(false)
    .allowExcessArguments(false)
    .option(
      "--config <path>",
      `YAML file with all of this and more (default: ${DEFAULT_FILE} if there, env: ${CONFIG_VARIABLE})`,
    );
  for (const key of KEYS) {
    if (key.flag !== undefined) program.addOption(optionOf(key, key.flag));
  }
  const load = () => loadConfig(flagsOf(program.opts()), surroundings.environment, surroundings.defaultFile);
  program.action(async () => run(await load()));
  program.command("config")
    .description("print the effective configuration and where each value comes from")
    .helpOption("--help", "print this help")
    .action(async () => printConfig(await load()));
  return program;
}

function optionOf(key: Key, flag: string): Option {
  const fallback = defaultText(key.path);
  const notes = [...(fallback === "" ? [] : [`default: ${fallback}`]), `env: ${key.variable}`];
  const option = new Option(flag, `${key.about} (${notes.join(", ")})`);
  return Array.isArray(valueAt(DEFAULTS, key.path))
    ? option.argParser((value, before: string[] = []) => [...before, value])
    : option;
}

/** Commander's values, by the name that it makes of a flag, as texts by key path. */
function flagsOf(given: Readonly<Record<string, unknown>>): Flags {
  const values = new Map<string, Given>();
  for (const key of KEYS) {
    if (key.flag === undefined) continue;
    const value = given[new Option(key.flag).attributeName()];
    if (value !== undefined) values.set(key.path, Array.isArray(value) ? value : String(value));
  }
  const file = given["config"];
  return typeof file === "string" ? { values, file } : { values };
}
