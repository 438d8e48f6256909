/**
 * Where a container's cgroup is, from what the runtime and the kernel say about the container. Paths are below the
 * root of the hierarchy that has the cpusets, and begin with a slash.
 *
 * The last name of a path that is returned here is that of the container: its id, alone or as containerd, CRI-O and
 * Docker decorate it. So whatever a record or a process says, it can't lead to the cgroup of a pod, of all pods, or
 * of another container.
 */
import { slicePath } from "../cgroup_names.ts";
import { type CgroupHints, HOST_GROUPS } from "../ledger/claim.ts";

/** What NRI and the CRI say about a container's cgroup. */
type Hints = Pick<CgroupHints, "path" | "parent">;

/** A path longer than the kernel takes (PATH_MAX) is none, nor a name longer than a file can have (NAME_MAX). */
const MAX_PATH_LENGTH = 4095;
const MAX_NAME_LENGTH = 255;
/** Pods in a node that is a container itself are about 9 deep. */
const MAX_NAMES = 32;
const ID = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/;
const SLICE = ".slice";
const SCOPE = ".scope";

/** As containerd, CRI-O and cri-dockerd name the unit of a container, where only the pod's cgroup is known. */
const SCOPE_PREFIXES = ["cri-containerd", "crio", "docker"];

/**
 * Where the container's cgroup may be, likeliest first; none when the hints name no place of this container.
 *
 * @param nestings where the runtime's own view of the tree may begin, below the root: with systemd in a container
 * and cgroup v1, units lie below the cgroup of that systemd ({@link nestingOf})
 */
export function cgroupCandidates(id: string, hints: Hints, nestings: readonly string[] = []): string[] {
  if (!ID.test(id)) return [];
  const hinted = hints.path === "" ? ofPod(id, hints) : ofRecord(hints);
  const all = ["", ...nestings].flatMap((nesting) => hinted.map((path) => cleanPath(`${nesting}/${path}`)));
  const good = all.filter((path) => path !== undefined && isOf(id, lastOf(path)));
  return [...new Set(good)] as string[];
}

/** The OCI runtime specification leaves the form to the runtime; runc and crun have these two. */
function ofRecord({ path, parent }: Hints): string[] {
  const [slice = "", prefix, name, ...more] = path.split(":");
  if (prefix === undefined || name === undefined || more.length > 0) return [path];
  const unit = prefix === "" ? `${name}${SCOPE}` : `${prefix}-${name}${SCOPE}`;
  const parents = [slicePath(slice === "" ? "system.slice" : slice)];
  if (slice !== "" && lastOf(parent) === slice) parents.push(parent);
  return unit.includes("/") ? [] : inEach(parents, [unit]);
}

/** Only where the record has no path: the pod's cgroup and the usual names in it. */
function ofPod(id: string, { parent }: Hints): string[] {
  if (parent === "") return [];
  if (!parent.endsWith(SLICE)) return inEach([parent], [id, `crio-${id}`]);
  const units = SCOPE_PREFIXES.map((prefix) => `${prefix}-${id}${SCOPE}`);
  return inEach([slicePath(lastOf(parent)), parent], units);
}

function inEach(parents: readonly (string | undefined)[], names: readonly string[]): string[] {
  return parents.filter((parent) => parent !== undefined)
    .flatMap((parent) => names.map((name) => `${parent}/${name}`));
}

/**
 * The cgroup of the container in a process' `/proc/PID/cgroup`, even where the process has moved into a cgroup
 * below it, as systemd in a pod does. Undefined where no name on the way is the container's, since process ids are
 * used again; where the place is above what this process can see; and where the cgroup has been removed.
 *
 * @param version of the cgroup hierarchy that has the cpusets
 * @param base where that hierarchy's root is in the paths of /proc/PID/cgroup ({@link baseOf})
 */
export function cgroupOfProcess(
  procCgroup: string,
  { version, base, id }: { version: 1 | 2; base: string | undefined; id: string },
): string | undefined {
  const whole = pathIn(procCgroup, version);
  if (whole === undefined || base === undefined || !ID.test(id)) return undefined;
  const path = cleanPath(whole);
  if (path === undefined || !`${path}/`.startsWith(`${base}/`)) return undefined;
  const names = path.slice(base.length).split("/").slice(1);
  const at = names.findIndex((name) => isOf(id, name));
  return at < 0 ? undefined : `/${names.slice(0, at + 1).join("/")}`;
}

