// What this machine's kernel says, and is told, beyond tests/system/node/machine.ts: cgroup v2 and CPUs that come and go.
import assert from "node:assert/strict";
import { eventually } from "../../node/eventually.ts";
import { allowedCpus, cpusetDirectory, numbers } from "../../node/machine.ts";
import type { Running } from "../../node/node.ts";

const CPUS = "/sys/devices/system/cpu";

/** A file of the container's cgroup, as it is. */
export function cpusetFile({ pid }: Running, name: string): string {
  return Deno.readTextFileSync(`${cpusetDirectory(pid)}/${name}`).trim();
}

/** The container's process may run on exactly `cpus`, and its cgroup has them in force. */
export function assertHas(container: Running, cpus: readonly number[], name = "the container"): void {
  assert.deepEqual(allowedCpus(container.pid), cpus, `Cpus_allowed_list of ${name}`);
  const effective = numbers(cpusetFile(container, "cpuset.cpus.effective"));
  assert.deepEqual(effective, cpus, `cpuset.cpus.effective of ${name}`);
}

/** `count` CPUs: whole cores, all of one node. */
export function assertWhole(cpus: readonly number[], count: number): void {
  assert.equal(cpus.length, count);
  assert.deepEqual([...new Set(cpus.flatMap(coreOf))].sort((a, b) => a - b), cpus, "whole cores");
  assert.equal(new Set(cpus.map(nodeOf)).size, 1, `of one node: ${cpus}`);
}

/** Switches a CPU off, and waits until the kernel has taken it from everybody. */
export async function unplug(cpu: number): Promise<void> {
  Deno.writeTextFileSync(`${CPUS}/cpu${cpu}/online`, "0");
  await eventually(() => assert(!inForce().includes(cpu), `CPU ${cpu} is still in force`));
}

/** Switches a CPU on again. */
export async function plug(cpu: number): Promise<void> {
  Deno.writeTextFileSync(`${CPUS}/cpu${cpu}/online`, "1");
  await eventually(() => assert(inForce().includes(cpu), `CPU ${cpu} isn't in force yet`));
}

/** Switches all CPUs on again: the next story is to find the machine whole. */
export async function plugAll(): Promise<void> {
  for (const { name } of Deno.readDirSync(CPUS)) {
    const cpu = Number(/^cpu(\d+)$/.exec(name)?.[1] ?? 0);
    if (cpu > 0 && !inForce().includes(cpu)) await plug(cpu);
  }
}

/** What the root cgroup has; the kernel follows a CPU that comes or goes a little later. */
function inForce(): number[] {
  return numbers(Deno.readTextFileSync("/sys/fs/cgroup/cpuset.cpus.effective"));
}

/** The threads of the core that `cpu` is one of. */
export function coreOf(cpu: number): number[] {
  return numbers(Deno.readTextFileSync(`${CPUS}/cpu${cpu}/topology/thread_siblings_list`));
}

/** The NUMA node of `cpu`. */
export function nodeOf(cpu: number): string {
  const link = [...Deno.readDirSync(`${CPUS}/cpu${cpu}`)].find(({ name }) => /^node\d+$/.test(name));
  return link?.name ?? "none";
}
