import { quoted } from "../quoted.ts";
import type { ReadFile } from "../cpu/discover.ts";
import { CgroupDirectory } from "./directory.ts";
import { baseOf, cgroupCandidates, cgroupOfProcess, cleanPath, groupPath, nestingOf } from "./paths.ts";
import type { Absent, Unverified } from "./port.ts";
import { ABSENT, type CpusetHierarchy, notOpened, openCgroup, unverified } from "./read.ts";
import type { ContainerRef } from "../ledger/claim.ts";
import { readerOf } from "../platform/sysfs.ts";

const PROC = readerOf("/proc");

/** Of /proc/self/mountinfo: a node with hundreds of containers has thousands of mounts, of some 300 bytes each. */
const MAX_MOUNTINFO_BYTES = 4 * 2 ** 20;

const PROC_AND_MOUNTS: ReadFile = (path) =>
  path.endsWith("/mountinfo") ? readerOf("/proc", MAX_MOUNTINFO_BYTES)(path) : PROC(path);

/** A container's cgroup. */
export interface FoundCgroup {
  readonly kind: "found";
  /** Below the root of the hierarchy, with a slash before each name. */
  readonly path: string;
}

/**
 * Finds the tree below `cgroupRoot`: cgroup v1's hierarchy with the cpuset controller, alone (`cpuset`) or with
 * others (`cpu,cpuset`), else v2's, at `cgroupRoot` or in `unified`. Unverified: the reason names what is missing.
 *
 * @param cgroupRoot where the tree is mounted
 * @param proc reads files of /proc
 */
export function findHierarchy(
  cgroupRoot: string,
  proc: ReadFile = PROC_AND_MOUNTS,
): CpusetHierarchy | Unverified {
  const top = canonical(cgroupRoot);
  if (top === undefined) {
    return unverified(`there is no directory ${JSON.stringify(cgroupRoot)}; set cgroupRoot to one`);
  }
  const tree = treeIn(top);
  if (tree === undefined) {
    return unverified(
      `there are no cpusets in ${top}: mount cgroup v2 with the cpuset controller there, or v1's cpuset`,
    );
  }
  const nesting = nestingOf(proc("1/cgroup") ?? "", tree.version);
  return {
    kind: "hierarchy",
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
  const opened = CgroupDirectory.open(top, "");
  if (opened.kind === "errno") return undefined;
  using directory = opened;
  const v1 = directory.directories(MAX_DIRECTORIES).filter((name) => name.split(",").includes("cpuset"))
    .map((name) => `${top}/${name}`).find(isVersion1);
  if (v1 !== undefined) return { version: 1, root: v1 };
  const v2 = [top, `${top}/unified`].find(isVersion2);
  return v2 === undefined ? undefined : { version: 2, root: v2 };
}

/** A cgroup root has a dozen hierarchies, or as v2's the cgroups of the machine's slices. */
const MAX_DIRECTORIES = 4096;

/** Every cgroup of v2 has the file cgroup.controllers, so one that happens to have this name is none of v1. */
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
 * Finds the cgroup of a container: where its first process is, else where its record says. Absent when there is none,
 * so for a container that is created and not started, or has ended.
 */
export function findCgroup(
  hierarchy: CpusetHierarchy,
  container: Pick<ContainerRef, "id" | "cgroup">,
  proc: ReadFile = PROC,
): FoundCgroup | Absent | Unverified {
  const place = hierarchy.kept?.placeOf(container);
  if (place !== undefined) return { kind: "found", path: place };
  const found = search(hierarchy, container, proc);
  if (found.kind === "found") hierarchy.kept?.place(container, found.path);
  return found;
}

function search(
  hierarchy: CpusetHierarchy,
  { id, cgroup }: Pick<ContainerRef, "id" | "cgroup">,
  proc: ReadFile,
): FoundCgroup | Absent | Unverified {
  const { path: record = "", parent = "", pid = 0 } = cgroup ?? {};
  const ofPid = Number.isInteger(pid) && pid > 0
    ? cgroupOfProcess(proc(`${pid}/cgroup`) ?? "", { ...hierarchy, id })
    : undefined;
  const candidates = cgroupCandidates(id, { path: record, parent }, hierarchy.nestings);
  if (ofPid === undefined && candidates.length === 0) {
    return unverified(`the cgroups path ${quoted(record, 200)} of ${id} names no place of its own`);
  }
  return firstOpen(hierarchy, ofPid === undefined ? candidates : [ofPid, ...candidates]);
}

/** Finds the cgroup of a QoS class by its path, which may begin where the runtime's own view of the tree does. */
export function findGroup(hierarchy: CpusetHierarchy, path: string): FoundCgroup | Absent | Unverified {
  const candidates = ["", ...hierarchy.nestings].map((nesting) => groupPath(`${nesting}${path}`));
  return firstOpen(hierarchy, candidates.filter((candidate) => candidate !== undefined));
}

function firstOpen(hierarchy: CpusetHierarchy, paths: readonly string[]): FoundCgroup | Absent | Unverified {
  let refused: Unverified | undefined;
  for (const path of paths) {
    const opened = openCgroup(hierarchy, path);
    if (opened.kind === "directory") {
      opened[Symbol.dispose]();
      return { kind: "found", path };
    }
    const problem = notOpened(path, opened);
    if (problem.kind === "unverified") refused ??= problem;
  }
  return refused ?? ABSENT;
}

/** A cgroup root has a dozen hierarchies of v1. */
const MAX_HIERARCHIES = 4096;

/** Where that controller's files of the same cgroups are; in v1 beside, alone or with others, as in `cpu,cpuacct`. Undefined: nowhere. */
export function rootWith(
  controller: string,
  { version, root }: Pick<CpusetHierarchy, "version" | "root">,
): string | undefined {
  if (version === 2) return root;
  const top = root.slice(0, root.lastIndexOf("/"));
  const opened = CgroupDirectory.open(top, "");
  if (opened.kind === "errno") return undefined;
  using directory = opened;
  const name = directory.directories(MAX_HIERARCHIES).find((each) => each.split(",").includes(controller));
  return name === undefined ? undefined : `${top}/${name}`;
}
