/** Which CPUs containers can use, and who keeps the others: trees of plain files, as the kernel shows them. */
import assert from "node:assert/strict";
import { dirname } from "node:path";
import { type UsableCpus, usableCpusReader, usableReader } from "../../../src/cgroup/usable_cpus.ts";
import { withheldText } from "../../../src/cpu/withheld.ts";
import { groupRef } from "../../../src/ledger/groups.ts";
import { readerOf } from "../../../src/platform/sysfs.ts";

readerOf("/sys")("kernel/osrelease"); // loads libc outside of the tests, where it is no leak

const ONLINE = "sys/devices/system/cpu/online";
type Files = Record<string, string>;

interface Stage {
  read(cgroupsPath?: string): UsableCpus | undefined;
  put(files: Files): void;
  shown(): string | undefined;
}

/** A machine where these files say so. */
function onMachine<T>(files: Files, play: (stage: Stage) => T): T {
  const dir = Deno.makeTempDirSync();
  const put = (files: Files) => {
    for (const [path, content] of Object.entries(files)) {
      Deno.mkdirSync(`${dir}/${dirname(path)}`, { recursive: true });
      Deno.writeTextFileSync(`${dir}/${path}`, `${content}\n`);
    }
  };
  try {
    put(files);
    const read = usableCpusReader(`${dir}/sys`, `${dir}/cgroup`);
    const container = (path: string) => {
      const { isGroup: _, ...ref } = groupRef(path);
      return { ...ref, id: path.slice(path.lastIndexOf("/") + 1) };
    };
    return play({
      put,
      read: (path) => read(path === undefined ? undefined : container(path)),
      shown: () => usableReader(`${dir}/sys`, read())("devices/system/cpu/online")?.trim(),
    });
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
}

/** `online`, what of it is unusable, and who keeps that. */
function usable(files: Files): [string, string, string] | undefined {
  return onMachine(files, ({ read }) => textsOf(read()));
}

function textsOf(found: UsableCpus | undefined): [string, string, string] | undefined {
  return found && [`${found.online}`, `${found.unusable}`, withheldText(found.withheld)];
}

/** Files of a cgroup in v2: what is in force, and what was written. */
function v2(path: string, effective: string, written = "", more: Files = {}): Files {
  const files = { "cpuset.cpus.effective": effective, "cpuset.cpus": written, ...more };
  return Object.fromEntries(Object.entries(files).map(([file, text]) => [`cgroup${path}/${file}`, text]));
}

const SIXTEEN: Files = { [ONLINE]: "0-15", "cgroup/cgroup.controllers": "cpuset cpu" };

Deno.test("with cgroup v2 all that is online and in force above containers is usable", () => {
  assert.deepEqual(usable(SIXTEEN), ["0-15", "", ""]);
  assert.deepEqual(usable({ ...SIXTEEN, ...v2("", "0-15"), ...v2("/kubepods.slice", "0-15") }), [
    "0-15",
    "",
    "",
  ]);
});

Deno.test("kubepods was narrowed, or a cgroup above it: the nearest is named", () => {
  const files = { ...SIXTEEN, ...v2("", "0-15"), ...v2("/kubepods.slice", "4-15", "4-15") };
  assert.deepEqual(usable(files), [
    "0-15",
    "0-3",
    "CPUs 0-3 are kept from containers by /kubepods.slice (4-15)",
  ]);
  assert.equal(onMachine(files, ({ shown }) => shown()), "4-15");
  assert.deepEqual(
    usable({
      ...SIXTEEN,
      ...v2("", "0-15"),
      ...v2("/kubelet.slice", "1-15", "1-15"),
      ...v2("/kubelet.slice/kubelet-kubepods.slice", "1-14", "0-14"),
    }),
    [
      "0-15",
      "0,15",
      "CPU 15 is kept from containers by /kubelet.slice/kubelet-kubepods.slice (0-14); " +
      "CPU 0 is kept from containers by /kubelet.slice (1-15)",
    ],
  );
});

Deno.test("a node that is a container has what its top cgroup has, before and after kubelet's are there", () => {
  const why = "CPUs 8-15 are kept from containers above the cgroup tree that is seen here (0-7)";
  assert.deepEqual(usable({ ...SIXTEEN, ...v2("", "0-7") }), ["0-15", "8-15", why]);
  assert.deepEqual(usable({ ...SIXTEEN, ...v2("", "0-7"), ...v2("/kubepods", "0-7") }), [
    "0-15",
    "8-15",
    why,
  ]);
});

Deno.test("another program's partition is named; one that isn't valid, and one around kubepods, take nothing", () => {
  const partition = (state: string) => ({ "cpuset.cpus.partition": state });
  const rest = { ...v2("", "0-7,12-15"), ...v2("/kubepods.slice", "0-7,12-15") };
  const held = v2("/dpdk.slice", "8-11", "8-11", partition("isolated"));
  const why = "CPUs 8-11 are held by the partition /dpdk.slice";
  assert.deepEqual(usable({ ...SIXTEEN, ...rest, ...held }), ["0-15", "8-11", why]);
  // A remote one (Linux 6.7), whose CPUs are all in a partition inside of it.
  const remote = { ...partition("root"), "cpuset.cpus.exclusive.effective": "8-11" };
  assert.deepEqual(
    usable({ ...SIXTEEN, ...rest, ...v2("/system.slice/dpdk.service", "", "", remote) })?.[2],
    "CPUs 8-11 are held by the partition /system.slice/dpdk.service",
  );
  const invalid = v2(
    "/a.slice",
    "8-11",
    "8-11",
    partition("isolated invalid (Cpu list in cpuset.cpus not exclusive)"),
  );
  const around = v2("/kubelet", "0-7,12-15", "0-7,12-15", partition("root"));
  assert.deepEqual(
    usable({ ...SIXTEEN, ...v2("", "8-11"), ...invalid, ...around, ...v2("/kubelet/kubepods", "0-7,12-15") })
      ?.[2],
    "CPUs 8-11 are kept from containers by /kubelet (0-7,12-15)",
  );
});

Deno.test("what is given to partitions in kubepods, the agent's own, is usable", () => {
  const given = { "cpuset.cpus.exclusive.effective": "2-3" };
  assert.deepEqual(usable({ ...SIXTEEN, ...v2("", "0-1,4-15"), ...v2("/kubepods", "0-1,4-15", "", given) }), [
    ...["0-15", "", ""] as const,
  ]);
});

Deno.test("a container shows where kubelet's cgroups are, and what comes and goes there is seen at the next reading", () => {
  const files = { ...SIXTEEN, ...v2("", "0-15"), ...v2("/node/kubepods", "0-15") };
  onMachine(files, ({ read, put }) => {
    const seen = (path?: string) => textsOf(read(path))?.slice(1);
    put(v2("/node/kubepods", "2-15", "2-15"));
    assert.deepEqual(seen(), ["", ""]);
    const narrowed = ["0-1", "CPUs 0-1 are kept from containers by /node/kubepods (2-15)"];
    assert.deepEqual(seen("/node/kubepods/burstable/pod1/c0ffee"), narrowed);
    assert.deepEqual(seen(), narrowed);
    put(v2("/node/kubepods", "0-15"));
    assert.deepEqual(seen(), ["", ""]);
  });
});

for (
  const kubepods of ["kubepods", "kubepods.slice", "kubelet/kubepods", "kubelet.slice/kubelet-kubepods.slice"]
) {
  Deno.test(`with cgroup v1 what ${kubepods} has lost is unusable`, () => {
    const files = {
      [ONLINE]: "0-7",
      "cgroup/cpuset/cpuset.cpus": "0-7",
      [`cgroup/cpuset/${kubepods}/cpuset.cpus`]: "0-4,6-7",
    };
    const why = `CPU 5 is kept from containers by /${kubepods} (0-4,6-7)`;
    assert.deepEqual(usable(files), ["0-7", "5", why]);
    assert.equal(onMachine(files, ({ read }) => read()?.removesOffline), true);
    const beside = { "cgroup/cpuset/dpdk/cpuset.cpus": "5", "cgroup/cpuset/dpdk/cpuset.cpu_exclusive": "1" };
    assert.equal(usable({ ...files, ...beside })?.[2], "CPU 5 is held by /dpdk alone (cpuset.cpu_exclusive)");
  });
}

Deno.test("with cgroup v1 and no kubepods yet, or an empty one, all that is online is usable", () => {
  const v1 = { [ONLINE]: "0-3", "cgroup/cpuset/cpuset.cpus": "0-3" };
  assert.deepEqual(usable(v1), ["0-3", "", ""]);
  assert.deepEqual(usable({ ...v1, "cgroup/cpuset/kubepods/cpuset.cpus": "" }), ["0-3", "", ""]);
});

Deno.test("a kubepods with nothing that is online leaves all of it usable", () => {
  assert.deepEqual(usable({ ...SIXTEEN, ...v2("", "0-15"), ...v2("/kubepods", "20") }), ["0-15", "", ""]);
});

Deno.test("when the online CPUs can't be read, the usable ones are unknown", () => {
  onMachine({}, ({ read, shown }) => assert.deepEqual([read(), shown()], [undefined, undefined]));
  assert.equal(usable({ [ONLINE]: "nonsense" }), undefined);
});

Deno.test("before kubepods is known, what is given to partitions below other cgroups may be the agent's own; a partition's isn't", () => {
  const member = { "cpuset.cpus.partition": "member", "cpuset.cpus.exclusive.effective": "2-3" };
  const isolated = { "cpuset.cpus.partition": "isolated", "cpuset.cpus.exclusive.effective": "6-7" };
  const found = usable({
    [ONLINE]: "0-7",
    ...v2("", "0-1,4-5"),
    ...v2("/odd.slice", "0-1,4-5", "", member),
    ...v2("/dpdk.slice", "6-7", "6-7", isolated),
  });
  assert.deepEqual(found?.slice(0, 2), ["0-7", "6-7"]);
});
