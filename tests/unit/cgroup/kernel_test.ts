// The kernel's own cpusets, of whichever version it has: which writes it accepts, in which order.
import assert from "node:assert/strict";
import { CpuSet } from "../../../src/cpu/cpu_set.ts";
import { readCpuset } from "../../../src/cgroup/read.ts";
import { findCgroup } from "../../../src/cgroup/hierarchy.ts";
import { writeCpuset, writeCpusets } from "../../../src/cgroup/write.ts";
import { KERNEL, onKernel, type ScratchCgroups } from "../../kit/scratch_cgroups.ts";

const [ZERO, ONE, BOTH] = [CpuSet.of(0), CpuSet.of(1), CpuSet.range(0, 1)];
const version = typeof KERNEL === "string" ? 0 : KERNEL.version;

/** Writes, and returns what is read back then and how many writes it took. */
function write({ hierarchy }: ScratchCgroups, path: string, cpus: CpuSet): string {
  const result = writeCpuset(hierarchy, path, cpus);
  const reading = readCpuset(hierarchy, path);
  return result.kind === "done" && reading.kind === "values"
    ? `${reading.cpus} in ${result.steps.length}`
    : JSON.stringify(result);
}

function allowed(pid: number): string | undefined {
  return /^Cpus_allowed_list:\s*(\S+)$/m.exec(Deno.readTextFileSync(`/proc/${pid}/status`))?.[1];
}

onKernel("what is written reaches the processes, is read back, and isn't written again", (scratch) => {
  const path = scratch.make("/c", "0-1");
  const { pid } = scratch.run(path);
  assert.equal(write(scratch, path, ONE), "1 in 1");
  assert.equal(allowed(pid), "1");
  assert.equal(write(scratch, path, ONE), "1 in 0");
  assert.equal(write(scratch, path, BOTH), "0-1 in 1");
  assert.equal(allowed(pid), "0-1");
});

onKernel(
  "a child cgroup that holds the CPU gives it up first, and has it again with its parent",
  (scratch) => {
    const path = scratch.make("/c", "0-1");
    const [all, part] = [scratch.make("/c/all", "0-1"), scratch.make("/c/part", "1")];
    const pids = [all, part].map((child) => scratch.run(child).pid);
    const sets = () => [path, all, part].map((each) => scratch.read(each));
    if (version === 1) assert.throws(() => scratch.write(path, "0"), /busy/);
    assert.equal(write(scratch, path, ZERO), version === 1 ? "0 in 3" : "0 in 1");
    assert.deepEqual(pids.map(allowed), ["0", "0"]);
    assert.deepEqual(sets(), version === 1 ? ["0", "0", "0"] : ["0", "0-1", "1"]);
    assert.equal(write(scratch, path, BOTH), version === 1 ? "0-1 in 3" : "0-1 in 1");
    assert.deepEqual(pids.map(allowed), version === 1 ? ["0-1", "0-1"] : ["0-1", "1"]);
  },
);

onKernel("cgroups three deep move to another CPU together", (scratch) => {
  const path = scratch.make("/c", "0");
  const paths = [path, scratch.make("/c/a", "0"), scratch.make("/c/a/b", "0")];
  const { pid } = scratch.run(scratch.make("/c/a/b/d", "0"));
  assert.match(write(scratch, path, ONE), /^1 in /);
  assert.equal(allowed(pid), "1");
  if (version === 1) assert.deepEqual(paths.map((each) => scratch.read(each)), ["1", "1", "1"]);
});

/** Five containers, each with a cgroup inside that has its CPUs, and what they have. */
function five(scratch: ScratchCgroups): { paths: string[]; sets: () => string[] } {
  const paths = ["/1", "/2", "/3", "/4", "/5"].map((name) => scratch.make(name, "0-1"));
  const inner = paths.map((_, index) => scratch.make(`/${index + 1}/in`, "0-1"));
  inner.forEach((path) => scratch.run(path));
  return { paths, sets: () => [...paths, ...inner].map((path) => scratch.read(path)) };
}

onKernel("when the third of five writes fails, all five have what they had before", (scratch) => {
  const { paths, sets } = five(scratch);
  const before = sets();
  const writes = paths.map((path, index) => ({
    id: path,
    path,
    cpus: index === 2 ? CpuSet.of(0, 9999) : ZERO,
  }));
  const attempt = version === 1 ? "0-1,9999" : "0,9999"; // in v1 with what a cgroup inside has still to leave
  assert.deepEqual(writeCpusets(scratch.hierarchy, writes, 10_000), {
    kind: "failed",
    container: paths[2],
    code: "ERANGE",
    reason: `failed to write the CPUs ${attempt} to ${paths[2]} (ERANGE): ` +
      "the machine has no such CPU; choose from those in /sys/devices/system/cpu/possible",
    notRolledBack: new Set(),
  });
  assert.deepEqual(sets(), before);
});

onKernel("containers whose cgroups have been removed don't keep the others from being written", (scratch) => {
  const { paths } = five(scratch);
  const gone = scratch.make("/gone", "0-1");
  const writes = [gone, `${gone}/inside`, ...paths].map((path) => ({ id: path, path, cpus: ONE }));
  scratch.remove(gone);
  assert.deepEqual(writeCpusets(scratch.hierarchy, writes, 10_000), { kind: "done" });
  assert.deepEqual(paths.map((path) => scratch.read(path)), paths.map(() => "1"));
  assert.deepEqual(readCpuset(scratch.hierarchy, gone), { kind: "absent" });
});

