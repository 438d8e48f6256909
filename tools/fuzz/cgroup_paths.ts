/** Where a container's cgroup is, from the data of runtimes and the kernel: texts only, no files. */
import { slicePath } from "../../src/cgroup_names.ts";
import { baseOf, cgroupCandidates, cgroupOfProcess, cleanPath, nestingOf } from "../../src/cgroup/paths.ts";
import type { Random } from "../random.ts";
import { nastyText, textLike } from "./nasty.ts";
import { require, type Target } from "./target.ts";

const ID = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const PATHS = [
  `/kubepods/burstable/pod1/${ID}`,
  `kubepods-burstable-pod1.slice:cri-containerd:${ID}`,
  `/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod1.slice/cri-containerd-${ID}.scope`,
  `-.slice:crio:${ID}`,
  `:docker:${ID}`,
  `/../../kubepods/pod1/${ID}`,
  "",
];
const PARENTS = ["/kubepods/pod1", "/kubepods.slice/kubepods-pod1.slice", "kubepods-pod1.slice", ""];
const PROCS = [
  `0::/kubepods/pod1/${ID}/init.scope\n`,
  `11:cpu,cpuset:/kubepods/pod1/${ID}\n10:memory:/x\n0::/y\n`,
  `0::/../../pod2/${ID}\n`,
  `0::/kubepods/pod1/${ID} (deleted)\n`,
  "0::/init.scope\n",
];
const MOUNTS = [
  "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw\n",
  "30 23 0:26 /kubepods/pod1 /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n23 1 0:1 / / rw - overlay overlay rw\n",
  "41 30 0:31 /.. /sys/fs/cgroup/a\\040b ro - cgroup cgroup rw,cpuset\n",
];
const ROOTS = ["/sys/fs/cgroup", "/sys/fs/cgroup/cpuset", "/"];

type Input = {
  readonly id: string;
  readonly cgroupsPath: string;
  readonly cgroupParent: string;
  readonly nesting: string;
  readonly proc: string;
  readonly mounts: string;
  readonly root: string;
};

export const cgroupPaths: Target<Input> = {
  name: "cgroup-path",
  share: 150,
  draw: (random: Random) => ({
    id: random.chance(0.8) ? ID : nastyText(random),
    cgroupsPath: textLike(random, PATHS),
    cgroupParent: textLike(random, PARENTS),
    nesting: textLike(random, ["/docker/abc", "/a.slice", ""]),
    proc: textLike(random, PROCS),
    mounts: textLike(random, MOUNTS),
    root: textLike(random, ROOTS),
  }),
  check({ id, cgroupsPath, cgroupParent, nesting, proc, mounts, root }) {
    for (const path of cgroupCandidates(id, { path: cgroupsPath, parent: cgroupParent }, [nesting])) {
      requirePlace(path, id);
    }
    for (const version of [1, 2] as const) {
      const base = baseOf(mounts, root);
      if (base !== undefined) requireClean(base);
      const own = cgroupOfProcess(proc, { version, base, id });
      if (own !== undefined) requirePlace(own, id);
      const nest = nestingOf(proc, version);
      if (nest !== undefined) requireClean(nest);
    }
    const slice = slicePath(cgroupParent);
    if (slice !== undefined) require(slice === "" || slice.startsWith("/"), () => `slice ${slice}`);
  },
};

/** A path that is the container's own, and stays below the root. */
function requirePlace(path: string, id: string): void {
  requireClean(path);
  const last = path.slice(path.lastIndexOf("/") + 1);
  require(id.length > 0 && last.includes(id), () => `${path} is not of ${id}`);
  const ends = [id, `${id}.scope`].map((name) =>
    last.endsWith(name) ? last.slice(0, -name.length) : undefined
  );
  const isOwn = ends.some((before) => before === "" || before?.endsWith("-"));
  require(isOwn, () => `${path} is of another container than ${id}`);
}

function requireClean(path: string): void {
  require(cleanPath(path) === path, () => `not clean: ${JSON.stringify(path)}`);
  const names = path.split("/").slice(1);
  const isGood = (name: string) => name !== "" && name !== "." && name !== ".." && name.length <= 255;
  require(path.length <= 4095 && names.every(isGood), () => `bad names: ${JSON.stringify(path)}`);
  require(
    (path === "" || path.startsWith("/")) && !/\p{Cc}/u.test(path),
    () => `bad: ${JSON.stringify(path)}`,
  );
}
