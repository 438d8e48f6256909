// The compiled agent as a child process, started in either of its two ways.

import { connectedDescriptor, cpuTimeOf } from "./libc.ts";

export type Mode = "external" | "launched";

export const MODES: readonly Mode[] = ["external", "launched"];

export interface ChildOptions {
  readonly mode: Mode;
  readonly executable: string;
  /** The runtime's socket. */
  readonly socket: string;
  /** The machine's sysfs tree. */
  readonly sysfs: string;
  /** A folder for its log, its lock and its (empty) cgroup tree. */
  readonly dir: string;
  /** In place of the empty one. */
  readonly cgroups?: string;
  /** Of its command line, in place of the agent's own. */
  readonly args?: readonly string[];
  /** More of its environment. */
  readonly env?: Readonly<Record<string, string>>;
}

/** The kernel's figures of a process: memory in MiB, CPU time in ms. */
export interface Usage {
  /** VmRSS: what it has in memory now, the executable's pages included. */
  readonly resident: number;
  /** RssAnon: the part of that which only it has. */
  readonly own: number;
  /** VmHWM: the highest VmRSS so far. */
  readonly peak: number;
  /** Of all its threads. */
  readonly cpuTime: number;
}

const TAIL_LINES = 10;

export class AgentChild {
  readonly startedAt: number;
  readonly #child: Deno.ChildProcess;
  readonly #log: string;

  constructor(options: ChildOptions) {
    this.#log = `${options.dir}/agent.log`;
    const { env, started } = options.mode === "launched" ? inherit(options.socket) : DIALS;
    const command = new Deno.Command(options.executable, {
      args: [...options.args ?? argumentsOf(options, this.#log)],
      clearEnv: true,
      env: { ...env, ...options.env },
      stdin: "null",
      stdout: "null",
      stderr: "null",
    });
    this.startedAt = performance.now();
    this.#child = command.spawn();
    started();
  }

  /** The outcome of `work`, or an error with the log's end if the agent ends before. */
  async during<T>(work: Promise<T>): Promise<T> {
    const ended = this.#child.status.then(({ code, signal }) => {
      throw new Error(`the agent ended with ${signal ?? `exit code ${code}`}; its log:\n${this.#tail()}`);
    });
    ended.catch(() => {});
    return await Promise.race([work, ended]);
  }

  usage(): Usage {
    const status = Deno.readTextFileSync(`/proc/${this.#child.pid}/status`);
    // The kernel's kB are KiB, proc_pid_status(5).
    const mebibytes = (name: string) =>
      Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status)?.[1]) / 1024;
    return {
      resident: mebibytes("VmRSS"),
      own: mebibytes("RssAnon"),
      peak: mebibytes("VmHWM"),
      cpuTime: cpuTimeOf(this.#child.pid),
    };
  }

  async end(): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended already.
    }
    await this.#child.status;
  }

  #tail(): string {
    try {
      return Deno.readTextFileSync(this.#log).trimEnd().split("\n").slice(-TAIL_LINES).join("\n");
    } catch {
      return "(there is none)";
    }
  }
}

const DIALS = { env: {}, started: () => {} };

/** As a runtime starts a plugin: with a connected descriptor and three variables. */
function inherit(socket: string): { env: Record<string, string>; started: () => void } {
  const { descriptor, close } = connectedDescriptor(socket);
  const env = { NRI_PLUGIN_SOCKET: `${descriptor}`, NRI_PLUGIN_NAME: "weka-cpuset", NRI_PLUGIN_IDX: "99" };
  return { env, started: close };
}

/** Nothing of the real node is touched or looked at. */
function argumentsOf({ socket, sysfs, dir, cgroups = `${dir}/cgroup` }: ChildOptions, log: string): string[] {
  const options = {
    "--socket": socket,
    "--sysfs-root": sysfs,
    "--cgroup-root": cgroups,
    "--run-dir": `${dir}/run`,
    "--cri-socket": `${dir}/no-cri.sock`,
    "--log-file": log,
  };
  return Object.entries(options).flat();
}
