// On the kernel's own cgroups: how a file that is open answers after its cgroup has been removed is the kernel's affair.
import assert from "node:assert/strict";
import { KeptCgroups } from "../../../src/cgroup/kept_cgroups.ts";
import { libc } from "../../../src/platform/libc.ts";
import { onKernel } from "../../kit/scratch_cgroups.ts";

libc(); // loaded once for the life of the process, which Deno's leak check would blame on the first test

const FILE = "cpuset.cpus";

/** What the cgroup has by what is kept, or the error. */
function cpus(kept: KeptCgroups, path: string): string {
  const opened = kept.open(path);
  if (opened.kind === "errno") return opened.errno;
  using directory = opened;
  const content = directory.read(FILE);
  return content.kind === "text" ? content.text : content.errno;
}

/** Open files of this process in the cgroup, removed or not. */
function descriptors(path: string): number {
  return [...Deno.readDirSync("/proc/self/fd")].filter(({ name }) => {
    try {
      return Deno.readLinkSync(`/proc/self/fd/${name}`).includes(path);
    } catch {
      return false; // that of this listing
    }
  }).length;
}

onKernel("a kept cgroup can be removed, and another at its path is never taken for it", (scratch) => {
  const kept = new KeptCgroups(scratch.hierarchy.root, FILE);
  const path = scratch.make("/c", "0");
  assert.equal(cpus(kept, path), "0");
  scratch.remove(path);
  scratch.make("/c", "1");
  assert.equal(cpus(kept, path), "1");
  assert.equal(descriptors(path), 2);
  const opened = kept.open(path);
  assert(opened.kind === "directory");
  for (const text of ["0-1\n", "0\n"]) assert.equal(opened.write(FILE, text), undefined);
  assert.equal(scratch.read(path), "0");
  scratch.remove(path);
  assert.equal(opened.write(FILE, "1\n")?.errno, "ENODEV");
  assert.equal(cpus(kept, path), "ENOENT");
  assert.equal(descriptors(path), 0);
  assert.equal(opened.read(FILE).kind, "errno", "it is closed for those who still have it");
});

onKernel("cgroups beyond the bound aren't kept, nor those that haven't been used for a minute", (scratch) => {
  const kept = new KeptCgroups(scratch.hierarchy.root, FILE, 2);
  const paths = ["/a", "/b", "/c"].map((name) => scratch.make(name, "1"));
  for (const _ of [1, 2]) assert.deepEqual(paths.map((path) => cpus(kept, path)), ["1", "1", "1"]);
  assert.equal(kept.size, 2);
  assert.deepEqual(paths.map(descriptors), [2, 2, 0]);
  kept.closeUnused(60_000);
  cpus(kept, paths[0] ?? "");
  kept.closeUnused(61_000);
  assert.deepEqual(paths.map(descriptors), [2, 0, 0]);
  kept.close();
  assert.deepEqual(paths.map(descriptors), [0, 0, 0]);
});

onKernel(
  "a container is found where it was until its cgroup is removed, and by other hints anew",
  (scratch) => {
    const kept = new KeptCgroups(scratch.hierarchy.root, FILE);
    const path = scratch.make("/c", "0");
    const container = { id: "c", cgroup: { path, parent: "", pid: 0 } };
    kept.place(container, path);
    assert.equal(kept.placeOf(container), path);
    assert.equal(kept.placeOf({ id: "c", cgroup: { path, parent: "", pid: 1 } }), undefined);
    scratch.remove(path);
    scratch.make("/c", "0");
    assert.equal(kept.placeOf(container), undefined);
    kept.close();
  },
);

Deno.test("plain files: nothing is kept open where a link leads, to the cgroup or to its file", () => {
  const root = Deno.realPathSync(Deno.makeTempDirSync());
  try {
    for (const name of ["real", "c"]) Deno.mkdirSync(`${root}/${name}`);
    Deno.writeTextFileSync(`${root}/real/${FILE}`, "0");
    Deno.symlinkSync(`${root}/real`, `${root}/link`);
    Deno.symlinkSync(`${root}/real/${FILE}`, `${root}/c/${FILE}`);
    const kept = new KeptCgroups(root, FILE);
    assert.match(cpus(kept, "/link"), /ELOOP|ENOTDIR/);
    assert.equal(cpus(kept, "/c"), "ELOOP");
    assert.equal(kept.size, 0);
    const opened = kept.open("/real");
    assert(opened.kind === "directory");
    for (const text of ["0-1,3\n", "1\n"]) opened.write(FILE, text);
    assert.equal(cpus(kept, "/real"), "1", "a longer list is replaced wholly");
    kept.close();
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
});
