// Where a container's cgroup is: real paths of the runtimes, both drivers, alone and nested.
import assert from "node:assert/strict";
import fc from "fast-check";
import { slicePath } from "../../../src/cgroup_names.ts";
import {
  baseOf,
  cgroupCandidates,
  cgroupOfProcess,
  cleanPath,
  nestingOf,
} from "../../../src/cgroup/paths.ts";

const ID = "3f4ab2d9c1e05768a9b0c1d2e3f405162738495a6b7c8d9e0f1a2b3c4d5e6f70";
const UID = "a1b2c3d4-0000-1111-2222-333344445555";
const SLICE_UID = UID.replaceAll("-", "_");
const BURSTABLE = `/kubepods.slice/kubepods-burstable.slice`;
const POD_SLICE = `kubepods-burstable-pod${SLICE_UID}.slice`;

/** Where a container may be; its pod's cgroup isn't known unless it is given. */
function places(cgroupsPath: string, cgroupParent = "", nestings: string[] = []): string[] {
  return cgroupCandidates(ID, { path: cgroupsPath, parent: cgroupParent }, nestings);
}

const RECORDS: Record<string, { record: string; place: string }> = {
  "containerd with cgroupfs": {
    record: `/kubepods/burstable/pod${UID}/${ID}`,
    place: `/kubepods/burstable/pod${UID}/${ID}`,
  },
  "containerd with cgroupfs, Guaranteed": {
    record: `/kubepods/pod${UID}/${ID}`,
    place: `/kubepods/pod${UID}/${ID}`,
  },
  "containerd with systemd": {
    record: `${POD_SLICE}:cri-containerd:${ID}`,
    place: `${BURSTABLE}/${POD_SLICE}/cri-containerd-${ID}.scope`,
  },
  "containerd with systemd, Guaranteed": {
    record: `kubepods-pod${SLICE_UID}.slice:cri-containerd:${ID}`,
    place: `/kubepods.slice/kubepods-pod${SLICE_UID}.slice/cri-containerd-${ID}.scope`,
  },
  "kind, whose kubelet has a cgroup root of its own": {
    record: `kubelet-kubepods-besteffort-pod${SLICE_UID}.slice:cri-containerd:${ID}`,
    place: `/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/` +
      `kubelet-kubepods-besteffort-pod${SLICE_UID}.slice/cri-containerd-${ID}.scope`,
  },
  "CRI-O with systemd": {
    record: `${POD_SLICE}:crio:${ID}`,
    place: `${BURSTABLE}/${POD_SLICE}/crio-${ID}.scope`,
  },
  "CRI-O with cgroupfs": {
    record: `/kubepods/besteffort/pod${UID}/crio-${ID}`,
    place: `/kubepods/besteffort/pod${UID}/crio-${ID}`,
  },
  "Docker with systemd": { record: `system.slice:docker:${ID}`, place: `/system.slice/docker-${ID}.scope` },
  "Docker with cgroupfs": { record: `/docker/${ID}`, place: `/docker/${ID}` },
  "no slice: systemd's own": { record: `:runc:${ID}`, place: `/system.slice/runc-${ID}.scope` },
  "no prefix": { record: `a.slice::${ID}`, place: `/a.slice/${ID}.scope` },
  "the root slice": { record: `-.slice:runc:${ID}`, place: `/runc-${ID}.scope` },
  "a path with doubled slashes": {
    record: `//kubepods//pod${UID}/${ID}/`,
    place: `/kubepods/pod${UID}/${ID}`,
  },
  "a bare CRI client that names no pod's cgroup": { record: ID, place: `/${ID}` },
};

for (const [what, { record, place }] of Object.entries(RECORDS)) {
  Deno.test(`the record leads to the cgroup: ${what}`, () => assert.deepEqual(places(record), [place]));
}

const REFUSED: Record<string, string> = {
  "a way up": `/kubepods/../../etc/${ID}`,
  "the folder itself": `/kubepods/./${ID}`,
  "a control character": `/kubepods/a\nb/${ID}`,
  "a terminal's escape": `/kubepods/\u009b31m/${ID}`,
  "a NUL": `/kubepods\0/${ID}`,
  "all pods": "/kubepods",
  "its pod": `/kubepods/burstable/pod${UID}`,
  "another container": `/kubepods/pod${UID}/${ID.replace("3", "4")}`,
  "a cgroup inside the container": `/kubepods/pod${UID}/${ID}/init.scope`,
  "an id with something behind it": `/kubepods/pod${UID}/${ID}0`,
  "another unit": `a.slice:runc:other`,
  "a slice that is a path": `a/../b.slice:runc:${ID}`,
  "a slice with an empty part": `a--b.slice:runc:${ID}`,
  "no slice": `abc:runc:${ID}`,
  "a prefix that is a path": `a.slice:../x:${ID}`,
  "a name that is a path": `a.slice:runc:../${ID}`,
  "too many parts": `a.slice:runc:${ID}:${ID}`,
  "the root": "/",
  "too deep a path": `${"/a".repeat(32)}/${ID}`,
  "too long a name": `/${"a".repeat(256)}/${ID}`,
};

