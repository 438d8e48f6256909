// A container's cgroup as the agent finds, reads and writes it.
import assert from "node:assert/strict";
import { CpuSet } from "../../../src/cpu/cpu_set.ts";
import { Cri } from "../../../src/cri/cri.ts";
import { type CpusetHierarchy, readCpuset } from "../../../src/cgroup/read.ts";
import { type ContainerHints, cpusetHierarchy, findCgroup } from "../../../src/cgroup/hierarchy.ts";
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
const kernel = cpusetHierarchy("/sys/fs/cgroup");

function hierarchy(): CpusetHierarchy {
  assert(typeof kernel !== "string", `${kernel}`);
  return kernel;
}

/** What the runtime's record says of a container, and its pod's. */
async function hintsOf(node: TestNode, id: string): Promise<ContainerHints> {
  const cri = await Cri.connect([sockets(node.dir).cri]);
  try {
    const { pods, containers } = await cri.list();
    const container = containers.find((each) => each.id === id);
    assert(container !== undefined);
    const pod = pods.find((each) => each.id === container.podSandboxId);
    const { cgroupsPath = "" } = container.linux ?? {};
    return { id, pid: container.pid, cgroupsPath, cgroupParent: pod?.linux?.cgroupParent ?? "" };
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
      const hints = await hintsOf(node, container.id);
      assert.equal(hints.pid, container.pid, kind);
      const found = findCgroup(hierarchy(), hints);
      assert(found.kind === "found");
      assert.equal(hierarchy().root + found.path, cpusetDirectory(container.pid));
      const { id } = hints;
      const alone = { id, pid: 0, cgroupsPath: "", cgroupParent: "" };
      for (const part of ["pid", "cgroupsPath", "cgroupParent"] as const) {
        assert.deepEqual(findCgroup(hierarchy(), { ...alone, [part]: hints[part] }), found, `by its ${part}`);
      }

      for (const cpus of [all, last, all.slice(0, 1), all]) {
        const result = writeCpuset(hierarchy(), found.path, CpuSet.from(cpus));
        assert(result.kind === "done");
        assertRunsOn(container, cpus);
        const reading = readCpuset(hierarchy(), found.path);
        assert(reading.kind === "values" && reading.effective.equals(CpuSet.from(cpus)));
      }
      await node.end(container);
      assert.deepEqual(readCpuset(hierarchy(), found.path), { kind: "vanished" });
      assert.deepEqual(findCgroup(hierarchy(), hints), { kind: "vanished" });
    }
  },
);

onContainerd("a container that isn't started has no cgroup yet", async (node) => {
  const created = await node.create(shared());
  const hints = await hintsOf(node, created.id);
  assert.equal(hints.pid, 0);
  assert.deepEqual(findCgroup(hierarchy(), hints), { kind: "vanished" });
  await node.start(created);
  assert.equal(findCgroup(hierarchy(), hints).kind, "found");
});
