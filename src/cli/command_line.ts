import { Command, Option } from "commander";
import { CONFIG_VARIABLE } from "../config/environment.ts";
import { defaultText, type Key, KEYS, valueAt } from "../config/keys.ts";
import type { RawValue } from "../config/layers.ts";
import { DEFAULTS } from "../config/schema.ts";
import { printConfig } from "./config_command.ts";
import { releaseNode } from "./release_command.ts";
import { DEFAULT_FILE, type Effective, type Flags, loadConfig } from "../daemon/load_config.ts";

/** The inputs of the configuration besides the command line. */
interface OtherInputs {
  readonly environment: Readonly<Record<string, string>>;
  /** The configuration file that is read if it exists and no other is named. */
  readonly defaultFile: string;
}

/**
 * The program's command line; `run` gets the configuration with its problems, which it may reject or log.
 * It throws CommanderError instead of ending the process. Only the names of the flags are checked here: their values, like those of the other sources, in src/config.
 */
export function commandLine(
  version: string,
  run: (effective: Effective) => Promise<void>,
  inputs: OtherInputs = { environment: Deno.env.toObject(), defaultFile: DEFAULT_FILE },
): Command {
  const program = new Command("weka-cpuset")
    .description("NRI plugin that decides which CPUs each container of a Kubernetes node may run on.")
    .version(version, "--version", "print version, commit and Deno version")
    .helpOption("--help", "print this help")
    .helpCommand(false)
    .exitOverride() // before the commands, which inherit it
    .allowExcessArguments() // a stray word is meant as a command
    .option(
      "--config <path>",
      `YAML configuration file (default: ${DEFAULT_FILE} if it exists, env: ${CONFIG_VARIABLE})`,
    );
  for (const key of KEYS) {
    if (key.flag !== undefined) program.addOption(optionOf(key, key.flag));
  }
  const load = () => loadConfig(flagsOf(program.opts()), inputs.environment, inputs.defaultFile);
  program.action(async () => {
    const [unknown] = program.args;
    if (unknown !== undefined) program.error(unknownCommand(unknown, program.commands), { exitCode: 2 });
    await run(await load());
  });
  program.command("config")
    .allowExcessArguments(false)
    .description("print the effective configuration with the source of each value")
    .helpOption("--help", "print this help")
    .action(async () => printConfig(await load()));
  program.command("release")
    .allowExcessArguments(false)
    .description(
      "give all CPUs back to what the agent keeps off CPUs above containers; run it when the agent is removed",
    )
    .option("--wait <seconds>", "how long to wait for an active agent to end", "10")
    .option("--stay", "don't exit afterwards, for a DaemonSet")
    .helpOption("--help", "print this help")
    .action(async (options) => releaseNode(await load(), options));
  addQueries(program, load);
  return program;
}

/** Commands that only show something. What they need is loaded when they run, so that the agent doesn't carry it. */
function addQueries(program: Command, load: () => Promise<Effective>): void {
  program.command("status")
    .allowExcessArguments(false)
    .description("show what the active agent of this node has placed where, and how far that is confirmed")
    .option("--watch", "show it again every two seconds")
    .option("--pod <name>", "only this pod's containers")
    .option("--namespace <name>", "only containers of this namespace")
    .addOption(outputOption())
    .helpOption("--help", "print this help")
    .addHelpText("after", example("status --namespace storage", "weka-cpuset status --output json"))
    .action(async (options) => {
      const { printStatus } = await import("./status_command.ts");
      await printStatus(await load(), options);
    });
  program.command("topology")
    .allowExcessArguments(false)
    .description("draw the machine: sockets, NUMA nodes with their distances, caches, cores, threads")
    .addOption(outputOption())
    .helpOption("--help", "print this help")
    .addHelpText("after", example("topology --sysfs-root /mnt/recorded/sys"))
    .action(async (options) => {
      const { printTopology } = await import("./topology_command.ts");
      printTopology(await load(), options);
    });
  program.command("plan")
    .argument("<files...>", "Kubernetes manifests; - is standard input")
    .description("plan the pods of Kubernetes manifests on an empty node; status 3 if any is refused")
    .option("--machine <description>", "as in 2s4n16c2t: sockets, NUMA nodes in all, cores a socket, threads")
    .option("--capacity", "also print how many more of the pods fit")
    .addOption(outputOption())
    .helpOption("--help", "print this help")
    .addHelpText(
      "after",
      example("plan --machine 2s4n16c2t database.yaml", "helm template … | weka-cpuset plan -"),
    )
    .action(async (files, options) => {
      const { planManifests } = await import("./plan_command.ts");
      await planManifests(await load(), files, options);
    });
}

function outputOption(): Option {
  return new Option("--output <form>", "for people or for programs").choices(["table", "json"]).default(
    "table",
  );
}

function example(command: string, ...others: readonly string[]): string {
  return ["", "Examples:", `  weka-cpuset ${command}`, ...others.map((other) => `  ${other}`)].join("\n");
}

function unknownCommand(word: string, commands: readonly Command[]): string {
  const known = commands.map((command) => command.name()).join(", ");
  return `error: unknown command '${word}'; commands: ${known}; without a command the agent runs`;
}

function optionOf(key: Key, flag: string): Option {
  const fallback = defaultText(key.path);
  const notes = [...(fallback === "" ? [] : [`default: ${fallback}`]), `env: ${key.variable}`];
  const option = new Option(flag, `${key.description} (${notes.join(", ")})`);
  return Array.isArray(valueAt(DEFAULTS, key.path))
    ? option.argParser((value, before: string[] = []) => [...before, value])
    : option;
}

/** Commander's values, which are by its own names of the flags, by key path. */
function flagsOf(given: Readonly<Record<string, unknown>>): Flags {
  const values = new Map<string, RawValue>();
  for (const key of KEYS) {
    if (key.flag === undefined) continue;
    const value = given[new Option(key.flag).attributeName()];
    if (value !== undefined) values.set(key.path, Array.isArray(value) ? value : String(value));
  }
  const file = given["config"];
  return typeof file === "string" ? { values, file } : { values };
}
