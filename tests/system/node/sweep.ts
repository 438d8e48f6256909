import { eventually } from "./eventually.ts";
import { alive, cgroupMounts, mounts, processesNaming } from "./machine.ts";

/** Where the tests' containerds live: short, as unix sockets need it. The last part is also the name of their cgroup. */
const PARENT = "/tmp";
const PREFIX = "weka-cpuset-node-";

/** Makes a directory for one containerd, marked as owned by this process. */
export function makeDirectory(): string {
  const dir = Deno.makeTempDirSync({ dir: PARENT, prefix: PREFIX });
  Deno.writeTextFileSync(`${dir}/owner`, `${Deno.pid}`);
  return dir;
}

/** The cgroup, in every hierarchy, under which the pods of the containerd in `dir` live: `/NAME`. */
export function cgroupOf(dir: string): string {
  return dir.slice(dir.lastIndexOf("/"));
}

/** Ends and removes what earlier test runs left behind that were killed before they could. */
export async function sweepLeftovers(): Promise<void> {
  const names = [...Deno.readDirSync(PARENT)].filter(({ name, isDirectory }) =>
    isDirectory && name.startsWith(PREFIX)
  );
  for (const dir of names.map(({ name }) => `${PARENT}/${name}`)) {
    const owner = readIfThere(`${dir}/owner`);
    if (owner !== "" && !alive(Number(owner))) await sweep(dir);
  }
}

/**
 * Ends all that belongs to the containerd in `dir`, wherever it stands, and removes it: the processes that name `dir` on
 * their command line or live in its cgroup, its mounts, its cgroups, the shims' sockets, and `dir`.
 */
export async function sweep(dir: string): Promise<void> {
  await eventually(() => {
    thaw(dir);
    const left = processes(dir);
    for (const pid of left) kill(pid);
    if (left.length > 0) throw new Error(`processes ${left} of ${dir} don't end`);
  });
  for (const { root } of mounts().filter(({ root }) => root.startsWith(`${dir}/`)).reverse()) {
    new Deno.Command("umount", { args: ["-l", root] }).outputSync();
  }
  // The kernel takes a moment to give up the cgroup of a process that has just ended.
  await eventually(() => cgroups(dir).forEach((path) => Deno.removeSync(path)));
  shimSockets(dir).forEach((path) => removeIfThere(path));
  Deno.removeSync(dir, { recursive: true });
}

function processes(dir: string): number[] {
  const inCgroups = cgroups(dir).flatMap((path) => readIfThere(`${path}/cgroup.procs`).split("\n"))
    .filter((pid) => pid !== "").map(Number).filter(alive);
  return [...new Set([...inCgroups, ...processesNaming(dir)])];
}

function cgroups(dir: string): string[] {
  return cgroupMounts().map(({ root }) => root + cgroupOf(dir)).filter(exists).flatMap(deepestFirst);
}

/** A runc that is killed in the midst of an update leaves its container frozen, and what is frozen doesn't end. */
function thaw(dir: string): void {
  for (const path of cgroups(dir)) {
    if (/FR/.test(readIfThere(`${path}/freezer.state`))) {
      Deno.writeTextFileSync(`${path}/freezer.state`, "THAWED");
    }
    if (readIfThere(`${path}/cgroup.freeze`).startsWith("1")) {
      Deno.writeTextFileSync(`${path}/cgroup.freeze`, "0");
    }
  }
}

function deepestFirst(path: string): string[] {
  return [...childrenOf(path).flatMap((name) => deepestFirst(`${path}/${name}`)), path];
}

/** The sockets of shims are in a place of their own, compiled in; each shim's working directory names its socket. */
function shimSockets(dir: string): string[] {
  const tasks = `${dir}/run/io.containerd.runtime.v2.task/k8s.io`;
  return childrenOf(tasks).flatMap((task) =>
    ["address", "bootstrap.json"].map((file) => `${tasks}/${task}/${file}`)
  )
    .flatMap((file) => readIfThere(file).match(/\/run\/containerd\/s\/[0-9a-f]+/) ?? []);
}

function childrenOf(path: string): string[] {
  try {
    return [...Deno.readDirSync(path)].filter(({ isDirectory }) => isDirectory).map(({ name }) => name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

function kill(pid: number): void {
  try {
    Deno.kill(pid, "SIGKILL");
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error; // it has ended meanwhile
  }
}

function exists(path: string): boolean {
  try {
    return Deno.lstatSync(path).isDirectory;
  } catch {
    return false;
  }
}

function removeIfThere(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

function readIfThere(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return "";
  }
}
