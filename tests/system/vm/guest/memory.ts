import assert from "node:assert/strict";
import { cpuset, numbers } from "../../node/machine.ts";
import { exclusive, pinned } from "../../node/pods.ts";
import { nodeOf } from "./kernel.ts";
import type { Scene } from "./scene.ts";
import type { Check } from "./story.ts";

const NODES = "/sys/devices/system/node";
const PAGES = "hugepages/hugepages-2048kB/nr_hugepages";

/** Node 2 has memory and no CPU, and is nearer to node 1 than to node 0. */
export async function memory(scene: Scene, check: Check): Promise<void> {
  await check("memory beside no CPU is a pinned pod's whose node is the nearest to it", async () => {
    assert.deepEqual(numbers(Deno.readTextFileSync(`${NODES}/has_memory`)), [0, 1, 2]);
    assert.deepEqual(numbers(Deno.readTextFileSync(`${NODES}/has_cpu`)), [0, 1]);
    await scene.prepare({ near: pinned("10-11"), far: pinned("2-3") });
    for (const [name, nodes] of [["near", [1, 2]], ["far", [0]]] as const) {
      await scene.claim(name);
      const { pid } = scene.the(name);
      assert.deepEqual(cpuset(pid).mems, nodes);
      assert.deepEqual(allowedNodes(pid), nodes);
      await scene.end(name);
    }
    await scene.settles();
  });

  await check("a claim goes where its huge pages are, and a pinned pod without any is warned", async () => {
    assert.match(Deno.readTextFileSync("/sys/fs/cgroup/cgroup.controllers"), /\bhugetlb\b/);
    await scene.prepare({ plain: exclusive(2), huge: { ...exclusive(2), hugePages: 16 } });
    await scene.claim("plain");
    const home = nodeOf(scene.of("plain")[0] ?? -1);
    const other = home === "node0" ? "node1" : "node0";
    reserve(other, 8);
    await scene.claim("huge");
    assert.deepEqual(scene.of("huge").map(nodeOf), [other, other]);
    const said = scene.agent.lines.length;
    await scene.prepare({ without: { ...pinned(home === "node0" ? "2" : "10"), hugePages: 16 } });
    await scene.end("plain");
    await scene.claim("without");
    const where = `but 0 MiB are free .*\\(NUMA node ${home.slice(-1)}\\); NUMA node ${other.slice(-1)} has`;
    await scene.agent.says(new RegExp(`may use 16 MiB in huge pages of 2048 kB, ${where}`), said);
    for (const name of ["huge", "without"]) await scene.end(name);
    reserve(other, 0);
    await scene.settles();
  });
}

function reserve(node: string, pages: number): void {
  Deno.writeTextFileSync(`${NODES}/${node}/${PAGES}`, `${pages}`);
  assert.equal(Number(Deno.readTextFileSync(`${NODES}/${node}/${PAGES}`)), pages, `huge pages of ${node}`);
}

/** From which nodes the kernel may give a process memory. */
function allowedNodes(pid: number): number[] {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  return numbers(/^Mems_allowed_list:\s*(\S+)$/m.exec(status)?.[1] ?? "");
}
