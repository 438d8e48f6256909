import assert from "node:assert/strict";
import { CriError } from "./cri.ts";
import { eventually } from "./eventually.ts";
import { allowedCpus, cpuset, cpusetDirectory } from "./machine.ts";
import type { Running, TestNode } from "./node.ts";
import type { Pod } from "./pods.ts";

/** The container's process says that it may run on exactly `cpus`, and so does its cgroup. */
export function assertRunsOn({ pid }: Running, cpus: readonly number[]): void {
  assert.deepEqual(allowedCpus(pid), cpus, "Cpus_allowed_list of the process");
  assert.deepEqual(cpuset(pid).cpus, cpus, "cpuset.cpus of its cgroup");
}

/** The same, soon: what happens to one container may reach the others a little later. */
export async function comesToRunOn(container: Running, cpus: readonly number[]): Promise<void> {
  await eventually(() => assertRunsOn(container, cpus));
}

/** The pod's container is refused at its creation, and what the pod's owner reads matches `message`. */
export async function assertRefused(node: TestNode, pod: Pod, message: RegExp): Promise<void> {
  await assert.rejects(node.run(pod), (error) => {
    assert(error instanceof CriError, `${error}`);
    assert.equal(error.call, "CreateContainer");
    assert.match(error.message, /cpuset: pod default\/p\d+ container main: /);
    assert.match(error.message, message);
    return true;
  });
}

/**
 * The pod gets none of `cpus`: it runs on others, or is refused where there are none or while the agent doesn't know
 * what runs. It is ended again.
 */
export async function assertKeepsOff(node: TestNode, pod: Pod, cpus: readonly number[]): Promise<void> {
  const container = await node.run(pod).catch((error) => {
    assert(error instanceof CriError, `${error}`);
    assert.match(
      error.message,
      /cpuset: pod \S+ container main: (insufficient CPUs: needs \d+ exclusive CPU|not synchronized)/,
    );
  });
  if (container === undefined) return;
  assert.deepEqual(allowedCpus(container.pid).filter((cpu) => cpus.includes(cpu)), []);
  await node.end(container);
}

/** Does `action`, and resolves with the cpuset files of `containers` that were written meanwhile, changed or not. */
export async function writesDuring(
  node: TestNode,
  containers: readonly Running[],
  action: () => Promise<void>,
): Promise<string[]> {
  // Events come in order, so when that of the mark is there, the others are too.
  const mark = `${node.dir}/mark`;
  Deno.writeTextFileSync(mark, "");
  using watcher = Deno.watchFs([mark, ...containers.map(({ pid }) => cpusetDirectory(pid))], {
    recursive: false,
  });
  await action();
  Deno.writeTextFileSync(mark, "done");
  const written: string[] = [];
  for await (const { kind, paths } of watcher) {
    if (kind !== "modify") continue;
    if (paths.includes(mark)) break;
    written.push(...paths.filter((path) => path.includes("/cpuset.")));
  }
  return written;
}
