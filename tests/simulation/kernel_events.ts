/** What happens in the kernel without anybody's asking the agent. */
import type { CpuSet } from "../../src/cpu/cpu_set.ts";
import { hasCgroup, isAlive } from "./records.ts";
import type { World } from "./world.ts";

/** Somebody writes a container's set. The agent doesn't read the kernel yet, so its repair isn't demanded. */
export function tamper({ runtime, kernel, excuses }: World, id: string, cpus: CpuSet): void {
  const container = runtime.containers.get(id);
  if (container === undefined || !hasCgroup(container) || cpus.isEmpty) return;
  if (kernel.write(id, cpus) === undefined) excuses.give(id, "tampered");
}

/** A CPU goes or comes back; the agent's host notices later. */
export function hotplug({ runtime, kernel, excuses }: World, cpu: number, on: boolean): void {
  const before = kernel.usable;
  kernel.hotplug(cpu, on);
  if (before.equals(kernel.usable)) return;
  for (const [id, container] of runtime.containers) {
    if (isAlive(container)) excuses.give(id, "hotplug");
  }
}
