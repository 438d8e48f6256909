/** Memory nodes in the files of both cgroup versions, and on the real kernel: written as far as `correctMems` goes, and read back. */
import assert from "node:assert/strict";
import { KernelMemory } from "../../../src/cgroup/mems.ts";
import { CpuSet } from "../../../src/cpu/cpu_set.ts";
import { libc } from "../../../src/platform/libc.ts";
import { onKernel } from "../../kit/scratch_cgroups.ts";

libc(); // loaded once for the life of the process, which Deno's leak check would blame on the first test

const MIB = 2 ** 20;
const [ZERO, ONE, BOTH] = [CpuSet.of(0), CpuSet.of(1), CpuSet.of(0, 1)];
const OWN = "/kubepods/pod1/c1";
const OTHER = "/kubepods/pod2/c1";
const ref = (path: string) => ({
  ...{ id: "c1", name: "c", pod: "p", namespace: "ns", podUid: "1", sandboxId: "s" },
  cgroup: { path, parent: "", pid: 0 },
});

/** Plain files of one container; of v1 in the hierarchies `cpuset`, `memory` and `hugetlb`. */
class Tree implements Disposable {
  readonly top = Deno.makeTempDirSync();
  readonly port: KernelMemory;

  constructor(readonly version: 1 | 2, bytes: number) {
    const memory = version === 1 ? "memory.usage_in_bytes" : "memory.current";
    for (const path of [OWN, OTHER]) {
      for (const controller of version === 1 ? ["cpuset", "memory", "hugetlb"] : [""]) {
        Deno.mkdirSync(`${this.top}/${controller}${path}`, { recursive: true });
      }
      this.write("cpuset.mems", version === 1 ? "0-1" : "", path);
      if (version === 2) this.write("cpuset.mems.effective", "0-1", path);
      if (version === 1) this.write("cpuset.memory_migrate", "0", path);
      Deno.writeTextFileSync(`${this.top}${version === 1 ? "/memory" : ""}${path}/${memory}`, `${bytes}\n`);
    }
    const root = version === 1 ? `${this.top}/cpuset` : this.top;
    this.port = new KernelMemory({ kind: "hierarchy", version, root, base: undefined, nestings: [] });
  }

  path(file: string, of = OWN): string {
    return `${this.top}${this.version === 1 ? "/cpuset" : ""}${of}/${file}`;
  }

  read(file = "cpuset.mems"): string {
    return Deno.readTextFileSync(this.path(file)).trim();
  }

  write(file: string, text: string, of = OWN): void {
    Deno.writeTextFileSync(this.path(file, of), `${text}\n`);
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.top, { recursive: true });
  }
}

