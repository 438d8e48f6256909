import assert from "node:assert/strict";
import { CommanderError } from "commander";
import type { Effective } from "../../../src/daemon/load_config.ts";
import { ConfigError, rejectProblems } from "../../../src/daemon/config_error.ts";
import { commandLine } from "../../../src/cli/command_line.ts";
import { KEYS } from "../../../src/config/keys.ts";
import { type Config, DEFAULTS } from "../../../src/config/schema.ts";

/** What `run` is given for these arguments, and what was printed. */
async function effective(args: string[], environment: Record<string, string> = {}): Promise<Effective> {
  let seen: Effective | undefined;
  const run = (given: Effective) => Promise.resolve(void (seen = given));
  await quiet(run, environment).parseAsync(args, { from: "user" });
  assert(seen !== undefined);
  return seen;
}

function quiet(run: (given: Effective) => Promise<void>, environment: Record<string, string>) {
  const program = commandLine("test", run, { environment, defaultFile: "/nonexistent/config.yaml" });
  return program.configureOutput({ writeErr: () => {}, writeOut: () => {} });
}

/** The configuration that external mode starts with. */
async function parse(...args: string[]): Promise<Config> {
  const { config, problems } = await effective(args);
  rejectProblems(problems);
  return config;
}

Deno.test("without flags everything has its documented default", async () => {
  assert.deepEqual(await parse(), DEFAULTS);
  const { socket, pluginName, pluginIndex, log, dryRun, sysfsRoot, cgroupRoot, procRoot } = await parse();
  assert.deepEqual([socket, pluginName, pluginIndex], ["/var/run/nri/nri.sock", "weka-cpuset", "99"]);
  assert.deepEqual([log.level, dryRun], ["info", false]);
  assert.deepEqual([sysfsRoot, cgroupRoot, procRoot], ["/sys", "/sys/fs/cgroup", "/proc"]);
});

Deno.test("flags win over the environment, the environment over the defaults", async () => {
  const environment = { NRI_SOCKET: "/run/env.sock", NRI_PLUGIN_IDX: "07" };
  const { config, origins } = await effective(["--socket", "/run/flag.sock"], environment);
  assert.deepEqual([config.socket, config.pluginIndex], ["/run/flag.sock", "07"]);
  assert.deepEqual(["socket", "pluginIndex", "pluginName"].map((path) => origins.get(path)), [
    "flag",
    "environment",
    "default",
  ]);
});

const FLAGS: readonly [args: string[], picked: (config: Config) => unknown, value: unknown][] = [
  [["--plugin-name", "other"], ({ pluginName }) => pluginName, "other"],
  [["--dry-run"], ({ dryRun }) => dryRun, true],
  [["--system-reserved", "0-1"], ({ systemReserved }) => String(systemReserved), "0-1"],
  [["--apply", "kernel-first"], ({ apply }) => apply, "kernel-first"],
  [["--min-shared", "3"], ({ minShared }) => minShared, 3],
  [["--log-level", "debug"], ({ log }) => log.level, "debug"],
  [["--log-format=json"], ({ log }) => log.format, "json"],
  [["--log-file", "/var/log/a"], ({ log }) => log.file, "/var/log/a"],
  [["--cri-socket", "/a"], ({ criSockets }) => criSockets, ["/a"]],
  [["--cri-socket", "/b", "--cri-socket", "/a"], ({ criSockets }) => criSockets, ["/b", "/a"]],
  [["--run-dir", "/tmp/x"], ({ runDir }) => runDir, "/tmp/x"],
  [["--sysfs-root", "/s", "--cgroup-root", "/c", "--proc-root", "/p"], ({ cgroupRoot }) => cgroupRoot, "/c"],
];

for (const [args, picked, value] of FLAGS) {
  Deno.test(`${args.join(" ")} is applied`, async () => {
    assert.deepEqual(picked(await parse(...args)), value);
  });
}

