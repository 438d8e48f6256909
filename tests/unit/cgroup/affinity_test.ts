/** Masks of threads, as the kernel has them and as they are summed up, within the bounds of a look. */
import assert from "node:assert/strict";
import { affinityOf, MAX_CGROUPS, MAX_THREADS, readAffinity } from "../../../src/cgroup/affinity.ts";
import type { AffinityReading } from "../../../src/cgroup/port.ts";
import type { CpusetHierarchy } from "../../../src/cgroup/read.ts";
import { CpuSet } from "../../../src/cpu/cpu_set.ts";
import { onKernel } from "../../kit/scratch_cgroups.ts";

function told(reading: AffinityReading): string {
  if (reading.kind !== "affinity") return reading.kind;
  const { cpus, masks, sets, hasWhole } = reading;
  const inside = sets.length > 0 ? ` inside ${sets.map(String).sort().join(" ")}` : "";
  return `${cpus}: ${masks.map(String).sort().join(" ")}${inside}${hasWhole ? " whole" : ""}`;
}

/** A container's cgroup as files in a directory of its own (v2), with cgroups inside. */
function files(
  threads: readonly number[],
  inside: Record<string, readonly [string, readonly number[]]> = {},
) {
  const root = Deno.makeTempDirSync();
  const make = (path: string, cpus: string, ids: readonly number[]) => {
    Deno.mkdirSync(root + path);
    Deno.writeTextFileSync(`${root}${path}/cpuset.cpus`, `${cpus}\n`);
    Deno.writeTextFileSync(`${root}${path}/cpuset.cpus.effective`, "1-4\n");
    for (const file of ["cgroup.threads", "cgroup.procs"]) {
      Deno.writeTextFileSync(`${root}${path}/${file}`, ids.map((id) => `${id}\n`).join(""));
    }
  };
  make("/c", "1-4", threads);
  for (const [name, [cpus, ids]] of Object.entries(inside)) make(`/c/${name}`, cpus, ids);
  const hierarchy: CpusetHierarchy = { kind: "hierarchy", version: 2, root, base: "", nestings: [] };
  const looked: number[] = [];
  /** By the tid: 1xx has CPU xx alone, 9 has ended, all others have everything. */
  const masks = (tid: number) => {
    looked.push(tid);
    return tid === 9 ? undefined : tid > 100 ? CpuSet.of(tid - 100) : CpuSet.range(0, 15);
  };
  const look = (of: "first process" | "threads", pid = 0) => {
    looked.length = 0;
    return told(readAffinity(hierarchy, "/c", { of, pid, affinityOf: masks }));
  };
  return { look, looked, [Symbol.dispose]: () => Deno.removeSync(root, { recursive: true }) };
}

Deno.test("of a container's threads the different masks count that leave less, and whether one has all", () => {
  using some = files([5, 6, 102, 102, 103, 9, 111]);
  assert.equal(some.look("threads"), "1-4: 2 3 whole", "CPU 11 isn't in its set");
  using alike = files([102, 102]);
  assert.equal(alike.look("threads"), "1-4: 2");
});

Deno.test("the first process is the runtime's pid where it is in the cgroup, else the first there is", () => {
  using some = files([103, 102]);
  assert.deepEqual([some.look("first process", 102), some.looked], ["1-4: 2", [102]]);
  assert.deepEqual([some.look("first process", 7), some.looked], ["1-4: 3", [103]]);
});

Deno.test("cgroups inside count by their own sets and by their threads, however deep", () => {
  using some = files([5], { a: ["", [104]], b: ["2", []], "a/deep": ["2-3", [103]], all: ["0-8", []] });
  assert.equal(some.look("threads"), "1-4: 3 4 inside 2 2-3 whole");
});

Deno.test("threads of another PID namespace can't be seen; without any thread there is nothing to see", () => {
  using hidden = files([0, 0]);
  assert.deepEqual([hidden.look("threads"), hidden.look("first process")], ["unverified", "unverified"]);
  using inside = files([0], { vcpu: ["3", [0]] });
  assert.equal(inside.look("threads"), "1-4:  inside 3", "a set is seen all the same");
  using none = files([]);
  assert.deepEqual([none.look("threads"), none.look("first process")], ["absent", "absent"]);
});

Deno.test("ten thousand threads and a thousand cgroups are looked at as far as the bounds go", () => {
  const ids = Array.from({ length: 10_000 }, (_, i) => i + 1000);
  const inside = Object.fromEntries(
    Array.from({ length: 70 }, (_, i) => [`c${i}`, ["2", [5]] as const]),
  );
  using many = files(ids, inside);
  many.look("threads");
  assert.equal(many.looked.length, MAX_THREADS);
  using few = files([], inside);
  few.look("threads");
  assert.equal(few.looked.length, MAX_CGROUPS);
});

Deno.test("the mask of this thread is what /proc has of it; of a thread that isn't there nothing is known", () => {
  const status = Deno.readTextFileSync("/proc/self/status");
  assert.equal(`${affinityOf(Deno.pid)}`, /^Cpus_allowed_list:\s*(\S+)/m.exec(status)?.[1]);
  assert.equal(affinityOf(2 ** 30), undefined);
});

onKernel(
  "a thread that is pinned by taskset is seen within the set, and so is one in a cgroup inside",
  async (scratch) => {
    const path = scratch.make("/pod", "0-1");
    const child = scratch.run(path);
    const look = () => told(readAffinity(scratch.hierarchy, path, { of: "threads", pid: 0 }));
    assert.equal(look(), "0-1:  whole");
    const { success } = await new Deno.Command("taskset", {
      args: ["-pc", "1", `${child.pid}`],
      stdout: "null",
    }).output();
    assert(success);
    assert.equal(look(), "0-1: 1");
    scratch.make("/pod/inside", "0");
    scratch.run(`${path}/inside`);
    assert.equal(look(), "0-1: 0 1 inside 0");
  },
);
