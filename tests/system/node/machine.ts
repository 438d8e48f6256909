// What the kernel says, read here with the tests' own few lines: an oracle must not share code with what it judges.

/** The numbers of a Linux list such as `0-2,5`, in order. */
export function numbers(list: string): number[] {
  return list.trim().split(",").filter((item) => item !== "").flatMap((item) => {
    const [first = NaN, last = first] = item.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
}

/** `all` without `taken`. */
export function without(all: readonly number[], taken: readonly number[]): number[] {
  return all.filter((one) => !taken.includes(one));
}

/** The CPUs that are online. */
export function online(): number[] {
  return numbers(Deno.readTextFileSync("/sys/devices/system/cpu/online"));
}

/** The NUMA nodes with memory that hold a CPU of `cpus`; `[0]` on a kernel without NUMA. */
export function memoryNodes(cpus: readonly number[]): number[] {
  const root = "/sys/devices/system/node";
  const nodes = numbers(readOr(`${root}/has_memory`, ""));
  if (nodes.length === 0) return [0];
  return nodes.filter((node) =>
    numbers(readOr(`${root}/node${node}/cpulist`, "")).some((cpu) => cpus.includes(cpu))
  );
}

/** The CPUs on which process `pid` may run, in its own words: `Cpus_allowed_list` of /proc/PID/status. */
export function allowedCpus(pid: number): number[] {
  const list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(Deno.readTextFileSync(`/proc/${pid}/status`))?.[1];
  return numbers(list ?? "");
}

/** The cpuset files of the cgroup of process `pid`; where a file is empty (cgroup v2: not set), the effective set. */
export function cpuset(pid: number): { cpus: number[]; mems: number[] } {
  return cpusetIn(cpusetDirectory(pid));
}

/** The same of a cgroup directory. */
export function cpusetIn(dir: string): { cpus: number[]; mems: number[] } {
  const read = (set: string, effective: string[]) =>
    numbers(
      [set, ...effective].map((file) => readOr(`${dir}/${file}`, "")).find((text) => text !== "") ?? "",
    );
  return {
    cpus: read("cpuset.cpus", ["cpuset.cpus.effective", "cpuset.effective_cpus"]),
    mems: read("cpuset.mems", ["cpuset.mems.effective", "cpuset.effective_mems"]),
  };
}

/** The cgroup directory of process `pid` that has the cpuset files: in the hierarchy of cgroup v1's cpuset, else in v2. */
export function cpusetDirectory(pid: number): string {
  const hierarchy = findHierarchy();
  const paths = Deno.readTextFileSync(`/proc/${pid}/cgroup`).trim().split("\n").map((line) =>
    line.split(":")
  );
  const own = paths.find(([, controllers = ""]) =>
    hierarchy.version === 1 ? controllers.split(",").includes("cpuset") : controllers === ""
  );
  if (own === undefined) throw new Error(`process ${pid} is in no cpuset cgroup`);
  return hierarchy.root + own.slice(2).join(":");
}

/** Where the cpuset controller is mounted. */
export function findHierarchy(): { version: 1 | 2; root: string } {
  const all = cgroupMounts();
  const v1 = all.find(({ version, options }) => version === 1 && options.includes("cpuset"));
  const found = v1 ?? all.find(({ version }) => version === 2);
  if (found === undefined) throw new Error("no cgroup hierarchy with the cpuset controller is mounted");
  return { version: found.version, root: found.root };
}

/** Every mounted cgroup hierarchy. */
export function cgroupMounts(): { version: 1 | 2; root: string; options: string[] }[] {
  return mounts().filter(({ type }) => type === "cgroup" || type === "cgroup2").map((
    { type, root, options },
  ) => ({
    version: type === "cgroup" ? 1 : 2,
    root,
    options,
  }));
}

/** Every mount that this process sees: mount point, file system type, options of the file system. */
export function mounts(): { root: string; type: string; options: string[] }[] {
  return Deno.readTextFileSync("/proc/self/mountinfo").trim().split("\n").map((line) => {
    const [left = "", right = ""] = line.split(" - ");
    const [type = "", , options = ""] = right.split(" ");
    const root = (left.split(" ")[4] ?? "").replaceAll(
      /\\(\d{3})/g,
      (_, octal) => String.fromCharCode(parseInt(octal, 8)),
    );
    return { root, type, options: options.split(",") };
  });
}

/** Whether process `pid` runs: a dead one that its parent has not reaped yet does not. */
export function alive(pid: number): boolean {
  return /^State:\s*[^ZX]/m.test(readOr(`/proc/${pid}/status`, ""));
}

/** The processes that run with a word on their command line that is `path`, or a path below it. */
export function processesNaming(path: string): number[] {
  const names = (word: string) => word === path || word.startsWith(`${path}/`);
  return [...Deno.readDirSync("/proc")].map(({ name }) => name)
    .filter((name) => /^\d+$/.test(name) && readOr(`/proc/${name}/cmdline`, "").split("\0").some(names))
    .map(Number).filter(alive);
}

function readOr(path: string, otherwise: string): string {
  try {
    return Deno.readTextFileSync(path).trim();
  } catch {
    return otherwise;
  }
}
