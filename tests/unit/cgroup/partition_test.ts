/**
 * Partitions, in a tree that does what the kernel was seen to do (6.12): siblings can't have the same exclusive CPUs (EINVAL),
 * and a partition whose CPUs aren't exclusive all the way down is invalid.
 */
import assert from "node:assert/strict";
import { CpuSet } from "../../../src/cpu/cpu_set.ts";
import {
  type CgroupFiles,
  clearStalePartitions,
  makePartition,
  pathFromKubepods,
  releasePartition,
} from "../../../src/cgroup/partition.ts";
import { openCpusets } from "../../../src/cgroup/kernel_cpusets.ts";
import type { PartitionPort, PartitionResult } from "../../../src/cgroup/port.ts";
import type { ContainerRef } from "../../../src/ledger/claim.ts";
import type { ErrnoName } from "../../../src/platform/errno.ts";
import { libc } from "../../../src/platform/libc.ts";

libc(); // loaded once for the life of the process, which Deno's leak check would blame on the first test

const [K, A, B, C] = ["/kubepods", "/kubepods/podA", "/kubepods/podB", "/kubepods/burstable"];
const [A1, A2, B1, C1] = [`${A}/a1`, `${A}/a2`, `${B}/b1`, `${C}/podC/c1`];
const EXCLUSIVE = "cpuset.cpus.exclusive";
const PARTITION = "cpuset.cpus.partition";
const DONE = { kind: "done", isNew: false } as const;

class KernelFiles implements CgroupFiles {
  readonly cgroups = new Map<string, { exclusive: CpuSet; partition: string }>();
  readonly written: string[] = [];
  /** By path and file. */
  readonly refused = new Map<string, ErrnoName>();
  /** A kernel before 6.7. */
  isOld = false;

  constructor() {
    for (const path of [K, A, B, C, `${C}/podC`, A1, A2, B1, C1]) this.make(path);
  }

  make(path: string): void {
    this.cgroups.set(path, { exclusive: CpuSet.empty, partition: "member" });
  }

  read(path: string, file: string) {
    const cgroup = this.cgroups.get(path);
    if (cgroup === undefined || (this.isOld && file === EXCLUSIVE)) return errno("ENOENT");
    return { kind: "text", text: file === EXCLUSIVE ? `${cgroup.exclusive}` : cgroup.partition } as const;
  }

  write(path: string, file: string, text: string) {
    const [cgroup, refusal] = [this.cgroups.get(path), this.refused.get(`${path}/${file}`)];
    if (cgroup === undefined || refusal !== undefined) return errno(refusal ?? "ENOENT");
    if (file === EXCLUSIVE) {
      const cpus = CpuSet.parse(text.trim());
      assert(cpus instanceof CpuSet);
      const beside = [...this.cgroups].filter(([other]) =>
        other !== path && parentOf(other) === parentOf(path)
      );
      if (beside.some(([, { exclusive }]) => exclusive.intersects(cpus))) return errno("EINVAL");
      cgroup.exclusive = cpus;
    } else cgroup.partition = text.trim() === "root" && !this.#isGiven(path) ? INVALID : text.trim();
    this.written.push(`${path}/${file.slice("cpuset.cpus.".length)}=${text.trim()}`);
    return undefined;
  }

  directories(path: string) {
    return [...this.cgroups.keys()].filter((other) => parentOf(other) === path).map((other) =>
      other.slice(path.length + 1)
    );
  }

  /** What isn't as in a cgroup without partitions. */
  get all(): string[] {
    return [...this.cgroups].filter(([, { exclusive, partition }]) =>
      !exclusive.isEmpty || partition !== "member"
    )
      .map(([path, { exclusive, partition }]) => `${path}=${exclusive} ${partition}`);
  }

  #isGiven(path: string): boolean {
    const own = this.cgroups.get(path)?.exclusive ?? CpuSet.empty;
    return !own.isEmpty &&
      pathFromKubepods(path).every((above) =>
        own.isSubsetOf(this.cgroups.get(above)?.exclusive ?? CpuSet.empty)
      );
  }
}

const INVALID = "root invalid (Invalid cpu list in cpuset.cpus.exclusive)";

function errno(errno: ErrnoName) {
  return { kind: "errno", errno, text: errno } as const;
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}

function reasonOf(result: PartitionResult): string {
  return result.kind === "failed" ? result.reason : result.kind;
}

const [TWO, THREE, FOUR] = [CpuSet.range(2, 3), CpuSet.of(4), CpuSet.of(5)];

