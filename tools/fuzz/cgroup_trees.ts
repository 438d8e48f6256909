/** Cgroup trees and /proc as files: what they hold, what is missing, and links that lead out of them. */
import { CpuSet } from "../../src/cpu/cpu_set.ts";
import { scanClaims } from "../../src/cgroup/scan.ts";
import { readCpuset } from "../../src/cgroup/read.ts";
import { findCgroup, findHierarchy } from "../../src/cgroup/hierarchy.ts";
import { writeCpusets } from "../../src/cgroup/write.ts";
import { readerOf } from "../../src/platform/sysfs.ts";
import { usableCpusReader, usableReader } from "../../src/cgroup/usable_cpus.ts";
import type { Random } from "../random.ts";
import { cpuListText } from "./cpu_lists.ts";
import { textLike } from "./nasty.ts";
import { require, requireSentence, type Target } from "./target.ts";

const ID = "c0ffee";
const PID = 17;
const POD = "kubepods/burstable/pod1";
const OWN = `${POD}/${ID}`;
const TREES: Readonly<Record<"v1" | "v2", Readonly<Record<string, string>>>> = {
  v2: {
    "cgroup/cgroup.controllers": "cpuset cpu memory\n",
    "cgroup/kubepods/cpuset.cpus.effective": "0-7\n",
    [`cgroup/${OWN}/cpuset.cpus`]: "2-3\n",
    [`cgroup/${OWN}/cpuset.cpus.effective`]: "2-3\n",
    [`cgroup/${OWN}/cpuset.mems`]: "\n",
    [`cgroup/${OWN}/cgroup.procs`]: `${PID}\n`,
    [`proc/${PID}/cgroup`]: `0::/${OWN}\n`,
    "proc/1/cgroup": "0::/init.scope\n",
    "proc/self/mountinfo": "30 23 0:26 / / rw - cgroup2 cgroup2 rw\n",
    "sys/devices/system/cpu/online": "0-7\n",
  },
  v1: {
    "cgroup/cpuset/cpuset.cpus": "0-7\n",
    "cgroup/cpuset/kubepods/cpuset.cpus": "0-7\n",
    [`cgroup/cpuset/${OWN}/cpuset.cpus`]: "2-3\n",
    [`cgroup/cpuset/${OWN}/cpuset.mems`]: "0\n",
    [`cgroup/cpuset/${OWN}/cgroup.procs`]: `${PID}\n`,
    [`proc/${PID}/cgroup`]: `5:cpuset:/${OWN}\n`,
    "proc/1/cgroup": "5:cpuset:/\n",
    "proc/self/mountinfo": "30 23 0:26 / / rw - cgroup cgroup rw,cpuset\n",
    "sys/devices/system/cpu/online": "0-7\n",
  },
};
/** Only behind a link; nothing of it may be seen. */
const OUTSIDE = "4-6";

type Input = {
  readonly version: "v1" | "v2";
  readonly cgroupsPath: string;
  readonly pid: number;
  /** Other content, or null for a file that isn't there. */
  readonly files: readonly (readonly [path: string, content: string | null])[];
  /** Replaces this folder of the tree by a link out of it: 0 none, 1 the container's, 2 the pod's. */
  readonly link: number;
};

