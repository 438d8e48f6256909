// What all parts of the benchmark work with: the executable, made-up machines, and agents started on them.

import { bigNode, huge, type MachineSpec, sysfsTree, writeTree } from "../../tests/kit/sysfs.ts";
import { AgentChild, type ChildOptions, type Mode } from "./agent_child.ts";
import { type Guest, Reception } from "./reception.ts";

/** A made-up machine. */
export interface Made {
  readonly cpus: number;
  readonly spec: MachineSpec;
}

/** With its sysfs tree as files. */
export interface Machine extends Made {
  readonly sysfs: string;
}

/** An executable that is measured. */
export interface Build {
  /** As tables show it; empty: this one. */
  readonly name: string;
  readonly executable: string;
}

/** Is called with how far a part is. */
export type Progress = (part: string, done: number, total: number) => void;

/** Machines on which the executable is measured. */
const MACHINES: readonly Made[] = [{ cpus: 64, spec: bigNode }, { cpus: 512, spec: huge }];

/** As many CPUs as a machine may have in ten years. */
export const LARGEST: Made = { cpus: 2048, spec: { ...huge, sockets: 8 } };

/** Where files cost nothing: with some disks a machine's ten thousand small ones take half a minute. */
const MEMORY = "/dev/shm";

export class Stage {
  #started = 0;

  private constructor(
    /** This one, and another that it is compared with. */
    readonly builds: readonly Build[],
    readonly dir: string,
    /** Where files cost nothing. */
    readonly trees: string,
    readonly machines: readonly Machine[],
    readonly progress: Progress,
  ) {}

  /** This one's. */
  get executable(): string {
    return this.builds[0]?.executable ?? "";
  }

  /** Writes the machines' trees, and removes all that is left in the end. */
  static async with(
    builds: readonly Build[],
    progress: Progress,
    play: (stage: Stage) => Promise<void>,
  ): Promise<void> {
    // Only the trees: Deno lets no program with narrow permissions write its log below /dev.
    const [dir, trees] = [Deno.makeTempDirSync({ prefix: "bench-" }), makeTreesDir()];
    try {
      const machines = MACHINES.map(({ cpus, spec }) => ({ cpus, spec, sysfs: `${trees}/sys${cpus}` }));
      for (const { sysfs, spec } of machines) writeTree(sysfs, sysfsTree(spec));
      await play(new Stage(builds, dir, trees, machines, progress));
    } finally {
      for (const each of [dir, trees]) Deno.removeSync(each, { recursive: true });
    }
  }

  /** Starts an agent and synchronizes it with `synchronize`; it lives until `play` is over. */
  async agent(
    mode: Mode,
    { sysfs }: Machine,
    synchronize: readonly Uint8Array[],
    play: (agent: AgentChild, guest: Guest) => Promise<void>,
    { env = {}, executable = this.executable }: Partial<Pick<ChildOptions, "env" | "executable">> = {},
  ): Promise<void> {
    const dir = `${this.dir}/agent${++this.#started}`;
    for (const folder of [dir, `${dir}/cgroup`]) Deno.mkdirSync(folder);
    const reception = new Reception(`${dir}/nri.sock`);
    try {
      const agent = new AgentChild({
        mode,
        executable,
        socket: reception.path,
        sysfs,
        dir,
        env,
      });
      try {
        await agent.during(reception.welcome(synchronize).then((guest) => play(agent, guest)));
      } finally {
        await agent.end();
      }
    } finally {
      reception.close();
      Deno.removeSync(dir, { recursive: true });
    }
  }
}

function makeTreesDir(): string {
  try {
    return Deno.makeTempDirSync({ dir: MEMORY, prefix: "bench-" });
  } catch {
    return Deno.makeTempDirSync({ prefix: "bench-" });
  }
}
