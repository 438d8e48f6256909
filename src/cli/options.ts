import { Command, Option } from "commander";
// The small form of zod: the same checks, a third of the start-up time.
import * as z from "zod/mini";

const path = z.string().check(z.startsWith("/", "must be an absolute path, as in /sys"));
const NAME = "must be 1 to 64 letters, digits, dots, dashes or underscores";

const schema = z.object({
  socket: path,
  pluginName: z.string().check(z.regex(/^[A-Za-z0-9_.-]{1,64}$/, NAME)),
  pluginIndex: z.string().check(z.regex(/^[0-9]{2}$/, "must be two digits, as in 99")),
  logLevel: z.enum(["debug", "info", "warn", "error"], "must be debug, info, warn or error"),
  dryRun: z._default(z.boolean(), false),
  sysfsRoot: path,
  cgroupRoot: path,
  procRoot: path,
});

/** What the program was asked to do by its flags and environment. */
export type Options = z.infer<typeof schema>;

/** An option that can't be used: one sentence with its name, what it was and what would be right. */
export class OptionError extends Error {
  override name = "OptionError";
}

/** The program's command line; `run` gets checked options only. */
export function commandLine(version: string, run: (options: Options) => Promise<void>): Command {
  return new Command("weka-cpuset")
    .description("Decides which CPUs each container of this Kubernetes node may run on (an NRI plugin).")
    .version(version, "--version", "print version, commit and Deno version")
    .helpOption("--help", "print this help")
    .addOption(
      option("--socket <path>", "the runtime's NRI socket", "/var/run/nri/nri.sock").env("NRI_SOCKET"),
    )
    .addOption(option("--plugin-name <name>", "name to register with", "weka-cpuset").env("NRI_PLUGIN_NAME"))
    .addOption(
      option("--plugin-index <NN>", "two digits; NRI calls plugins in their order", "99").env(
        "NRI_PLUGIN_IDX",
      ),
    )
    .addOption(option("--log-level <level>", "debug, info, warn or error", "info"))
    .option("--dry-run", "decide and log, but change and refuse nothing")
    .addOption(option("--sysfs-root <path>", "where sysfs is mounted", "/sys"))
    .addOption(option("--cgroup-root <path>", "where the cgroup tree is mounted", "/sys/fs/cgroup"))
    .addOption(option("--proc-root <path>", "where procfs is mounted", "/proc"))
    .allowExcessArguments(false)
    .action((raw: unknown) => run(checkOptions(raw)));
}

function option(flags: string, description: string, value: string): Option {
  return new Option(flags, description).default(value);
}

/** @throws {OptionError} for the first option that can't be used */
export function checkOptions(raw: unknown): Options {
  const result = schema.safeParse(raw);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const key = String(issue?.path[0]);
  const given = JSON.stringify((raw as Record<string, unknown>)[key]);
  throw new OptionError(`${flagOf(key)} ${issue?.message}, but it is ${given}`);
}

function flagOf(key: string): string {
  return `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}
