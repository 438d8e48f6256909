// A container's cgroup as the agent finds, reads and writes it.
import assert from "node:assert/strict";
import { CpuSet } from "../../../src/cpu/cpu_set.ts";
import { Cri } from "../../../src/cri/cri.ts";
import { type CpusetHierarchy, readCpuset } from "../../../src/cgroup/read.ts";
import { findCgroup, findHierarchy } from "../../../src/cgroup/hierarchy.ts";
import { writeCpuset } from "../../../src/cgroup/write.ts";
import { assertRunsOn } from "./checks.ts";
import { sockets } from "./containerd.ts";
import { cpusetDirectory, online } from "./machine.ts";
import type { TestNode } from "./node.ts";
import { exclusive, pinned, type Pod, shared } from "./pods.ts";
import { onContainerd } from "./suite.ts";

const all = online();
const last = all.slice(-1);

// Asked outside of the tests: libc is loaded once for the life of the process, and counts as a leak of the first.
const kernel = findHierarchy("/sys/fs/cgroup");

function hierarchy(): CpusetHierarchy {
  assert(kernel.kind === "hierarchy", JSON.stringify(kernel));
  return kernel;
}

/** A container's id, with what the runtime's records of it and of its pod say about its cgroup. */
async function refOf(node: TestNode, id: string) {
  const cri = await Cri.connect([sockets(node.dir).cri]);
  try {
    const { pods, containers } = await cri.list();
    const container = containers.find((each) => each.id === id);
    assert(container !== undefined);
    const pod = pods.find((each) => each.id === container.podSandboxId);
    const { cgroupsPath: path = "" } = container.linux ?? {};
    return { id, cgroup: { path, parent: pod?.linux?.cgroupParent ?? "", pid: container.pid } };
  } finally {
    cri.close();
  }
}

const PODS: Record<string, Pod> = { shared: shared(), exclusive: exclusive(1), pinned: pinned(`${last}`) };

onContainerd(
  "a container's cgroup is found by its record and by its process, read and written",
  async (node) => {
    await node.startAgent();
    for (const [kind, pod] of Object.entries(PODS)) {
      const container = await node.run(pod);
      const ref = await refOf(node, container.id);
      assert.equal(ref.cgroup.pid, container.pid, kind);
      const found = findCgroup(hierarchy(), ref);
      assert(found.kind === "found");
      assert.equal(hierarchy().root + found.path, cpusetDirectory(container.pid));
      for (const part of ["pid", "path", "parent"] as const) {
        const cgroup = { path: "", parent: "", pid: 0, [part]: ref.cgroup[part] };
        assert.deepEqual(findCgroup(hierarchy(), { id: ref.id, cgroup }), found, `by its ${part}`);
      }

      for (const cpus of [all, last, all.slice(0, 1), all]) {
        const result = writeCpuset(hierarchy(), found.path, CpuSet.from(cpus));
        assert(result.kind === "done");
        assertRunsOn(container, cpus);
        const reading = readCpuset(hierarchy(), found.path);
        assert(reading.kind === "values" && reading.cpus.equals(CpuSet.from(cpus)));
      }
      await node.end(container);
      assert.deepEqual(readCpuset(hierarchy(), found.path), { kind: "absent" });
      assert.deepEqual(findCgroup(hierarchy(), ref), { kind: "absent" });
    }
  },
);

onContainerd("a container that isn't started has no cgroup yet", async (node) => {
  const created = await node.create(shared());
  const ref = await refOf(node, created.id);
  assert.equal(ref.cgroup.pid, 0);
  assert.deepEqual(findCgroup(hierarchy(), ref), { kind: "absent" });
  await node.start(created);
  assert.equal(findCgroup(hierarchy(), ref).kind, "found");
});