export const cgroupTrees: Target<Input> = {
  name: "cgroup-files",
  share: 10,
  draw(random: Random) {
    const version = random.oneOf("v1", "v2");
    const paths = Object.keys(TREES[version]);
    const files = Array.from({ length: random.below(4) }, () => {
      const path = random.pick(paths) ?? "";
      const content = random.chance(0.5)
        ? cpuListText(random)
        : textLike(random, [TREES[version][path] ?? ""]);
      return [path, random.chance(0.2) ? null : content] as const;
    });
    const cgroupsPath = textLike(random, [`/${OWN}`, `kubepods-pod1.slice:cri-containerd:${ID}`, ""]);
    return {
      version,
      cgroupsPath,
      pid: random.chance(0.8) ? PID : random.below(3),
      files,
      link: random.below(6),
    };
  },
  check(input) {
    using dir = new Folder();
    layOut(dir.path, input);
    const online = CpuSet.range(0, 7);
    const claims = scanClaims(`${dir.path}/cgroup`, online);
    require(claims.isSubsetOf(online) && !claims.equals(online), () => `claims ${claims}`);
    const usable = usableCpusReader(`${dir.path}/sys`, `${dir.path}/cgroup`)();
    require(!usable || usable.unusable.isSubsetOf(usable.online), () => `unusable ${usable?.unusable}`);
    usableReader(`${dir.path}/sys`, usable)("devices/system/cpu/online");
    requireOwnCgroup(dir.path, input);
    const outside = textOf(`${dir.path}/outside/cpuset.cpus`) ??
      textOf(`${dir.path}/outside/${ID}/cpuset.cpus`);
    require(outside === undefined || outside === OUTSIDE, () => `written through a link: ${outside}`);
  },
};

function requireOwnCgroup(dir: string, { cgroupsPath, pid }: Input): void {
  const hierarchy = findHierarchy(`${dir}/cgroup`, readerOf(`${dir}/proc`));
  if (hierarchy.kind === "unverified") return requireSentence(hierarchy.reason.replaceAll(dir, ""));
  const container = { id: ID, cgroup: { path: cgroupsPath, parent: `/${POD}`, pid } };
  const found = findCgroup(hierarchy, container, readerOf(`${dir}/proc`));
  if (found.kind === "unverified") return requireSentence(found.reason, 10_000);
  if (found.kind === "absent") return;
  require(found.path.endsWith(ID) || found.path.endsWith(`${ID}.scope`), () => `found ${found.path}`);
  const reading = readCpuset(hierarchy, found.path);
  if (reading.kind === "unverified") return requireSentence(reading.reason, 10_000);
  if (reading.kind === "values") {
    require(`${reading.cpus}` !== OUTSIDE, () => `a link was followed: ${found.path}`);
    const written = writeCpusets(hierarchy, [{ id: ID, path: found.path, cpus: CpuSet.of(1) }], 1000);
    if (written.kind === "failed") requireSentence(written.reason, 10_000);
  }
}

function textOf(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return undefined;
  }
}

function layOut(dir: string, { version, files, link }: Input): void {
  const tree = new Map<string, string | null>(Object.entries(TREES[version]));
  for (const [path, content] of files) tree.set(path, content);
  const root = version === "v1" ? `${dir}/cgroup/cpuset` : `${dir}/cgroup`;
  for (const [path, content] of tree) {
    Deno.mkdirSync(`${dir}/${path}`.replace(/\/[^/]*$/, ""), { recursive: true });
    if (content !== null) Deno.writeTextFileSync(`${dir}/${path}`, content);
  }
  const replaced = link === 1 ? OWN : link === 2 ? POD : undefined;
  if (replaced === undefined) return;
  const outside = link === 1 ? `${dir}/outside` : `${dir}/outside/${ID}`;
  Deno.mkdirSync(outside, { recursive: true });
  for (const file of ["cpuset.cpus", "cpuset.cpus.effective"]) {
    Deno.writeTextFileSync(`${outside}/${file}`, OUTSIDE);
  }
  Deno.writeTextFileSync(`${outside}/cpuset.mems`, "0");
  Deno.removeSync(`${root}/${replaced}`, { recursive: true });
  Deno.symlinkSync(`${dir}/outside`, `${root}/${replaced}`);
}

/** In memory, where there is such a file system: a disk would take milliseconds for each file. */
class Folder implements Disposable {
  readonly path: string;

  constructor() {
    this.path = Deno.makeTempDirSync({ prefix: "fuzz-", ...MEMORY });
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}

const MEMORY = isFolder("/dev/shm") ? { dir: "/dev/shm" } : {};

function isFolder(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}
