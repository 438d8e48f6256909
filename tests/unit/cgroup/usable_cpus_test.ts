import assert from "node:assert/strict";
import { dirname } from "node:path";
import { usableCpusReader, usableReader } from "../../../src/cgroup/usable_cpus.ts";
import { readerOf } from "../../../src/platform/sysfs.ts";

readerOf("/sys")("kernel/osrelease"); // loads libc outside of the tests, where it is no leak

const ONLINE = "sys/devices/system/cpu/online";

/** What is usable where these files say so: `online`, then what is unusable. */
function usable(files: Record<string, string>): { cpus: string[] | undefined; shown: string | undefined } {
  const dir = Deno.makeTempDirSync();
  try {
    for (const [path, content] of Object.entries(files)) {
      Deno.mkdirSync(`${dir}/${dirname(path)}`, { recursive: true });
      Deno.writeTextFileSync(`${dir}/${path}`, `${content}\n`);
    }
    const [sys, cgroup] = [`${dir}/sys`, `${dir}/cgroup`];
    const found = usableCpusReader(sys, cgroup)();
    return {
      cpus: found && [`${found.online}`, `${found.unusable}`, `${found.removesOffline}`],
      shown: usableReader(sys, cgroup)("devices/system/cpu/online")?.trim(),
    };
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
}

Deno.test("with cgroup v2 all that is online is usable", () => {
  const { cpus, shown } = usable({ [ONLINE]: "0-7", "cgroup/cgroup.controllers": "cpuset cpu" });
  assert.deepEqual(cpus, ["0-7", "", "false"]);
  assert.equal(shown, "0-7");
});

for (
  const kubepods of ["kubepods", "kubepods.slice", "kubelet/kubepods", "kubelet.slice/kubelet-kubepods.slice"]
) {
  Deno.test(`with cgroup v1 what ${kubepods} has lost is unusable`, () => {
    const { cpus, shown } = usable({
      [ONLINE]: "0-7",
      "cgroup/cpuset/cpuset.cpus": "0-7",
      [`cgroup/cpuset/${kubepods}/cpuset.cpus`]: "0-4,6-7",
    });
    assert.deepEqual(cpus, ["0-7", "5", "true"]);
    assert.equal(shown, "0-4,6-7");
  });
}

Deno.test("with cgroup v1 and no kubepods yet, or an empty one, all that is online is usable", () => {
  const v1 = { [ONLINE]: "0-3", "cgroup/cpuset/cpuset.cpus": "0-3" };
  assert.deepEqual(usable(v1).cpus, ["0-3", "", "true"]);
  assert.deepEqual(usable({ ...v1, "cgroup/cpuset/kubepods/cpuset.cpus": "" }).cpus, ["0-3", "", "true"]);
});

Deno.test("when the online CPUs can't be read, the usable ones are unknown", () => {
  assert.deepEqual(usable({}), { cpus: undefined, shown: undefined });
  assert.equal(usable({ [ONLINE]: "nonsense" }).cpus, undefined);
});