for (const [what, record] of Object.entries(REFUSED)) {
  Deno.test(`a record is refused that names ${what}`, () => assert.deepEqual(places(record), []));
}

Deno.test("an id that is none leads nowhere", () => {
  for (const id of ["", ".", "..", "a/b", "-a", "a\n", "x".repeat(129)]) {
    assert.deepEqual(cgroupCandidates(id, { path: `/kubepods/${id}`, parent: "/kubepods" }), []);
  }
});

Deno.test("without a path in the record, the usual names in the pod's cgroup are candidates", () => {
  assert.deepEqual(places("", `/kubepods/pod${UID}`), [
    `/kubepods/pod${UID}/${ID}`,
    `/kubepods/pod${UID}/crio-${ID}`,
  ]);
  const units = ["cri-containerd", "crio", "docker"].map((prefix) => `${prefix}-${ID}.scope`);
  assert.deepEqual(
    places("", `${BURSTABLE}/${POD_SLICE}`),
    units.map((unit) => `${BURSTABLE}/${POD_SLICE}/${unit}`),
  );
  // CRI-O names the slice alone.
  assert(places("", POD_SLICE).includes(`${BURSTABLE}/${POD_SLICE}/crio-${ID}.scope`));
  assert.deepEqual(places("", ""), []);
});

Deno.test("a slice that lies elsewhere than its name says is found by the pod's cgroup", () => {
  assert.deepEqual(places(`odd-pod.slice:cri-containerd:${ID}`, "/elsewhere/odd-pod.slice"), [
    `/odd.slice/odd-pod.slice/cri-containerd-${ID}.scope`,
    `/elsewhere/odd-pod.slice/cri-containerd-${ID}.scope`,
  ]);
});

Deno.test("when the runtime's systemd lies deeper, so do its units", () => {
  assert.deepEqual(places(`/kubepods/pod1/${ID}`, "", ["/docker/node"]), [
    `/kubepods/pod1/${ID}`,
    `/docker/node/kubepods/pod1/${ID}`,
  ]);
  assert.deepEqual(places(`/a/${ID}`, "", ["/.."]), [`/a/${ID}`]);
});

Deno.test("a slice's name spells out its path", () => {
  assert.equal(slicePath("a.slice"), "/a.slice");
  assert.equal(slicePath("a-b-c.slice"), "/a.slice/a-b.slice/a-b-c.slice");
  assert.equal(slicePath("-.slice"), "");
  for (const bad of ["", "a", ".slice", "-a.slice", "a-.slice", "a--b.slice", "/a.slice", "a.slice/"]) {
    assert.equal(slicePath(bad), undefined, bad);
  }
});

const V1 = (path: string) => `9:name=systemd:/elsewhere\n4:cpu,cpuacct:/x\n3:cpuset:${path}\n0::/unified\n`;
const V2 = (path: string) => `0::${path}\n`;

function ofV1(text: string, base: string | undefined = ""): string | undefined {
  return cgroupOfProcess(text, { version: 1, base, id: ID });
}

function ofV2(text: string, base: string | undefined = ""): string | undefined {
  return cgroupOfProcess(text, { version: 2, base, id: ID });
}

Deno.test("a process leads to its container's cgroup", () => {
  assert.equal(ofV1(V1(`/kubepods/pod1/${ID}`)), `/kubepods/pod1/${ID}`);
  assert.equal(ofV1(`7:cpu,cpuset:/kubepods/pod1/${ID}\n`), `/kubepods/pod1/${ID}`);
  assert.equal(
    ofV2(V2(`/kubepods.slice/x.slice/crio-${ID}.scope`)),
    `/kubepods.slice/x.slice/crio-${ID}.scope`,
  );
});