for (const version of [1, 2] as const) {
  Deno.test(`v${version}: one that uses less than 256 MiB is bound, and a larger one only if always`, async () => {
    using tree = new Tree(version, 256 * MIB - 1);
    // Plain files have no kernel behind them that would change what is in force.
    if (version === 2) Deno.removeSync(tree.path("cpuset.mems.effective"));
    if (version === 2) tree.write("cpuset.mems", "0-1");
    assert.deepEqual(tree.port.bind(ref(OWN), ONE, "young"), { kind: "done", before: BOTH });
    assert.equal(tree.read(), "1");
    if (version === 1) assert.equal(tree.read("cpuset.memory_migrate"), "0", "as it was before");
    assert.deepEqual(tree.port.bind(ref(OWN), ONE, "never"), { kind: "done" }, "it is so already");
    using large = new Tree(version, 256 * MIB);
    const said = "it has 0-1 and uses 256 MiB (correctMems: young)";
    assert.deepEqual(large.port.bind(ref(OWN), ONE, "young"), { kind: "failed", reason: said });
    const never = large.port.bind(ref(OWN), ONE, "never");
    assert.deepEqual(never, { kind: "failed", reason: said.replace("young", "never") });
    assert.equal(large.read(), version === 1 ? "0-1" : "");
    const moving = { kind: "failed", reason: "it uses 256 MiB, which is being migrated" };
    const written = modified(large.path("cpuset.mems"), "1");
    assert.deepEqual(large.port.bind(ref(OWN), ONE, "always"), moving);
    // Its end is seen by the event loop only, however fast the thread is.
    const waiting = {
      kind: "failed",
      reason: "it uses 256 MiB, which waits until that of another is migrated",
    };
    assert.deepEqual(large.port.bind(ref(OTHER), ONE, "always"), waiting, "one at a time");
    await written;
    if (version === 2) large.write("cpuset.mems.effective", "1");
    assert.deepEqual(large.port.bind(ref(OWN), ONE, "always"), { kind: "done" });
  });

  Deno.test(`v${version}: huge pages, which the memory controller doesn't count, make it as large as they are`, () => {
    using tree = new Tree(version, 16 * MIB);
    const beside = version === 1 ? "/hugetlb" : "";
    for (const size of ["2MB", "1GB"]) {
      const file = `hugetlb.${size}.${version === 1 ? "usage_in_bytes" : "current"}`;
      Deno.writeTextFileSync(`${tree.top}${beside}${OWN}/${file}`, `${size === "1GB" ? 1024 * MIB : 0}\n`);
    }
    const reason = "it has 0-1 and uses 1040 MiB (correctMems: young)";
    assert.deepEqual(tree.port.bind(ref(OWN), ONE, "young"), { kind: "failed", reason });
    assert.equal(tree.read(), version === 1 ? "0-1" : "");
  });

  Deno.test(`v${version}: what is still in force after the write is a sentence, and a container that has gone is none`, () => {
    using tree = new Tree(version, MIB);
    tree.write(version === 1 ? "cpuset.effective_mems" : "cpuset.mems.effective", "0-1");
    const kept = tree.port.bind(ref(OWN), ONE, "young");
    assert.deepEqual(kept, { kind: "failed", reason: "the kernel has 0-1 after the write" });
    assert.deepEqual(tree.port.bind(ref("/kubepods/gone/c1"), ONE, "young"), { kind: "done" });
    Deno.removeSync(tree.path("cpuset.mems"));
    assert.deepEqual(tree.port.bind(ref(OWN), ONE, "young"), { kind: "done" });
  });
}

Deno.test("where it isn't known how much memory it uses, only always binds", () => {
  using tree = new Tree(1, MIB);
  Deno.removeSync(`${tree.top}/memory`, { recursive: true });
  const port = new KernelMemory({
    ...{ kind: "hierarchy", version: 1, base: undefined, nestings: [] },
    root: `${tree.top}/cpuset`,
  });
  assert.deepEqual(port.bind(ref(OWN), ONE, "young"), {
    kind: "failed",
    reason: "it has 0-1 and uses an unknown amount of memory (correctMems: young)",
  });
});

onKernel(
  "the kernel's own nodes aren't written again, and a node that it hasn't is its refusal",
  (scratch) => {
    scratch.make("/kubepods", "0-1");
    const path = scratch.make("/kubepods/c1", "0-1");
    scratch.run(path);
    const { version, root } = scratch.hierarchy;
    const had = scratch.read(path, "cpuset.mems");
    // In v1 it is known how much memory a container uses where the memory controller has a cgroup of the same path.
    const beside = root.replace(/[^/]*$/, "memory");
    if (version === 1) Deno.mkdirSync(`${beside}${path}`, { recursive: true });
    try {
      const port = new KernelMemory(scratch.hierarchy);
      assert.deepEqual(port.bind(ref(path), ZERO, "young"), { kind: "done" });
      const refused = port.bind(ref(path), CpuSet.of(63), "young");
      const why = version === 1 ? /^they can't be written: .* \(E/ : /after the write$|can't be written/;
      assert(refused.kind === "failed" && why.test(refused.reason), JSON.stringify(refused));
      if (version === 1) assert.equal(scratch.read(path, "cpuset.mems"), had);
      if (version === 1) assert.equal(scratch.read(path, "cpuset.memory_migrate"), "0");
    } finally {
      for (
        const each of version === 1
          ? [path, "/kubepods", ""].map((name, at) => at === 0 ? name : `${scratch.top}${name}`)
          : []
      ) {
        Deno.removeSync(`${beside}${each}`);
      }
    }
  },
);

/** Resolves once the file has that text. */
async function modified(file: string, text: string): Promise<void> {
  for await (const _ of Deno.watchFs(file)) if (Deno.readTextFileSync(file).trim() === text) return;
}
