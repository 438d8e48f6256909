import assert from "node:assert/strict";
import { CpuSet } from "../../../src/cpu/cpu_set.ts";
import { scanClaims } from "../../../src/cgroup/scan.ts";

const ONLINE = CpuSet.range(0, 7);

/** The claims in a made-up cgroup tree: its files by path, without a leading slash. */
function claimsIn(files: Record<string, string>, seesAll = true): string {
  const root = Deno.makeTempDirSync({ prefix: "cgroup-" });
  try {
    for (const [path, content] of Object.entries(files)) {
      Deno.mkdirSync(`${root}/${path}`.replace(/\/[^/]*$/, ""), { recursive: true });
      Deno.writeTextFileSync(`${root}/${path}`, content);
    }
    return scanClaims(root, ONLINE, () => seesAll).toString();
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
}

/** A cgroup of v2 that may use `cpus`, with a process. */
function v2(path: string, cpus: string, procs = "4711\n"): Record<string, string> {
  return { [`${path}/cpuset.cpus.effective`]: `${cpus}\n`, [`${path}/cgroup.procs`]: procs };
}

/** One of v1, in its cpuset hierarchy. */
function v1(path: string, cpus: string, procs = "1\n"): Record<string, string> {
  const dir = `cpuset/${path}`;
  return {
    "cpuset/cpuset.cpus": "0-7\n",
    [`${dir}/cpuset.effective_cpus`]: `${cpus}\n`,
    [`${dir}/cpuset.cpus`]: "0\n", // what is set isn't what is in force
    [`${dir}/cgroup.procs`]: procs,
  };
}

// libc is loaded once for the life of the process, which Deno's leak check would blame on the first test.
const nothing = claimsIn({});

Deno.test("without a cgroup tree, or without pods in it, nothing is claimed", () => {
  assert.equal(nothing, "");
  assert.equal(scanClaims("/nowhere", ONLINE).toString(), "");
  assert.equal(claimsIn({ ...v2("system.slice/pod1/c", "1"), ...v2("kubepods", "0-7") }), "");
});

Deno.test("cgroup v2: narrow containers are claims, those that may run everywhere are not", () => {
  const claims = claimsIn({
    ...v2("kubepods.slice", "0-7"),
    ...v2("kubepods.slice/kubepods-pod1.slice", "0-7"),
    ...v2("kubepods.slice/kubepods-pod1.slice/cri-containerd-a.scope", "2-3"),
    ...v2(
      "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod2.slice/cri-containerd-b.scope",
      "5",
    ),
    ...v2(
      "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod3.slice/cri-containerd-c.scope",
      "0-7",
    ),
  });
  assert.equal(claims, "2-3,5");
});

Deno.test("cgroup v1: the same, in the cpuset hierarchy, by what is in force", () => {
  const claims = claimsIn({
    ...v1("kubepods", "0-7"),
    ...v1("kubepods/pod1/a", "2-3"),
    ...v1("kubepods/burstable/pod2/b", "5"),
    ...v1("kubepods/besteffort/pod3/c", "0-7"),
    ...v2("kubepods/pod4/d", "6"), // v2's hierarchy, beside v1's
  });
  assert.equal(claims, "2-3,5");
});

Deno.test("a container whose cgroup says nothing of its own, or has no tasks, is no claim", () => {
  const claims = claimsIn({
    ...v2("kubepods", "0-7"),
    ...v2("kubepods/pod1", "0-3"), // a pod is none either
    ...v2("kubepods/pod1/ended", "1", ""),
    ...v2("kubepods/pod2/odd", "what"),
    ...v2("kubepods/pod2/offline", "8-9"),
    "kubepods/pod2/silent/cgroup.procs": "1\n",
    ...v2("kubepods/pod1/runs", "3,8"),
  });
  assert.equal(claims, "3");
});

Deno.test("cgroups inside a container have its CPUs or fewer, and count with it", () => {
  const claims = claimsIn({
    ...v2("kubepods", "0-7"),
    ...v2("kubepods/pod1/a", "0-5", ""),
    ...v2("kubepods/pod1/a/init.scope", "0-5"),
    ...v2("kubepods/pod1/a/system.slice/deeper", "0-5"),
    ...v2("kubepods/pod2/b", "6", ""),
    "kubepods/pod2/b/silent/cgroup.procs": "1\n",
    ...v2("kubepods/besteffort/pod3/c", "7"),
  });
  assert.equal(claims, "0-6"); // as two pods', pod1's would have looked like the pool
});

Deno.test("a container with more processes than are read at once has tasks", () => {
  const procs = "1234567\n".repeat(10_000);
  assert.equal(claimsIn({ ...v2("kubepods", "0-7"), ...v2("kubepods/pod1/a", "2", procs) }), "2");
});

Deno.test("on a node where the agent ran, shared containers don't make the pool vanish", () => {
  const claims = claimsIn({
    ...v2("kubepods", "0-7"),
    ...v2("kubepods/pod1/exclusive", "1-6"),
    ...v2("kubepods/besteffort/pod2/shared", "0,7"),
    ...v2("kubepods/burstable/pod3/shared", "0,7"),
  });
  assert.equal(claims, "1-6");
});

Deno.test("kubepods may lie deep, and be narrower than the machine", () => {
  const kubepods = "docker/abc/kubelet.slice/kubelet-kubepods.slice";
  const claims = claimsIn({
    ...v2(kubepods, "2-7"),
    ...v2(`${kubepods}/kubelet-kubepods-pod1.slice/cri-containerd-a.scope`, "3"),
    ...v2(
      `${kubepods}/kubelet-kubepods-besteffort.slice/kubelet-kubepods-besteffort-pod2.slice/b.scope`,
      "2-7",
    ),
  });
  assert.equal(claims, "3");
});

Deno.test("kubepods may list CPUs that are offline: a container that may use all the others isn't confined", () => {
  assert.equal(claimsIn({ ...v2("kubepods", "0-8"), ...v2("kubepods/pod1/a", "0-7") }), "");
});

Deno.test("in a tree that is too deep to be read to its end, everything but the pool is claimed", () => {
  const deep = Array.from({ length: 20 }, () => "x").join("/");
  assert.equal(claimsIn(v2(`kubepods/pod1/${deep}`, "0-7")), "1-7");
});

Deno.test("cgroup v1: where processes of other pid namespaces aren't seen a container without any is a claim, unless it has no task", () => {
  const files = {
    ...v1("kubepods", "0-7", ""),
    ...v1("kubepods/podone", "0-7", ""),
    ...v1("kubepods/podone/a", "2-3", ""),
    ...v1("kubepods/podone/b", "4", ""),
    ...v1("kubepods/podone/c", "5", ""),
    "pids/kubepods/podone/a/pids.current": "7\n",
    "pids/kubepods/podone/b/pids.current": "0\n",
  };
  assert.equal(claimsIn(files), "");
  assert.equal(claimsIn(files, false), "2-3,5");
  assert.equal(claimsIn({ ...v2("kubepods", "0-7"), ...v2("kubepods/podone/a", "2", "") }, false), "");
});
