// A tree of cpusets as plain files, in the form of cgroup v1: it takes any write at no cost, so that what is measured is
// the agent's own part.

/** Lived in by this process, so that a container counts as alive. */
const PROCS = `${Deno.pid}\n`;

export class CpusetFiles {
  readonly #top: string;

  /**
   * @param root what the agent is given as the root of the cgroup tree
   * @param cpus all CPUs of the machine, as a list
   */
  constructor(readonly root: string, private readonly cpus: string) {
    this.#top = `${root}/cpuset`;
    for (const path of ["", "/kubepods", "/kubepods/besteffort"]) this.make(path);
  }

  /** A new cgroup: with all CPUs, if none are given, as kubelet and runc leave it. */
  make(path: string, cpus = this.cpus): void {
    Deno.mkdirSync(`${this.#top}${path}`, { recursive: true });
    this.write(path, cpus === "" ? this.cpus : cpus);
    Deno.writeTextFileSync(`${this.#top}${path}/cgroup.procs`, PROCS);
  }

  write(path: string, cpus: string): void {
    Deno.writeTextFileSync(`${this.#top}${path}/cpuset.cpus`, `${cpus}\n`);
  }

  read(path: string): string {
    return Deno.readTextFileSync(`${this.#top}${path}/cpuset.cpus`).trim();
  }

  remove(path: string): void {
    Deno.removeSync(`${this.#top}${path}`, { recursive: true });
  }
}
