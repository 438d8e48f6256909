/** Lets one event happen, on whatever part of the node it is about. */
import { applyNext, playAgentEvent } from "./agent_events.ts";
import type { ContainerEvent, SimEvent } from "./events.ts";
import { playCgroupEvent, playTreeEvent } from "./kernel_events.ts";
import { bringToRest } from "./rest.ts";
import { passTime, tickAll } from "./time.ts";
import type { World } from "./world.ts";

export function playEvent(world: World, event: SimEvent): void {
  const { runtime } = world;
  switch (event.kind) {
    case "pod":
      return runtime.runPod(event.pod, event.spec);
    case "create":
      return runtime.create(event.pod, event.slot, event.id);
    case "stopPod":
    case "removePod": {
      const pod = runtime.pods.get(event.pod);
      return pod && runtime[event.kind](pod);
    }
    case "update": {
      const container = runtime.containers.get(event.id);
      return container && void runtime.update(container, event.resources);
    }
    case "podUpdate": {
      const pod = runtime.pods.get(event.pod);
      return pod && runtime.resizePod(pod, event.limit);
    }
    case "fault":
      runtime.updates.faults.push({ left: event.after, effect: event.effect });
      return;
    case "apply":
      return applyNext(world, event.sequence, event.reachable);
    case "tick":
      passTime(world, event.ms);
      return tickAll(world);
    case "tamper":
    case "classTampered":
    case "hold":
    case "pin":
    case "hotplug":
    case "narrowed":
    case "partitioned":
    case "podNarrowed":
    case "late":
    case "keeps":
    case "overwrite":
    case "treeGone":
    case "treeBack":
      return playTreeEvent(world, event);
    case "quiet":
      return world.report(bringToRest(world));
    default:
      return "id" in event ? playOfContainer(world, event) : playAgentEvent(world, event);
  }
}

function playOfContainer(world: World, { kind, id }: ContainerEvent): void {
  const { runtime } = world;
  if (kind === "release" || kind === "hide" || kind === "show") return playCgroupEvent(world, kind, id);
  if (kind === "reap") return runtime.reap(id);
  const container = runtime.containers.get(id);
  if (container === undefined) return;
  switch (kind) {
    case "runc":
    case "runcFails":
      return runtime.runc(container, kind === "runcFails");
    case "updated":
      runtime.updated(container);
      return world.inCharge && world.windows.reported(id);
    default:
      return runtime[kind](container);
  }
}