Deno.test("a process that has moved into a cgroup inside still leads to the container's", () => {
  assert.equal(ofV2(V2(`/kubepods/pod1/${ID}/init.scope`)), `/kubepods/pod1/${ID}`);
  assert.equal(ofV2(V2(`/a.slice/crio-${ID}.scope/container`)), `/a.slice/crio-${ID}.scope`);
  assert.equal(ofV2(V2(`/kubepods/pod1/${ID}/x/${ID}`)), `/kubepods/pod1/${ID}`);
});

Deno.test("a process id that has been reused leads nowhere", () => {
  assert.equal(ofV2(V2("/system.slice/sshd.service")), undefined);
  assert.equal(ofV2(V2("/")), undefined);
  assert.equal(ofV1(V1(`/kubepods/pod1/${ID.replace("3", "4")}`)), undefined);
  assert.equal(ofV1(V2(`/kubepods/pod1/${ID}`)), undefined);
  assert.equal(ofV2(V1(`/kubepods/pod1/${ID}`)), undefined);
});

Deno.test("a process above the visible tree, in a removed cgroup, or in none, leads nowhere", () => {
  assert.equal(ofV2(V2(`/../../pod1/${ID}`)), undefined);
  assert.equal(ofV2(V2(`/kubepods/pod1/${ID} (deleted)`)), undefined);
  for (const odd of ["", "nonsense", "0::relative", `3:cpuset\n`]) assert.equal(ofV2(odd), undefined);
});

Deno.test("where only a part of the hierarchy is mounted, paths count from there", () => {
  const path = `/docker/node/kubelet/kubepods/pod1/${ID}`;
  assert.equal(ofV1(V1(path), "/docker/node"), `/kubelet/kubepods/pod1/${ID}`);
  assert.equal(ofV1(V1(path), "/docker/no"), undefined);
  assert.equal(cgroupOfProcess(V1(path), { version: 1, base: undefined, id: ID }), undefined);
});

Deno.test("the mounts show which part that is", () => {
  const info = [
    "22 1 0:21 / / rw - overlay overlay rw",
    "31 22 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw",
    "34 31 0:31 /docker/node /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset",
    "35 31 0:32 /../../.. /host/sys/fs/cgroup rw - cgroup2 cgroup2 rw",
    "36 31 0:33 / /mnt/with\\040space rw - cgroup2 cgroup2 rw",
    "37 31 0:33 / /twice rw - tmpfs tmpfs rw",
    "38 37 0:33 /deeper /twice rw - cgroup2 cgroup2 rw",
  ].join("\n");
  assert.equal(baseOf(info, "/sys/fs/cgroup/cpuset"), "/docker/node");
  assert.equal(baseOf(info, "/sys/fs/cgroup/cpuset/inner"), "/docker/node/inner");
  assert.equal(baseOf(info, "/host/sys/fs/cgroup"), undefined);
  assert.equal(baseOf(info, "/mnt/with space"), "");
  assert.equal(baseOf(info, "/twice"), "/deeper");
  assert.equal(baseOf(info, "/sys/fs/cgroupish"), "/sys/fs/cgroupish"); // in the file system of /
  assert.equal(baseOf("", "/sys/fs/cgroup"), undefined);
});

Deno.test("process 1 shows where the units of its systemd lie", () => {
  assert.equal(nestingOf("1:cpuset:/docker/node/init.scope\n", 1), "/docker/node");
  assert.equal(nestingOf("0::/init.scope\n", 2), "");
  assert.equal(nestingOf("0::/\n", 2), "");
  assert.equal(nestingOf("", 2), undefined);
  assert.equal(nestingOf("0::/../x\n", 2), undefined);
});

Deno.test("whatever the record holds, the result is a clean path whose last name is the container's", () => {
  const piece = fc.constantFrom(
    "/",
    "..",
    ".",
    ":",
    "-",
    ".slice",
    ".scope",
    "kubepods",
    ID,
    "\n",
    "\0",
    "é",
  );
  const text = fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join(""));
  fc.assert(
    fc.property(text, text, text, (cgroupsPath, cgroupParent, nesting) => {
      const process = [1, 2].map((version) =>
        cgroupOfProcess(V1(cgroupsPath) + V2(cgroupParent), { version: version as 1 | 2, base: "", id: ID })
      );
      for (const path of [...places(cgroupsPath, cgroupParent, [nesting]), ...process]) {
        if (path === undefined) continue;
        assert.equal(cleanPath(path), path);
        assert(!path.split("/").includes(".."));
        assert.match(path, new RegExp(`[/-]${ID}(\\.scope)?$`));
      }
    }),
    { numRuns: 2000 },
  );
});