const BAD: readonly [args: string[], sentence: string][] = [
  [["--socket", "nri.sock"], '--socket must be an absolute path, as in /sys, but it is "nri.sock"'],
  [["--plugin-index", "7"], '--plugin-index must be two digits, as in 99, but it is "7"'],
  [
    ["--plugin-name", "a b"],
    '--plugin-name must be 1 to 64 letters, digits, dots, dashes or underscores, but it is "a b"',
  ],
  [["--log-level", "loud"], '--log-level must be debug, info, warn or error, but it is "loud"'],
  [["--sysfs-root", ""], '--sysfs-root must be an absolute path, as in /sys, but it is ""'],
  [["--min-shared", "-1"], '--min-shared must be a whole number from 1 to 8192, but it is "-1"'],
  [
    ["--cri-socket", "/a", "--cri-socket", "b"],
    "--cri-socket must be a list of absolute paths, as in /run/containerd/containerd.sock, but it is " +
    '"/a,b"',
  ],
  [
    ["--log-format", "xml", "--system-reserved", "2-1"],
    '--system-reserved must be a CPU list, as in 0,2-3, but it is "2-1": "2-1" is a reversed range; ' +
    'write "1-2"\n--log-format must be text or json, but it is "xml"',
  ],
  [["--config="], '"": there is no such file'],
  [["--config", "/nonexistent/a.yaml"], "/nonexistent/a.yaml: there is no such file"],
];

for (const [args, sentence] of BAD) {
  Deno.test(`${args.join(" ")} is refused with what would be right`, async () => {
    await assert.rejects(
      parse(...args),
      (error) => error instanceof ConfigError && error.message === sentence,
    );
  });
}

Deno.test("stray words are refused", async () => {
  await assert.rejects(parse("config", "all"), /too many arguments for 'config'/);
});

const UNKNOWN: readonly [args: string[], sentence: string][] = [
  [["stauts"], "error: unknown command 'stauts'; did you mean status?"],
  [["--log-level", "debug", "stauts", "--watch"], "error: unknown command 'stauts'; did you mean status?"],
  [
    ["frobnicate"],
    `error: unknown command 'frobnicate'; commands: ${
      commandLine("test", () => Promise.resolve()).commands.map((each) => each.name()).join(", ")
    }; without a command the agent runs`,
  ],
  [["--sokcet", "/x"], "error: unknown option '--sokcet'; did you mean --socket?"],
  [["--nonsense"], "error: unknown option '--nonsense'; weka-cpuset --help lists those that there are"],
];

for (const [args, sentence] of UNKNOWN) {
  Deno.test(`${args.join(" ")} is refused with the nearest right word, and the agent isn't run`, async () => {
    const run = () => assert.fail("it runs");
    await assert.rejects(quiet(run, {}).parseAsync(args, { from: "user" }), (error) => {
      assert(error instanceof CommanderError);
      assert.deepEqual([error.message, error.exitCode], [sentence, 2]);
      return true;
    });
  });
}

Deno.test("a command's unknown flag is refused in one line, with the nearest right one", async () => {
  let printed = "";
  const program = commandLine("test", () => Promise.resolve());
  for (const command of program.commands) {
    command.configureOutput({ writeErr: (text) => void (printed += text) });
  }
  await assert.rejects(program.parseAsync(["status", "--wach"], { from: "user" }), CommanderError);
  assert.equal(printed, "error: unknown option '--wach'; did you mean --watch?\n");
});

Deno.test("run is what happens without a command", async () => {
  const { config } = await effective(["run", "--min-shared", "3"]);
  assert.equal(config.minShared, 3);
  await assert.rejects(effective(["run", "fast"]), /too many arguments for 'run'/);
});

Deno.test("the help of every command has examples of it", () => {
  const program = quiet(() => Promise.resolve(), {});
  for (const command of program.commands) {
    let help = "";
    command.configureOutput({ writeOut: (text) => void (help += text) });
    command.outputHelp();
    assert.match(help, new RegExp(`\\nExamples:\\n  weka-cpuset ${command.name()}`), command.name());
  }
});

Deno.test("the help names every flag with its default and its variable", () => {
  const help = quiet(() => Promise.resolve(), {}).helpInformation().replace(/\s+/g, " ");
  for (const { flag, variable } of KEYS.filter(({ flag }) => flag !== undefined)) {
    assert(help.includes(`${flag} `) && help.includes(`env: ${variable})`), `${flag}`);
  }
  assert(help.includes("(default: /var/run/nri/nri.sock, env: NRI_SOCKET)"));
  assert(help.includes("--config <path>") && help.includes("env: WEKA_CPUSET_CONFIG)"));
});
