// What a figure depends on besides the program: the machine, what else it does, and the versions.

import { cpus, loadavg, release, totalmem } from "node:os";

export interface Facts {
  /** ISO 8601, UTC. */
  readonly date: string;
  /** The output of `git describe`; `unknown` outside git. */
  readonly commit: string;
  readonly machine: {
    readonly cpuModel: string;
    readonly cpus: number;
    readonly memoryGiB: number;
    readonly kernel: string;
  };
  readonly versions: Readonly<Record<string, string>>;
  /** How many threads ran or wanted to on average, over the minute before the benchmark and before its end. */
  readonly load: { readonly before: number; readonly after: number };
}

/** How busy the machine was in the last minute, as uptime(1) has it. */
export function loadAverage(): number {
  return Math.round((loadavg()[0] ?? 0) * 100) / 100;
}

/**
 * To be called at the end.
 * @param before the load average of the beginning
 * @param base the executable that this one is compared with, if there is one
 */
export async function facts(root: string, before: number, base?: string): Promise<Facts> {
  const { version } = JSON.parse(await Deno.readTextFile(`${root}/deno.json`)) as { version: string };
  const models = cpus();
  return {
    date: new Date().toISOString(),
    commit: await commitOf(root),
    machine: {
      cpuModel: models[0]?.model ?? "unknown CPU",
      cpus: models.length,
      memoryGiB: Math.round(totalmem() / 2 ** 30),
      kernel: release(),
    },
    versions: {
      "weka-cpuset": version,
      Deno: Deno.version.deno,
      V8: Deno.version.v8,
      ...(base === undefined ? {} : { "compared with": await versionOf(base) }),
    },
    load: { before, after: loadAverage() },
  };
}

async function versionOf(executable: string): Promise<string> {
  const { stdout } = await new Deno.Command(executable, { args: ["--version"], clearEnv: true }).output();
  return new TextDecoder().decode(stdout).trim();
}

async function commitOf(root: string): Promise<string> {
  try {
    const args = ["describe", "--always", "--dirty", "--tags", "--abbrev=12"];
    const { success, stdout } = await new Deno.Command("git", { args, cwd: root, stderr: "null" }).output();
    return success ? new TextDecoder().decode(stdout).trim() : "unknown";
  } catch {
    return "unknown";
  }
}
