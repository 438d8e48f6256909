// A cgroup v2 tree of plain files, with the kernel's cpuset rules where the runtime and its plugins meet them:
// an empty set inherits, a set that misses the parent's falls back to it, a CPU the machine can't have is ERANGE.
// Source: the kernel's Documentation/admin-guide/cgroup-v2.rst, "Cpuset".
//
// Who writes `cpuset.cpus` behind this class' back is honoured by `effective()`, unchecked. Where the tree is live, so
// is `cpuset.cpus.effective`: it has the CPUs in force when it is opened, and there is a `cgroup.procs`, by which an
// agent knows that it can work kernel-first. Otherwise it is a plain file, which is true once `refresh()` is called.

import { CpuSet } from "../../../src/cpu/cpu_set.ts";
import { LiveFiles } from "./live_files.ts";

/** What the kernel would have answered. */
export class CgroupError extends Error {
  override name = "CgroupError";
  readonly code: "ENOENT" | "EINVAL" | "ERANGE" | "EBUSY";

  constructor(code: CgroupError["code"], message: string) {
    super(`${code}: ${message}`);
    this.code = code;
  }
}

/** The two files that are written; one that isn't given stays as it is. */
export interface CpusetFiles {
  cpus?: string;
  mems?: string;
}

const CPUS = "cpuset.cpus";
const MEMS = "cpuset.mems";
const EFFECTIVE = "cpuset.cpus.effective";
const PROCS = "cgroup.procs";

/** The tree below `root`. Directories are absolute below it: `/kubepods/pod1/c1`. */
export class CgroupTree {
  readonly root: string;
  readonly #online: CpuSet;
  readonly #live: LiveFiles | undefined;

  constructor(root: string, online: CpuSet, isLive = false) {
    this.root = root;
    this.#online = online;
    Deno.mkdirSync(root, { recursive: true });
    this.#put("", EFFECTIVE, `${online}`);
    if (!isLive) return;
    this.#put("", PROCS, "");
    this.#live = new LiveFiles(root);
  }

  /** The files stay, and react no more. */
  async close(): Promise<void> {
    await this.#live?.close();
  }

  /** A new cgroup, and the ancestors it lacks, which inherit everything. */
  create(directory: string, files: CpusetFiles): void {
    this.#check(files);
    for (const each of lineage(directory)) {
      if (!this.exists(each)) this.#make(each);
    }
    this.write(directory, files);
  }

  /** Writes the files that are given; all are checked before the first is written. Throws a {@link CgroupError}. */
  write(directory: string, files: CpusetFiles): void {
    if (!this.exists(directory)) throw new CgroupError("ENOENT", `there is no cgroup ${directory}`);
    this.#check(files);
    if (files.cpus !== undefined) this.#put(directory, CPUS, files.cpus);
    if (files.mems !== undefined) this.#put(directory, MEMS, files.mems);
    this.refresh(directory);
  }

  /** The CPUs on which the cgroup's processes really run. */
  effective(directory: string): CpuSet {
    return [...lineage(directory)].reduce((parent, each) => {
      const own = cpuSet(this.#take(each, CPUS)).intersection(parent);
      return own.isEmpty ? parent : own;
    }, this.#online);
  }

  /** What was written last; empty: inherited. */
  read(directory: string): Required<CpusetFiles> {
    return { cpus: this.#take(directory, CPUS), mems: this.#take(directory, MEMS) };
  }

  /** Writes `cpuset.cpus.effective` anew, here and below. */
  refresh(directory: string): void {
    if (this.#live !== undefined) return;
    this.#put(directory, EFFECTIVE, this.effective(directory).toString());
    for (const child of Deno.readDirSync(this.root + directory)) {
      if (child.isDirectory) this.refresh(`${directory}/${child.name}`);
    }
  }

  exists(directory: string): boolean {
    try {
      return Deno.statSync(`${this.root}${directory}/${CPUS}`).isFile;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return false;
      throw error;
    }
  }

  /** Removes the cgroup and all below it; one that isn't there is no error. */
  remove(directory: string): void {
    if (!this.exists(directory)) return;
    this.#live?.forget(this.root + directory);
    Deno.removeSync(this.root + directory, { recursive: true });
  }

  #make(directory: string): void {
    Deno.mkdirSync(this.root + directory);
    this.#put(directory, CPUS, "");
    this.#put(directory, MEMS, "");
    if (this.#live === undefined) return this.refresh(directory);
    this.#live.make(`${this.root}${directory}/${EFFECTIVE}`, () => `${this.effective(directory)}\n`);
    // The last one: a cgroup without it isn't there yet for those who look.
    this.#put(directory, PROCS, "");
  }

  #check({ cpus, mems }: CpusetFiles): void {
    const last = Math.max(...this.#online);
    const beyond = [...cpuSet(cpus ?? "")].find((cpu) => cpu > last);
    if (beyond !== undefined) throw new CgroupError("ERANGE", `this machine has no CPU ${beyond}`);
    cpuSet(mems ?? "");
  }

  #take(directory: string, file: string): string {
    if (!this.exists(directory)) throw new CgroupError("ENOENT", `there is no cgroup ${directory}`);
    return Deno.readTextFileSync(`${this.root}${directory}/${file}`).trim();
  }

  #put(directory: string, file: string, text: string): void {
    Deno.writeTextFileSync(`${this.root}${directory}/${file}`, `${text}\n`);
  }
}

/** The set of a cpuset file; an empty file is the empty set. */
export function cpuSet(list: string): CpuSet {
  if (list === "") return CpuSet.empty;
  const set = CpuSet.parse(list);
  if (set instanceof CpuSet) return set;
  throw new CgroupError("EINVAL", `"${list}" is no list of CPUs`);
}

/** `/a/b/c` → `/a`, `/a/b`, `/a/b/c`. */
function* lineage(directory: string): Generator<string> {
  const names = directory.split("/").filter(Boolean);
  for (let depth = 1; depth <= names.length; depth++) yield `/${names.slice(0, depth).join("/")}`;
}