onKernel("a container that ends after it was written needs no roll-back", (scratch) => {
  const [first, second] = [scratch.make("/1", "0-1"), scratch.make("/2", "0-1")];
  const writes = [{ id: "1", path: first, cpus: ZERO }, { id: "2", path: second, cpus: CpuSet.of(9999) }];
  let calls = 0;
  const clock = () => {
    if (calls++ === 2) scratch.remove(first); // just before the second write
    return 0;
  };
  const result = writeCpusets(scratch.hierarchy, writes, 1, clock);
  assert(result.kind === "failed" && result.container === "2");
  assert.equal(result.notRolledBack.size, 0);
});

onKernel("a link to a real cgroup is refused, and the cgroup isn't written", (scratch) => {
  const path = scratch.make("/c", "0-1");
  const dir = Deno.realPathSync(Deno.makeTempDirSync());
  try {
    Deno.symlinkSync(scratch.hierarchy.root + path, `${dir}/c`);
    const result = writeCpuset({ ...scratch.hierarchy, root: dir }, "/c", ZERO);
    assert(result.kind === "failed" && /is a link or no directory/.test(result.reason));
    assert.equal(scratch.read(path), "0-1");
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
});

onKernel("a process leads to its container's cgroup, also from a cgroup inside", (scratch) => {
  const path = scratch.make("/pod1", "0-1");
  const container = scratch.make("/pod1/c1", "0-1");
  const { pid } = scratch.run(scratch.make("/pod1/c1/init.scope", "0-1"));
  const cgroup = { path: "", parent: "", pid };
  assert.deepEqual(findCgroup(scratch.hierarchy, { id: "c1", cgroup }), { kind: "found", path: container });
  const hinted = findCgroup(scratch.hierarchy, { id: "c1", cgroup: { path: "", parent: path, pid: 0 } });
  assert.deepEqual(hinted, { kind: "found", path: container });
  assert.equal(findCgroup(scratch.hierarchy, { id: "c2", cgroup }).kind, "unverified");
});

if (version === 1) {
  onKernel(
    "a cgroup too deep inside that holds the CPU fails the write, and the others are rolled back",
    (scratch) => {
      const names = Array.from({ length: 11 }, (_, depth) => "/a".repeat(depth + 1));
      const paths = names.map((name) => scratch.make(name, "0-1"));
      const [path = ""] = paths;
      const result = writeCpusets(scratch.hierarchy, [{ id: "a", path, cpus: ZERO }], 10_000);
      assert(result.kind === "failed" && result.code === "EBUSY");
      assert.match(
        result.reason,
        /^failed to write the CPUs 0 to \S+\/a \(EBUSY\): a cgroup below it still holds/,
      );
      assert.equal(result.notRolledBack.size, 0);
      assert.deepEqual(paths.map((each) => scratch.read(each)), paths.map(() => "0-1"));
    },
  );

  onKernel(
    "more than the cgroup above has is refused; a container that can't be rolled back is named",
    (scratch) => {
      const pods = ["/pod1", "/pod2"].map((name) => scratch.make(name, "0-1"));
      const [path = "", other = ""] = [scratch.make("/pod1/c", "0-1"), scratch.make("/pod2/c", "0")];
      scratch.write(pods[1] ?? "", "0");
      const reason = `failed to write the CPUs 0-1 to ${other} (EACCES): ` +
        "the cgroup above it has not all of these CPUs, or this user may not write; widen that one, or be root";
      let calls = 0;
      const clock = () => {
        if (calls++ === 2) scratch.write(pods[0] ?? "", "0"); // after the first write
        return 0;
      };
      const writes = [{ id: "c1", path, cpus: ZERO }, { id: "c2", path: other, cpus: BOTH }];
      assert.deepEqual(writeCpusets(scratch.hierarchy, writes, 1, clock), {
        kind: "failed",
        container: "c2",
        code: "EACCES",
        reason,
        notRolledBack: new Set(["c1"]),
      });
    },
  );
}

if (version === 2) {
  onKernel("a set that was inherited has the same CPUs after a write that failed", (scratch) => {
    const paths = [scratch.make("/1", ""), scratch.make("/2", "")];
    const [first = ""] = paths;
    const { pid } = scratch.run(first);
    const writes = paths.map((path, index) => ({
      id: path,
      path,
      cpus: index === 0 ? ZERO : CpuSet.of(9999),
    }));
    const result = writeCpusets(scratch.hierarchy, writes, 10_000);
    assert(result.kind === "failed" && result.container === paths[1]);
    assert.equal(result.notRolledBack.size, 0);
    assert.equal(allowed(pid), "0-1");
    assert.deepEqual(paths.map((path) => scratch.read(path)), ["0-1", ""]);
    assert.throws(() => scratch.write(first, ""), /No space left/); // it can't be unset while it has processes
  });

  onKernel(
    "CPUs that the cgroup above hasn't are written and not in force: failed and rolled back",
    (scratch) => {
      scratch.make("/pod", "1");
      const path = scratch.make("/pod/c", "1");
      const result = writeCpusets(scratch.hierarchy, [{ id: "c", path, cpus: ZERO }], 10_000);
      assert(result.kind === "failed" && result.code === "unverified");
      assert.match(result.reason, /runs on the CPUs 1 although 0 were written/);
      assert.equal(scratch.read(path), "1");
    },
  );

  onKernel("without the controller a cgroup is unverified", (scratch) => {
    scratch.make("/pod", "0-1");
    const path = scratch.make("/pod/c", "0-1");
    scratch.write(`${scratch.top}/pod`, "-cpuset", "cgroup.subtree_control");
    const reading = readCpuset(scratch.hierarchy, path);
    assert(reading.kind === "unverified" && /doesn't pass the cpuset controller on/.test(reading.reason));
  });
}
