// The kernel's own cpusets, of whichever version it has: who may be written when, and what comes of it.
import assert from "node:assert/strict";
import { CpuSet } from "../../../src/cpu/cpu_set.ts";
import { readCpuset } from "../../../src/cgroup/read.ts";
import { findCgroup } from "../../../src/cgroup/hierarchy.ts";
import { applyAll } from "../../../src/cgroup/plan.ts";
import { writeCpuset } from "../../../src/cgroup/write.ts";
import { KERNEL, onKernel, type ScratchCgroups } from "../../kit/scratch_cgroups.ts";

const [ZERO, ONE, BOTH] = [CpuSet.of(0), CpuSet.of(1), CpuSet.range(0, 1)];
const version = typeof KERNEL === "string" ? 0 : KERNEL.version;

/** Writes, and gives what is in force then and how many writes it took. */
function write({ hierarchy }: ScratchCgroups, path: string, cpus: CpuSet): string {
  const result = writeCpuset(hierarchy, path, cpus);
  return result.kind === "done" ? `${result.effective} in ${result.steps.length}` : JSON.stringify(result);
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
  const mems = version === 1 ? ZERO : "inherited" as const;
  assert.deepEqual(readCpuset(scratch.hierarchy, path), { kind: "values", cpus: ONE, effective: ONE, mems });
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

onKernel("a plan whose third of five fails leaves everybody as before", (scratch) => {
  const { paths, sets } = five(scratch);
  const before = sets();
  const writes = paths.map((path, index) => ({ path, cpus: index === 2 ? CpuSet.of(0, 9999) : ZERO }));
  const attempt = version === 1 ? "0-1,9999" : "0,9999"; // in v1 with what a cgroup inside has still to leave
  assert.deepEqual(applyAll(scratch.hierarchy, writes, 10_000), {
    kind: "undone",
    failed: 2,
    code: "ERANGE",
    reason: `${paths[2]} can't be given the CPUs ${attempt} (ERANGE): ` +
      "the machine has no such CPU; choose from those in /sys/devices/system/cpu/possible",
    stuck: [],
  });
  assert.deepEqual(sets(), before);
});

onKernel("a plan that succeeds tells of each; one that is gone does no harm", (scratch) => {
  const { paths } = five(scratch);
  const gone = scratch.make("/gone", "0-1");
  const writes = [...paths, gone, `${gone}/inside`].map((path) => ({ path, cpus: ONE }));
  scratch.remove(gone);
  const result = applyAll(scratch.hierarchy, writes, 10_000);
  assert(result.kind === "done");
  assert.deepEqual(result.results.map(({ kind }) => kind), [
    ...paths.map(() => "done"),
    "vanished",
    "vanished",
  ]);
  assert.deepEqual(paths.map((path) => scratch.read(path)), paths.map(() => "1"));
  assert.deepEqual(readCpuset(scratch.hierarchy, gone), { kind: "vanished" });
});

onKernel("a container that goes after it was written needs no putting back", (scratch) => {
  const [first, second] = [scratch.make("/1", "0-1"), scratch.make("/2", "0-1")];
  const writes = [{ path: first, cpus: ZERO }, { path: second, cpus: CpuSet.of(9999) }];
  let calls = 0;
  const clock = () => {
    if (calls++ === 2) scratch.remove(first); // just before the second write
    return 0;
  };
  const result = applyAll(scratch.hierarchy, writes, 1, clock);
  assert(result.kind === "undone" && result.failed === 1);
  assert.deepEqual(result.stuck, []);
});

onKernel("a link to a real cgroup is refused, and the cgroup left alone", (scratch) => {
  const path = scratch.make("/c", "0-1");
  const dir = Deno.realPathSync(Deno.makeTempDirSync());
  try {
    Deno.symlinkSync(scratch.hierarchy.root + path, `${dir}/c`);
    const result = writeCpuset({ ...scratch.hierarchy, root: dir }, "/c", ZERO);
    assert(result.kind === "failed" && /is a link or no folder/.test(result.reason));
    assert.equal(scratch.read(path), "0-1");
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
});

onKernel("a process leads to its container's cgroup, also from a cgroup inside", (scratch) => {
  const path = scratch.make("/pod1", "0-1");
  const container = scratch.make("/pod1/c1", "0-1");
  const { pid } = scratch.run(scratch.make("/pod1/c1/init.scope", "0-1"));
  const hints = { id: "c1", pid, cgroupsPath: "", cgroupParent: "" };
  assert.deepEqual(findCgroup(scratch.hierarchy, hints), { kind: "found", path: container });
  const told = findCgroup(scratch.hierarchy, { ...hints, pid: 0, cgroupParent: path });
  assert.deepEqual(told, { kind: "found", path: container });
  assert.equal(findCgroup(scratch.hierarchy, { ...hints, id: "c2" }).kind, "unverified");
});

if (version === 1) {
  onKernel(
    "a cgroup too deep inside that holds the CPU: refused, and what gave it up has it again",
    (scratch) => {
      const names = Array.from({ length: 11 }, (_, depth) => "/a".repeat(depth + 1));
      const paths = names.map((name) => scratch.make(name, "0-1"));
      const [path = ""] = paths;
      const result = writeCpuset(scratch.hierarchy, path, ZERO);
      assert(result.kind === "failed" && result.code === "EBUSY");
      assert.match(
        result.reason,
        /^\S+\/a can't be given the CPUs 0 \(EBUSY\): a cgroup below it still holds/,
      );
      assert.deepEqual(result.stuck, []);
      assert.deepEqual(paths.map((each) => scratch.read(each)), paths.map(() => "0-1"));
    },
  );

  onKernel("more than the cgroup above has is refused; what can't be put back is named", (scratch) => {
    const pods = ["/pod1", "/pod2"].map((name) => scratch.make(name, "0-1"));
    const [path = "", other = ""] = [scratch.make("/pod1/c", "0-1"), scratch.make("/pod2/c", "0")];
    scratch.write(pods[1] ?? "", "0");
    const refused = `${other} can't be given the CPUs 0-1 (EACCES): ` +
      "the cgroup above it has not all of these CPUs, or this user may not write; widen that one, or be root";
    let calls = 0;
    const clock = () => {
      if (calls++ === 2) scratch.write(pods[0] ?? "", "0"); // after the first write
      return 0;
    };
    const writes = [{ path, cpus: ZERO }, { path: other, cpus: BOTH }];
    const result = applyAll(scratch.hierarchy, writes, 1, clock);
    const reason = refused.replace(other, path);
    assert.deepEqual(result, {
      kind: "undone",
      failed: 1,
      code: "EACCES",
      reason: refused,
      stuck: [{ path, before: BOTH, reason }],
    });
  });
}

if (version === 2) {
  onKernel("a set that was inherited has the same CPUs after a plan that failed", (scratch) => {
    const paths = [scratch.make("/1", ""), scratch.make("/2", "")];
    const [first = ""] = paths;
    const { pid } = scratch.run(first);
    const writes = paths.map((path, index) => ({ path, cpus: index === 0 ? ZERO : CpuSet.of(9999) }));
    const result = applyAll(scratch.hierarchy, writes, 10_000);
    assert(result.kind === "undone" && result.failed === 1);
    assert.deepEqual(result.stuck, []);
    assert.equal(allowed(pid), "0-1");
    assert.deepEqual(paths.map((path) => scratch.read(path)), ["0-1", ""]);
    assert.throws(() => scratch.write(first, ""), /No space left/); // it can't be unset while it has processes
  });

  onKernel("CPUs that the cgroup above hasn't are written and not in force: failed, put back", (scratch) => {
    scratch.make("/pod", "1");
    const path = scratch.make("/pod/c", "1");
    const result = writeCpuset(scratch.hierarchy, path, ZERO);
    assert(result.kind === "failed" && result.code === "unverified");
    assert.match(result.reason, /runs on the CPUs 1 although it was given 0/);
    assert.equal(scratch.read(path), "1");
  });

  onKernel("without the controller a cgroup is unverified", (scratch) => {
    scratch.make("/pod", "0-1");
    const path = scratch.make("/pod/c", "0-1");
    scratch.write(`${scratch.top}/pod`, "-cpuset", "cgroup.subtree_control");
    const reading = readCpuset(scratch.hierarchy, path);
    assert(reading.kind === "unverified" && /doesn't pass the cpuset controller on/.test(reading.reason));
  });
}
