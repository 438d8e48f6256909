import { Argument, Command, Option } from "commander";
import { CONFIG_VARIABLE } from "../config/environment.ts";
import { defaultText, type Key, KEYS, valueAt } from "../config/keys.ts";
import type { RawValue } from "../config/layers.ts";
import { DEFAULTS } from "../config/schema.ts";
import { printConfig } from "./config_command.ts";
import { DEFAULT_FILE, type Effective, type Flags, loadConfig } from "../daemon/load_config.ts";
import { nearMiss } from "../near_miss.ts";

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
    // Before the commands, which inherit it.
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(oneSentence(text)) })
    // A stray word is meant as a command, and what follows it as its options.
    .allowExcessArguments().allowUnknownOption()
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
    if (unknown !== undefined) program.error(unknownWord(unknown, program), { exitCode: 2 });
    await run(await load());
  });
  commandOf(program, "run", "run the agent, as without a command", "run --dry-run --log-level debug")
    .action(async () => run(await load()));
  commandOf(
    program,
    "config",
    "print the effective configuration with the source of each value",
    "config --config /etc/weka-cpuset/config.yaml",
  ).action(async () => printConfig(await load()));
  addRelease(program, load);
  addQueries(program, load);
  addDiagnostics(program, load);
  addInstallation(program, load);
  addCompletion(program);
  return program.addHelpText(
    "after",
    example("run --dry-run", "weka-cpuset status", "weka-cpuset COMMAND --help"),
  );
}

const SHELLS = ["bash", "zsh"] as const;

const COMPLETION_HELP = `
To use it from the next shell on:
  weka-cpuset completion bash > /etc/bash_completion.d/weka-cpuset
  weka-cpuset completion zsh > /usr/share/zsh/site-functions/_weka-cpuset`;

function addCompletion(program: Command): void {
  const completion = commandOf(
    program,
    "completion",
    "print a script that completes this command line",
    "completion bash",
  );
  completion.addArgument(new Argument("<shell>", "the shell that reads it").choices(SHELLS))
    .addHelpText("after", COMPLETION_HELP)
    .action(async (shell) => {
      const { completionScript } = await import("./completion.ts");
      console.log(completionScript(shell, program).trimEnd());
    });
}

function addRelease(program: Command, load: () => Promise<Effective>): void {
  const releasing = commandOf(
    program,
    "release",
    "give all CPUs back: the active agent does it and goes passive; without one, what it has kept off CPUs above " +
      "containers is released, for when it is removed",
    "release --yes",
    "weka-cpuset release --yes --wait 60",
  );
  releasing.option("--yes", "don't ask")
    .option("--wait <seconds>", "wait so long for an active agent to end, and release without one")
    .option("--stay", "don't exit afterwards, for a DaemonSet")
    .action(async (options) => {
      const { releaseNode } = await import("./release_command.ts");
      await releaseNode(await load(), options);
    });
  const resuming = commandOf(program, "resume", "have a passive agent place containers again", "resume");
  resuming.action(async () => {
    const { resumeNode } = await import("./release_command.ts");
    await resumeNode(await load());
  });
}

function addInstallation(program: Command, load: () => Promise<Effective>): void {
  const installing = commandOf(
    program,
    "install-host-plugin",
    "install this program as the plugin that the runtime launches at its next start; with --dry-run only checks",
    "install-host-plugin",
    "weka-cpuset install-host-plugin --wait 600",
    "weka-cpuset install-host-plugin --remove",
  );
  installing.option("--from <file>", "another build of it")
    .option(
      "--wait <seconds>",
      "wait so long for that start, and put the former one back if this doesn't register",
    )
    .option("--stay", "the same without a limit, and don't exit afterwards, for a DaemonSet")
    .option("--with-config", "and its configuration beside it, that of this command's file")
    .option("--remove", "remove it instead, as far as it was installed by this command")
    .action(async (options) => {
      const { installHostPlugin } = await import("./install_command.ts");
      await installHostPlugin(await load(), options);
    });
}

/** A command that takes no arguments but those that are declared, with examples in its help. */
function commandOf(
  program: Command,
  name: string,
  description: string,
  ...examples: readonly string[]
): Command {
  const [first = name, ...others] = examples;
  return program.command(name).allowExcessArguments(false).description(description)
    .helpOption("--help", "print this help").addHelpText("after", example(first, ...others));
}

