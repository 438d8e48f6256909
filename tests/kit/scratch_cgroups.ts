import type { CpusetHierarchy } from "../../src/cgroup/read.ts";
import { findHierarchy } from "../../src/cgroup/hierarchy.ts";

/** Tests `name` with cgroups of the real kernel; where that can't be, the test's name says why. */
export function onKernel(name: string, body: (scratch: ScratchCgroups) => void | Promise<void>): void {
  if (typeof KERNEL === "string") {
    Deno.test.ignore(`NOT TESTED on the kernel's cpusets, ${KERNEL}: ${name}`, () => {});
    return;
  }
  const kernel = KERNEL;
  Deno.test(`cgroup v${kernel.version}: ${name}`, async () => {
    await using scratch = new ScratchCgroups(kernel);
    await body(scratch);
  });
}

function usable(): CpusetHierarchy | string {
  const hierarchy = findHierarchy("/sys/fs/cgroup");
  if (hierarchy.kind === "unverified") return hierarchy.reason;
  if (Deno.uid() !== 0) return "as that takes root";
  if (navigator.hardwareConcurrency < 2) return "as that takes two CPUs";
  try {
    using _ = new ScratchCgroups(hierarchy);
    return hierarchy;
  } catch (error) {
    return `no cgroup can be made in ${hierarchy.root}: ${(error as Error).message}`;
  }
}

/** Cgroups of a test's own, with processes in them; all are gone at its end. */
export class ScratchCgroups implements AsyncDisposable, Disposable {
  readonly top: string;
  readonly #made: string[] = [];
  readonly #processes: Deno.ChildProcess[] = [];

  constructor(readonly hierarchy: CpusetHierarchy) {
    const { version, root } = hierarchy;
    if (version === 2) Deno.writeTextFileSync(`${root}/cgroup.subtree_control`, "+cpuset");
    // Not by process id: one that was killed leaves its cgroups to the next with that id.
    this.top = `/weka-cpuset-test-${crypto.randomUUID()}`;
    this.make("", "0-1");
  }

  /** Makes a cgroup below the test's own, with these CPUs; gives its path below the hierarchy's root. */
  make(name: string, cpus: string): string {
    const path = `${this.top}${name}`;
    const parent = path.slice(0, path.lastIndexOf("/"));
    if (this.hierarchy.version === 2 && parent !== "") {
      this.write(parent, "+cpuset", "cgroup.subtree_control");
    }
    Deno.mkdirSync(this.hierarchy.root + path);
    this.#made.push(path);
    if (this.hierarchy.version === 1) this.write(path, "0", "cpuset.mems");
    this.write(path, cpus);
    return path;
  }

  /** Starts a process in the cgroup. */
  run(path: string): Deno.ChildProcess {
    const child = new Deno.Command("sleep", { args: ["infinity"], stdout: "null", stderr: "null" }).spawn();
    this.#processes.push(child);
    this.write(path, `${child.pid}`, "cgroup.procs");
    return child;
  }

  read(path: string, file = "cpuset.cpus"): string {
    return Deno.readTextFileSync(`${this.hierarchy.root}${path}/${file}`).trim();
  }

  /** Throws what the kernel says. */
  write(path: string, text: string, file = "cpuset.cpus"): void {
    Deno.writeTextFileSync(`${this.hierarchy.root}${path}/${file}`, `${text}\n`);
  }

  remove(path: string): void {
    this.#made.splice(this.#made.indexOf(path), 1);
    Deno.removeSync(this.hierarchy.root + path);
  }

  [Symbol.dispose](): void {
    for (const path of this.#made.splice(0).reverse()) Deno.removeSync(this.hierarchy.root + path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#processes) {
      child.kill("SIGKILL");
      await child.status;
    }
    // A process that was reaped leaves its cgroup a moment later.
    const paths = this.#made.map((path) => `${this.hierarchy.root}${path}/cgroup.procs`);
    for (let tries = 0; tries < 500 && paths.some((path) => Deno.readTextFileSync(path) !== ""); tries++) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    this[Symbol.dispose]();
  }
}

/** The kernel's own cpusets, or a sentence that says why they can't be tested here. */
export const KERNEL: CpusetHierarchy | string = usable();
