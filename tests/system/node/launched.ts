import { eventually } from "./eventually.ts";
import { processesNaming } from "./machine.ts";
import { EXECUTABLE } from "./agent.ts";
import { sockets } from "./containerd.ts";

/** Where an agent that is configured by nobody logs. */
const DEFAULT_LOG = "/var/log/weka-cpuset.log";

/** The agent as a file in the plugin directory, which containerd starts whenever it starts itself. */
export class LaunchedAgent {
  constructor(private readonly plugin: string, private readonly logFile: string) {}

  /** What it has said so far, through all its lives. */
  get lines(): string[] {
    try {
      return Deno.readTextFileSync(this.logFile).split("\n");
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return [];
      throw error;
    }
  }

  /** The process ids of its present life: one, or none. */
  get processes(): number[] {
    return processesNaming(this.plugin);
  }

  /** Resolves as soon as a line from the `after`th on matches. */
  async says(pattern: RegExp, after = 0): Promise<void> {
    await eventually(() => {
      if (this.lines.slice(after).some((line) => pattern.test(line))) return;
      throw new Error(`the agent that containerd starts did not say ${pattern}`);
    });
  }

  /** Kills it with SIGKILL; resolves when it is gone. */
  async kill(): Promise<void> {
    for (const pid of this.processes) Deno.kill(pid, "SIGKILL");
    await this.ends();
  }

  /** Resolves when no process of it is left. */
  async ends(): Promise<void> {
    await eventually(() => {
      if (this.processes.length > 0) throw new Error(`the launched agent ${this.processes} doesn't end`);
    });
  }
}

/** What an administrator would write down for this node: nothing outside `dir` is touched. */
function configurationOf(dir: string) {
  return {
    log: { file: `${dir}/agent.log`, level: "debug" },
    runDir: `${dir}/agent`,
    criSockets: [sockets(dir).cri],
  };
}

/**
 * Puts the agent into the plugin directory of the containerd in `dir`, with a configuration file of its own: it is
 * the plugin itself, whose first line, a comment in YAML, has the kernel start the executable with `--config` and
 * this file. So nothing stands between containerd and the agent, and environment and descriptors are containerd's.
 */
export function installPlugin(dir: string, more: Readonly<Record<string, unknown>> = {}): LaunchedAgent {
  const config = { ...configurationOf(dir), ...more };
  return install(dir, JSON.stringify(config), config.log.file);
}

/** The same with a configuration file of any text, where the agent has to fall back on its defaults. */
export function installMisconfigured(dir: string, config: string): LaunchedAgent {
  return install(dir, config, `${dir}/default${DEFAULT_LOG}`);
}

function install(dir: string, config: string, logFile: string): LaunchedAgent {
  const plugin = pluginIn(dir);
  Deno.writeTextFileSync(plugin, `#!${EXECUTABLE} --config\n${config}\n`, { mode: 0o755 });
  return new LaunchedAgent(plugin, logFile);
}

/** Puts the executable itself there, as it is installed on a node, with no configuration file. */
export function installExecutable(dir: string): LaunchedAgent {
  const plugin = pluginIn(dir);
  Deno.copyFileSync(EXECUTABLE, plugin);
  return new LaunchedAgent(plugin, `${dir}/default${DEFAULT_LOG}`);
}

/** What the containerd in `dir` hands over to the plugin when it configures it. */
export function handOver(dir: string, config: string): void {
  Deno.mkdirSync(`${dir}/nri/conf.d`, { recursive: true });
  Deno.writeTextFileSync(`${dir}/nri/conf.d/99-weka-cpuset.conf`, config);
}

function pluginIn(dir: string): string {
  Deno.mkdirSync(`${dir}/nri/plugins`, { recursive: true });
  return `${dir}/nri/plugins/99-weka-cpuset`;
}
