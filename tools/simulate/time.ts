/** Time, and the ticks that come with it. */
import type { World } from "./world.ts";

/** Ticks that an agent may ask for in one moment. It does a part of its work in each; this is more than it ever has. */
const MAX_AT_ONCE = 300;

/** Time passes: ticks that were asked for come when they are due. */
export function passTime(world: World, ms: number): void {
  const end = world.now + ms;
  for (let ticks = 0; wakeNext(world, end); ticks++) {
    if (ticks > MAX_AT_ONCE) return world.report("the agent asks for one tick after the other");
  }
  setTime(world, end);
}

/** A regular tick for all instances. */
export function tickAll(world: World): void {
  for (const each of world.instances) if (!each.dead) each.tick(world.now);
  ticked(world);
}

/** The next tick that was asked for, if it is due by `end`; time passes until then. */
export function wakeNext(world: World, end = Infinity): boolean {
  const due = (at: number | undefined) => at ?? Infinity;
  const [next] = world.instances.toSorted((a, b) => due(a.nextWake) - due(b.nextWake));
  if (next?.nextWake === undefined || next.nextWake > end) return false;
  setTime(world, Math.max(world.now, next.nextWake));
  next.tick(world.now);
  if (next === world.owner) ticked(world);
  return true;
}

function setTime(world: World, now: number): void {
  world.now = world.runtime.conversation.now = now;
}

function ticked(world: World): void {
  if (world.inCharge !== undefined) world.windows.ticked(world);
}
