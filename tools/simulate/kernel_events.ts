/** What happens in the cgroup tree that the agent hasn't caused. */
import type { CpuSet } from "../../src/cpu/cpu_set.ts";
import { setOf } from "./cpus.ts";
import type { ContainerKind, TreeEvent } from "./events.ts";
import { hasCgroup, isAlive, isInItsCgroup, uidOf } from "./records.ts";
import { isFenced } from "./scenario.ts";
import type { World } from "./world.ts";

export function playTreeEvent(world: World, event: TreeEvent): void {
  const { tree, kernel, scenario } = world;
  switch (event.kind) {
    case "tamper":
      return tamper(world, event.id, setOf(event.cpus));
    case "classTampered":
      return tamperWithClass(world, event.id, setOf(event.cpus));
    case "hold":
      return kernel.hold(event.id, setOf(event.cpus));
    case "pin":
      return pinThread(world, event.id, setOf(event.cpus));
    case "hotplug":
      return changeMachine(world, () => kernel.hotplug(event.cpu, event.on));
    case "podNarrowed":
      return narrowPod(world, event.id, setOf(event.cpus));
    case "narrowed":
    case "partitioned":
      return narrow(world, event.kind, setOf(event.cpus));
    default:
      if (scenario.mode === "blind") return;
  }
  switch (event.kind) {
    case "late":
      tree.deadlineAfter = event.after;
      return;
    case "keeps":
      tree.keepsNext = true;
      return;
    case "overwrite":
      tree.overwrittenWith = setOf(event.cpus);
      return;
    case "treeGone":
    case "treeBack":
      tree.isGone = event.kind === "treeGone";
  }
}

/** What the cgroup of a container or a class lets be seen, and holds. */
export function playCgroupEvent({ tree, kernel, scenario }: World, kind: ContainerKind, id: string): void {
  if (kernel.written(id) === undefined) return;
  if (kind === "release") kernel.hold(id, setOf(""));
  else if (kind === "show") tree.unreadable.delete(id);
  else if (kind === "hide" && scenario.mode !== "blind") tree.unreadable.add(id);
}

/** Another program writes a container's set. */
function tamper({ runtime, kernel, exemptions, windows }: World, id: string, cpus: CpuSet): void {
  const container = runtime.containers.get(id);
  if (container === undefined || !hasCgroup(container) || cpus.isEmpty) return;
  if (kernel.write(id, cpus) !== undefined) return;
  windows.open(id, "tampered");
  exemptions.give(id, "tampered");
}

/** Another program narrows the cgroup of a pod whose containers have CPUs of their own, until one has none any more. */
function narrowPod(world: World, id: string, cpus: CpuSet): void {
  const { runtime, kernel, scenario } = world;
  const container = runtime.containers.get(id);
  if (
    scenario.mode !== "kernel" || kernel.version === 1 || container === undefined || !hasCgroup(container)
  ) return;
  const pod = uidOf(container.pod);
  if (!cpus.isEmpty && !haveGrants(world, pod)) return;
  limitPod(world, pod, cpus);
}

function limitPod({ kernel, windows, exemptions }: World, pod: string, cpus: CpuSet): void {
  kernel.limitPod(pod, cpus);
  for (const id of kernel.inPod(pod)) {
    // A comparison from before hasn't seen what is in force now.
    windows.close(id);
    windows.open(id, "tampered");
    exemptions.give(id, "tampered");
  }
}

/** Whether all containers of a pod that have a cgroup have CPUs of their own. */
function haveGrants({ kernel, inCharge }: World, pod: string): boolean {
  return kernel.inPod(pod).every((id) => inCharge?.placed.get(id)?.grant.isEmpty === false);
}

/** What lives in the shared pool isn't limited any more, nor is a pod that has ended. */
export function endLimits(world: World): void {
  const { kernel, inCharge, runtime } = world;
  const living = new Set([...runtime.pods.values()].filter(({ stopped }) => !stopped).map(uidOf));
  for (const pod of inCharge === undefined ? [] : kernel.limited) {
    if (!living.has(pod) || !haveGrants(world, pod)) limitPod(world, pod, setOf(""));
  }
}

/** What runs in a container, once it does, may do so to itself. */
function pinThread({ runtime, kernel }: World, id: string, cpus: CpuSet): void {
  const container = runtime.containers.get(id);
  if (container !== undefined && isInItsCgroup(container)) kernel.masks.pin(id, cpus);
}

/** Another program writes a class' set, where the agent writes it too. */
function tamperWithClass({ kernel, windows, attendance, scenario }: World, id: string, cpus: CpuSet): void {
  if (!isFenced(scenario) || !kernel.classes.includes(id) || cpus.isEmpty) return;
  if (kernel.write(id, cpus) !== undefined) return;
  attendance.reopened(id);
  windows.open(id, "tampered");
}

/**
 * In cgroup v1 a container made meanwhile has what kubepods had then; once that is wide again only who writes sets gives it
 * more, since its record names none.
 */
function narrow(world: World, kind: "narrowed" | "partitioned", cpus: CpuSet): void {
  const { kernel, scenario: { mode } } = world;
  if (cpus.isEmpty && kernel.version === 1 && mode !== "kernel") return;
  changeMachine(world, () => kind === "narrowed" ? kernel.narrow(cpus) : kernel.take(cpus));
}

/**
 * Containers can have other CPUs than before; the agent's host notices later. In cgroup v1 their sets have lost some for good: if
 * these are back before that, only a comparison shows it.
 */
function changeMachine({ runtime, kernel, exemptions, windows, scenario }: World, change: () => void): void {
  const before = kernel.usable;
  const sets = new Map([...runtime.containers.keys()].map((id) => [id, kernel.written(id)]));
  change();
  if (before.equals(kernel.usable)) return;
  for (const [id, set] of kernel.version === 1 && scenario.mode === "kernel" ? sets : []) {
    if (set?.equals(kernel.written(id) ?? set) === false) windows.open(id, "tampered");
  }
  for (const [id, container] of runtime.containers) {
    if (isAlive(container)) exemptions.give(id, "hotplug");
  }
}
