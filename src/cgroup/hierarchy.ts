import { quoted } from "../quoted.ts";
import type { ReadFile } from "../cpu/discover.ts";
import { CgroupDirectory } from "./directory.ts";
import {
  baseOf,
  cgroupCandidates,
  type CgroupHints,
  cgroupOfProcess,
  cleanPath,
  nestingOf,
} from "./paths.ts";
import { type CpusetHierarchy, unopened, type Unverified, VANISHED, type Vanished } from "./read.ts";
import { readerOf } from "../platform/sysfs.ts";

const PROC = readerOf("/proc");

/** Bytes of /proc/self/mountinfo: a node with hundreds of containers has thousands of mounts, of some 300 each. */
const MAX_MOUNTINFO = 4 * 2 ** 20;

const PROC_AND_MOUNTS: ReadFile = (path) =>
  path.endsWith("/mountinfo") ? readerOf("/proc", MAX_MOUNTINFO)(path) : PROC(path);

/** What is told of a container, and its first process: 0 when it isn't known. */
export interface ContainerHints extends CgroupHints {
  readonly pid: number;
}

/** A container's cgroup. */
export interface FoundCgroup {
  readonly kind: "found";
  /** Below the root of the hierarchy, with a slash before each name. */
  readonly path: string;
}

/**
 * The tree below `cgroupRoot`: cgroup v1's hierarchy with the cpuset controller, alone (`cpuset`) or with others
 * (`cpu,cpuset`), else v2's, at `cgroupRoot` or in `unified`. Otherwise a sentence that says what is missing.
 *
 * @param cgroupRoot where the tree is mounted
 * @param proc reads files of /proc
 */
export function cpusetHierarchy(
  cgroupRoot: string,
  proc: ReadFile = PROC_AND_MOUNTS,
): CpusetHierarchy | string {
  const top = canonical(cgroupRoot);
  if (top === undefined) return `there is no folder ${JSON.stringify(cgroupRoot)}; cgroupRoot must name one`;
  const tree = treeIn(top);
  if (tree === undefined) {
    return `there are no cpusets in ${top}: mount cgroup v2 with the cpuset controller there, or v1's cpuset`;
  }
  const nesting = nestingOf(proc("1/cgroup") ?? "", tree.version);
  return {
    ...tree,
    base: baseOf(proc("self/mountinfo") ?? "", tree.root),
    nestings: nesting === undefined || nesting === "" ? [] : [nesting],
  };
}

/** The administrator may have put links on the way; what lies below is the kernel's, and has none. */
function canonical(path: string): string | undefined {
  try {
    return cleanPath(Deno.realPathSync(path));
  } catch {
    return undefined;
  }
}

function treeIn(top: string): Pick<CpusetHierarchy, "version" | "root"> | undefined {
  const directory = CgroupDirectory.open(top, "");
  if (!(directory instanceof CgroupDirectory)) return undefined;
  using it = directory;
  const v1 = it.folders(MAX_FOLDERS).filter((name) => name.split(",").includes("cpuset"))
    .map((name) => `${top}/${name}`).find(isVersion1);
  if (v1 !== undefined) return { version: 1, root: v1 };
  const v2 = [top, `${top}/unified`].find(isVersion2);
  return v2 === undefined ? undefined : { version: 2, root: v2 };
}

/** A cgroup root has a dozen hierarchies, or as v2's the cgroups of the machine's slices. */
const MAX_FOLDERS = 4096;

/** Every cgroup of v2 has the file cgroup.controllers, so one that happens to have this name isn't meant. */
function isVersion1(root: string): boolean {
  const read = readerOf(root);
  return read("cpuset.cpus") !== undefined && read("cgroup.controllers") === undefined;
}

function isVersion2(root: string): boolean {
  const read = readerOf(root);
  return read("cpuset.cpus.effective") !== undefined ||
    (read("cgroup.controllers") ?? "").trim().split(" ").includes("cpuset");
}

/**
 * The cgroup of a container: where its first process is, else where its record says. Vanished when there is none, so
 * for a container that is created and not started, or has ended.
 */
export function findCgroup(
  hierarchy: CpusetHierarchy,
  container: ContainerHints,
  proc: ReadFile = PROC,
): FoundCgroup | Vanished | Unverified {
  const { pid, id } = container;
  const ofPid = Number.isInteger(pid) && pid > 0
    ? cgroupOfProcess(proc(`${pid}/cgroup`) ?? "", { ...hierarchy, id })
    : undefined;
  const told = cgroupCandidates(container, hierarchy.nestings);
  if (ofPid === undefined && told.length === 0) {
    const record = quoted(container.cgroupsPath, 200);
    return { kind: "unverified", reason: `the cgroups path ${record} of ${id} names no place of its own` };
  }
  let refused: Unverified | undefined;
  for (const path of ofPid === undefined ? told : [ofPid, ...told]) {
    const directory = CgroupDirectory.open(hierarchy.root, path);
    if (directory instanceof CgroupDirectory) {
      directory[Symbol.dispose]();
      return { kind: "found", path };
    }
    const why = unopened(path, directory);
    if (why.kind === "unverified") refused ??= why;
  }
  return refused ?? VANISHED;
}