Deno.test("a partition is given its CPUs from kubepods down, beside those of others, and a second time nothing is written", () => {
  const files = new KernelFiles();
  assert.deepEqual(makePartition(files, A1, TWO), { kind: "done", isNew: true });
  assert.deepEqual(
    files.written,
    [K, A, A1].map((path) => `${path}/exclusive=2-3`).concat(`${A1}/partition=root`),
  );
  assert.deepEqual([makePartition(files, A2, THREE).kind, makePartition(files, C1, FOUR).kind], [
    "done",
    "done",
  ]);
  assert.deepEqual(files.all, [
    `${K}=2-5 member`,
    `${A}=2-4 member`,
    `${C}=5 member`,
    `${C}/podC=5 member`,
    `${A1}=2-3 root`,
    `${A2}=4 root`,
    `${C1}=5 root`,
  ]);
  files.written.length = 0;
  assert.deepEqual(makePartition(files, A1, TWO), DONE);
  assert.deepEqual(files.written, []);
});

Deno.test("of other CPUs it is made anew; its end leaves those of others, also when its cgroups are gone", () => {
  const files = new KernelFiles();
  makePartition(files, A1, TWO);
  makePartition(files, B1, FOUR);
  assert.deepEqual(makePartition(files, A1, THREE), { kind: "done", isNew: true });
  assert.deepEqual(files.all, [
    `${K}=4-5 member`,
    `${A}=4 member`,
    `${B}=5 member`,
    `${A1}=4 root`,
    `${B1}=5 root`,
  ]);
  assert.deepEqual(releasePartition(files, A1, CpuSet.empty), DONE);
  for (const gone of [B, B1]) files.cgroups.delete(gone);
  assert.deepEqual(releasePartition(files, B1, FOUR), DONE);
  assert.deepEqual(files.all, []);
});

Deno.test("one that the kernel refuses, or finds invalid, is taken back, with the kernel's reason", () => {
  const files = new KernelFiles();
  makePartition(files, A1, TWO);
  const before = files.all;
  assert.match(
    reasonOf(makePartition(files, B1, TWO)),
    /podB\/cpuset.cpus.exclusive \(EINVAL\): another cgroup/,
  );
  assert.deepEqual(files.all, before);
  // The kernel has forgotten what it was told.
  const write = files.write.bind(files);
  files.write = (path, file, text) => {
    if (file === PARTITION) files.cgroups.set(K, { exclusive: CpuSet.empty, partition: "member" });
    return write(path, file, text);
  };
  assert.equal(
    reasonOf(makePartition(files, B1, FOUR)),
    `the kernel refuses a partition at ${B1}: Invalid cpu list in cpuset.cpus.exclusive`,
  );
  assert.deepEqual(files.cgroups.get(B1), { exclusive: CpuSet.empty, partition: "member" });
  assert(files.cgroups.get(B)?.exclusive.isEmpty);
});

Deno.test("without what it takes nothing is written, and the reason says what is missing", () => {
  const files = new KernelFiles();
  files.isOld = true;
  assert.match(
    reasonOf(makePartition(files, A1, TWO)),
    /a1\/cpuset.cpus.exclusive: it takes kernel 6.7 or later/,
  );
  assert.match(reasonOf(makePartition(files, "/bare/a1", TWO)), /\/bare\/a1 isn't in one of kubelet's/);
  assert.deepEqual([releasePartition(files, A1, TWO), clearStalePartitions(files, K, new Set())], [
    DONE,
    DONE,
  ]);
  assert.deepEqual(files.written, []);
});

Deno.test("what can't be cleared is said, and stays given above it too", () => {
  const files = new KernelFiles();
  makePartition(files, A1, TWO);
  files.refused.set(`${A}/${EXCLUSIVE}`, "EROFS");
  assert.match(
    reasonOf(releasePartition(files, A1, TWO)),
    /podA\/cpuset.cpus.exclusive \(EROFS\): the cgroup tree is/,
  );
  assert.deepEqual(files.all, [`${K}=2-3 member`, `${A}=2-3 member`]);
  assert.match(reasonOf(clearStalePartitions(files, K, new Set())), /EROFS/);
  assert.deepEqual(files.all, [`${K}=2-3 member`, `${A}=2-3 member`]);
  files.refused.clear();
  makePartition(files, B1, FOUR);
  files.refused.set(`${B1}/${PARTITION}`, "EIO");
  assert.match(
    reasonOf(clearStalePartitions(files, K, new Set())),
    /write member to .*b1\/cpuset.cpus.partition \(EIO\)/,
  );
});