/**
 * Where the units of the systemd lie that is process 1: its own cgroup, which it left for `init.scope`. From
 * `/proc/1/cgroup`; undefined when that doesn't say.
 */
export function nestingOf(procCgroup: string, version: 1 | 2): string | undefined {
  return cleanPath(pathIn(procCgroup, version)?.replace(/\/init\.scope$/, "") ?? "..");
}

/** See cgroups(7), "/proc files": lines `hierarchy-ID:controllers:path`, in cgroup v2 `0::path`. */
function pathIn(procCgroup: string, version: 1 | 2): string | undefined {
  for (const line of procCgroup.split("\n")) {
    const [, controllers, path] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? [];
    const isIt = version === 2 ? controllers === "" : controllers?.split(",").includes("cpuset");
    if (isIt) return path?.endsWith(" (deleted)") ? undefined : path;
  }
  return undefined;
}

/**
 * Where the directory `root` is in the paths of /proc/PID/cgroup: empty, unless only a part of the hierarchy is mounted
 * (in a container) or `root` is a directory in it. From `/proc/self/mountinfo`; undefined when that doesn't say, and
 * when it is above what this process can see (a hostPath in a pod that has a cgroup namespace of its own).
 */
export function baseOf(mountinfo: string, root: string): string | undefined {
  let best: { point: string; from: string } | undefined;
  for (const line of mountinfo.split("\n")) {
    const [, , , from = "", point = ""] = line.split(" ").map(unescaped);
    const isAbove = point === "/" || root === point || root.startsWith(`${point}/`);
    // The last of several on one another is the one that is seen.
    if (isAbove && point !== "" && point.length >= (best?.point.length ?? 0)) best = { point, from };
  }
  return best && cleanPath(`${best.from}/${root.slice(best.point.length)}`);
}

/** Spaces and the like are three octal digits there, see proc(5). */
function unescaped(field: string): string {
  return field.replaceAll(/\\(\d{3})/g, (_, octal) => String.fromCharCode(parseInt(octal, 8)));
}

/**
 * A path without doubled slashes and without one at its end, so empty for the root. Undefined for what must not be
 * followed: with `.` or `..`, control characters, or beyond the bounds.
 */
export function cleanPath(path: string): string | undefined {
  if (path.length > MAX_PATH_LENGTH || /\p{Cc}/u.test(path)) return undefined;
  const names = path.split("/").filter((name) => name !== "");
  const isGood = names.length <= MAX_NAMES &&
    names.every((name) => name !== "." && name !== ".." && name.length <= MAX_NAME_LENGTH);
  return isGood ? names.map((name) => `/${name}`).join("") : undefined;
}

/**
 * As kubelet names the cgroups of QoS classes with either driver, those of a partition of its (`kubepods-system.slice`)
 * too, and systemd the slices of all that is no container. No other cgroup above containers is ever written.
 */
const CLASS = /\/(burstable|besteffort|[^/]*kubepods-((?!pod)[^/-]+-)?(burstable|besteffort)\.slice)$/;

/** Whether it is one of systemd's slices of all that is no container. */
export function isHostGroup(path: string): boolean {
  return HOST_GROUPS.includes(path);
}

/** Whether a cgroup with this name is kubelet's of all pods, with either driver, alone and below a `--cgroup-root`. */
export function isKubepods(name: string): boolean {
  return /(^|-)kubepods(\.slice)?$/.test(name);
}

/** Whether a cgroup with this name can be a pod's. */
export function isPod(name: string): boolean {
  return /(^|-)pod/.test(name);
}

/** The clean path of a group's cgroup; undefined where it is none such. */
export function groupPath(path: string): string | undefined {
  const clean = cleanPath(path);
  return clean !== undefined && (CLASS.test(clean) || isHostGroup(clean)) ? clean : undefined;
}

/** Whether a cgroup with this name can be the container's. */
function isOf(id: string, name: string): boolean {
  const bare = name.endsWith(SCOPE) ? name.slice(0, -SCOPE.length) : name;
  return bare === id || bare.endsWith(`-${id}`);
}

/** The id by which a container's cgroup is named, where it is one's. */
export function idIn(path: string): string {
  const name = lastOf(path);
  const bare = name.endsWith(SCOPE) ? name.slice(0, -SCOPE.length) : name;
  return bare.slice(bare.lastIndexOf("-") + 1);
}

function lastOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