/** Commands that only show something. What they need is loaded when they run, so that the agent doesn't carry it. */
function addQueries(program: Command, load: () => Promise<Effective>): void {
  const status = commandOf(
    program,
    "status",
    "show what the active agent of this node has placed where, and how far that is confirmed",
    "status --namespace storage",
    "weka-cpuset status --output json",
  );
  status.option("--watch", "show it again every two seconds")
    .option("--pod <name>", "only this pod's containers")
    .option("--namespace <name>", "only containers of this namespace")
    .addOption(outputOption())
    .action(async (options) => {
      const { printStatus } = await import("./status_command.ts");
      await printStatus(await load(), options);
    });
  const explain = commandOf(
    program,
    "explain",
    "explain a container, all of a pod or a CPU: why it is where it is, or why it was refused",
    "explain storage/db-0",
    "weka-cpuset explain 17",
  );
  explain.argument("<name>", "a pod, namespace/pod, a container or the number of a CPU")
    .addOption(outputOption())
    .action(async (name, options) => {
      const { printExplanation } = await import("./explain_command.ts");
      await printExplanation(await load(), name, options);
    });
  const topology = commandOf(
    program,
    "topology",
    "draw the machine: sockets, NUMA nodes with their distances, caches, cores, threads",
    "topology --sysfs-root /mnt/recorded/sys",
  );
  topology.addOption(outputOption())
    .action(async (options) => {
      const { printTopology } = await import("./topology_command.ts");
      printTopology(await load(), options);
    });
  const plan = commandOf(
    program,
    "plan",
    "plan the pods of Kubernetes manifests on an empty node; status 3 if any is refused",
    "plan --machine 2s4n16c2t database.yaml",
    "helm template … | weka-cpuset plan -",
  );
  plan.argument("<files...>", "Kubernetes manifests; - is standard input")
    .option("--machine <description>", "as in 2s4n16c2t: sockets, NUMA nodes in all, cores a socket, threads")
    .option("--from-agent", "on this node as it is now, with what runs there")
    .option("--capacity", "also print how many more of the pods fit")
    .addOption(outputOption())
    .action(async (files, options) => {
      const { planManifests } = await import("./plan_command.ts");
      await planManifests(await load(), files, options);
    });
}

/** Commands for the node's administrator, loaded as those that only show something. */
function addDiagnostics(program: Command, load: () => Promise<Effective>): void {
  commandOf(
    program,
    "ready",
    "whether the agent places containers, or stands by for one that does; status 1 if not: a probe",
    "ready",
  ).action(async () => {
    const { printReadiness } = await import("./ready_command.ts");
    await printReadiness(await load());
  });
  commandOf(
    program,
    "preflight",
    "check whether this node is fit for the agent, and say what mends it; status 3 if a check fails",
    "preflight",
    "weka-cpuset preflight --host-root /host --output json",
  )
    .option("--host-root <directory>", "where the node's root directory is mounted, for a pod", "/")
    .addOption(outputOption())
    .action(async (options) => {
      const { checkNode } = await import("./preflight_command.ts");
      await checkNode(await load(), options);
    });
  commandOf(
    program,
    "support-bundle",
    "collect what helps to find out what is wrong on this node, list it, and write it into one archive",
    "support-bundle --list",
    "weka-cpuset support-bundle --file /root/bundle.tar.gz",
  )
    .option("--file <path>", "a new file (default: weka-cpuset-support-TIME.tar.gz here)")
    .option("--list", "list the content only")
    .action(async (options) => {
      const { writeBundle } = await import("./support_command.ts");
      await writeBundle(await load(), options);
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

function unknownWord(word: string, { commands, options }: Command): string {
  const isFlag = word.startsWith("-");
  const known = isFlag
    ? options.flatMap(({ long }) => long ?? [])
    : commands.map((command) => command.name());
  const meant = nearMiss(word, known);
  if (meant !== undefined) {
    return `error: unknown ${isFlag ? "option" : "command"} '${word}'; did you mean ${meant}?`;
  }
  return isFlag
    ? `error: unknown option '${word}'; weka-cpuset --help lists those that there are`
    : `error: unknown command '${word}'; commands: ${known.join(", ")}; without a command the agent runs`;
}

/** Commander suggests in a line of its own. */
function oneSentence(text: string): string {
  return text.replace(/\n\(Did you mean (.*)\?\)/, "; did you mean $1?");
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