Deno.test("what is left of ended and of unknown containers is cleared, and what is known stays", () => {
  const files = new KernelFiles();
  for (const [path, cpus] of [[A1, TWO], [A2, THREE], [B1, FOUR], [C1, CpuSet.of(6)]] as const) {
    makePartition(files, path, cpus);
  }
  files.cgroups.delete(B1);
  assert.deepEqual(clearStalePartitions(files, K, new Set([A2])), DONE);
  assert.deepEqual(files.all, [`${K}=4 member`, `${A}=4 member`, `${A2}=4 root`]);
  files.written.length = 0;
  assert.deepEqual(clearStalePartitions(files, K, new Set([A2])), DONE);
  assert.deepEqual(files.written, []);
});

const PATHS: readonly [path: string, from: string][] = [
  [
    "/kubepods/burstable/pod1/c",
    "/kubepods /kubepods/burstable /kubepods/burstable/pod1 /kubepods/burstable/pod1/c",
  ],
  ["/kubepods.slice/kubepods-pod1.slice/x.scope", "/kubepods.slice"],
  ["/kubelet/kubepods/pod1/c", "/kubelet/kubepods"],
  ["/a.slice/a-kubepods.slice/a-kubepods-pod1.slice/c", "/a.slice/a-kubepods.slice"],
  ["/pod1/kubepods", ""],
  ["/system.slice/c", ""],
];

Deno.test("only kubelet's cgroups and the container's own are on the path", () => {
  for (const [path, from] of PATHS) {
    const found = pathFromKubepods(path);
    assert(found.join(" ").startsWith(from), path);
    assert.equal(found.at(-1), from === "" ? undefined : path);
  }
});

/** A folder of plain files, as cgroup v2 has them. */
class Tree implements Disposable {
  readonly root = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "cpuset-" }));

  constructor(paths: readonly string[]) {
    for (const path of ["", ...paths]) {
      Deno.mkdirSync(`${this.root}${path}`, { recursive: true });
      const files = {
        "cgroup.procs": "",
        "cpuset.cpus.effective": "0-7",
        [EXCLUSIVE]: "",
        [PARTITION]: "member",
      };
      for (const [file, text] of Object.entries(files)) {
        Deno.writeTextFileSync(`${this.root}${path}/${file}`, text);
      }
    }
  }

  get partitions(): PartitionPort {
    const { cpusets } = openCpusets({ cgroupRoot: this.root, apply: "auto" });
    assert(cpusets?.partitions !== undefined);
    return cpusets.partitions;
  }

  exclusive(path: string): string {
    return Deno.readTextFileSync(`${this.root}${path}/${EXCLUSIVE}`).trim();
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.root, { recursive: true });
  }
}

function ref(id: string, path: string): ContainerRef {
  const names = { id, name: id, pod: "p", namespace: "ns", podUid: "u", sandboxId: "s" };
  return { ...names, cgroup: { path, parent: "", pid: 0 } };
}

Deno.test("in the tree of files: made, ended after its end, and cleared where no container shows the place", () => {
  using tree = new Tree([K, A, A1, B, B1]);
  const { partitions } = tree;
  const [a1, b1] = [ref("a1", A1), ref("b1", B1)];
  assert.deepEqual([a1, b1].map((each, n) => partitions.partition(each, CpuSet.of(2 + n)).kind), [
    "done",
    "done",
  ]);
  assert.equal(Deno.readTextFileSync(`${tree.root}${A1}/${PARTITION}`), "root\n");
  assert.deepEqual([K, A, A1, B].map((path) => tree.exclusive(path)), ["2-3", "2", "2", "3"]);
  Deno.removeSync(`${tree.root}${B1}`, { recursive: true });
  assert.match(reasonOf(partitions.partition(b1, TWO)), /its cgroup wasn't found/);
  assert.deepEqual(partitions.release(b1, CpuSet.of(3)), DONE);
  assert.deepEqual([K, A, B].map((path) => tree.exclusive(path)), ["2", "2", ""]);
  assert.deepEqual(partitions.clearStale([a1], [b1]), DONE);
  assert.equal(tree.exclusive(K), "2");
  assert.deepEqual(partitions.clearStale([], []), DONE);
  assert.deepEqual([K, A, A1].map((path) => tree.exclusive(path)), ["", "", ""]);
});
