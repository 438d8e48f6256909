/**
 * Moments in which a container's set in the kernel, or a class', may differ from the ledger, although the agent writes the
 * kernel: another program has written it, and the agent hasn't read that yet. Each is closed by what has to make it read.
 */
import { CpuSet } from "../../src/cpu/cpu_set.ts";
import { hasOwnSet, withinClass } from "./consistency.ts";
import { hasStarted, isAlive } from "./records.ts";
import { isServing, type Placed, type View } from "./view.ts";
import type { World } from "./world.ts";

/** What has changed it, or kept the agent from doing so. */
export type Opening =
  /** Another program. The next reconciliation finds it; without any it stays. */
  | "tampered"
  /** systemd, of a class without pods. The next pod's sandbox makes the agent read and write it before that runs. */
  | "emptied"
  /** Its start wasn't reported. The second reconciliation finds it; without any it stays. */
  | "missed"
  /** The runtime, with an update from before. PostUpdateContainer makes the agent read it. */
  | "updated"
  /** No agent was in charge. The next one reads it, and repairs it with its next tick. */
  | "unwatched"
  /** It couldn't be rolled back, or the topology was stale. The next tick repairs it. */
  | "kept";

interface Window {
  readonly opening: Opening;
  /** What has to be reported was: the next tick closes it. */
  seen: boolean;
  /** Since when a reconciliation has been due. */
  since?: number;
  /** How many have come. */
  compared: number;
}

/** A reconciliation comes after at most this times its interval, and a tick. */
const JITTER = 1.1;

export class Windows {
  readonly #open = new Map<string, Window>();
  /** What containers were last known to have of their own, by an answer or since nothing was pending. */
  readonly #promised = new Map<string, CpuSet>();
  /** How often each was opened. */
  readonly counts = new Map<Opening, number>();

  has(id: string): boolean {
    return this.#open.has(id);
  }

  get ids(): string[] {
    return [...this.#open.keys()];
  }

  opening(id: string): Opening | undefined {
    return this.#open.get(id)?.opening;
  }

  open(id: string, opening: Opening): void {
    const window = this.#open.get(id);
    const before = window?.opening;
    // A reconciliation finds the rest as well; a tick doesn't find what hasn't been reported. Of a class the last who has written
    // it counts: a comparison from before hasn't seen that systemd has emptied it since.
    const isOther = (before === "emptied" && opening === "tampered") ||
      (before === "tampered" && opening === "emptied");
    if (isCompared(before) && opening !== "unwatched" && !isOther) return;
    if (before === "updated" && window?.seen === false && opening === "kept") return;
    if (before !== opening) this.counts.set(opening, (this.counts.get(opening) ?? 0) + 1);
    const seen = opening === "kept" || opening === "unwatched";
    this.#open.set(id, { opening, seen, compared: 0 });
  }

  /** PostUpdateContainer of this container was sent. */
  reported(id: string): void {
    const window = this.#open.get(id);
    if (window?.opening === "updated") window.seen = true;
  }

  /** A pod's sandbox is about to run in this class: what is narrowed is written by now, the rest with the next tick. */
  ranPod(path: string): void {
    const window = this.#open.get(path);
    if (window?.opening === "emptied") this.#open.delete(path);
    if (window?.opening === "tampered") window.seen = true;
  }

  /**
   * From now on what the agent's ledger grants is promised: by an answer to containers to which that has given CPUs, else
   * to all; unless a write failure is known that keeps another on them. What a set that others have left has grown by is its
   * own once it is written, with the tick that is due.
   */
  promise(world: World, before?: View, subject?: string): void {
    const { placed, groups } = world.inCharge ?? {};
    const failed = [...placed ?? [], ...groups ?? []].flatMap(([id, { hasWriteFailure }]) =>
      hasWriteFailure ? [id] : []
    );
    for (const { id, grant, record } of placed?.values() ?? []) {
      // A grant that only shrinks is no more promised than it was.
      const was = before?.placed.get(id)?.grant;
      const isNew = was === undefined || !grant.isSubsetOf(was) || this.isPromised(id, was);
      const isGrowth = id !== subject && was?.isEmpty === false && was.isSubsetOf(grant);
      const isHeld = failed.some((other) => other !== id && world.kernel.effective(other)?.intersects(grant));
      // It was found out on the way that it has to go there, and it isn't sent that yet.
      const isWaiting = isHeld && id !== subject && record?.equals(grant) !== true;
      const isGiven = before === undefined ? !isHeld : isNew && !isGrowth && !isWaiting;
      if (isGiven) this.#promised.set(id, grant);
    }
  }

  /** What is another's by now isn't promised any more. */
  forget({ placed }: View): void {
    for (const [id, cpus] of this.#promised) {
      const left = placed.get(id)?.grant.intersection(cpus) ?? CpuSet.empty;
      if (left.isEmpty) this.#promised.delete(id);
      else this.#promised.set(id, left);
    }
  }

  /** What of a grant it has had for itself for a while, or was just promised. */
  promised(id: string, grant: CpuSet): CpuSet {
    return this.#promised.get(id)?.intersection(grant) ?? CpuSet.empty;
  }

  /** The same of all of it. */
  isPromised(id: string, grant: CpuSet): boolean {
    return this.promised(id, grant).equals(grant);
  }

  close(id: string): void {
    this.#open.delete(id);
  }

  /** The agent has had a tick. */
  ticked(world: World): void {
    const { now, scenario: { reconcileEvery } } = world;
    for (const [id, window] of this.#open) {
      if (world.isHidden(id)) {
        delete window.since;
        window.compared = 0;
      } else if (isCompared(window.opening) && !window.seen && reconcileEvery > 0) {
        window.since ??= now;
        if (now - window.since < JITTER * reconcileEvery) continue;
        window.since = now;
        window.seen = ++window.compared >= (window.opening === "missed" ? 2 : 1);
        if (!window.seen) continue;
      }
      if (window.seen) this.#open.set(id, { ...window, since: -Infinity });
    }
  }

  /** Whether what has to close it has been. */
  isOver(id: string): boolean {
    const window = this.#open.get(id);
    return window?.seen === true && window.since === -Infinity;
  }
}

/** Only a reconciliation finds it. */
function isCompared(opening: Opening | undefined): boolean {
  return opening === "tampered" || opening === "missed" || opening === "emptied";
}

/** What the agent can read again, it repairs with its next tick. To be called after every step of the agent. */
export function openReadAgain({ windows, inCharge }: World, { placed }: View): void {
  const isRead = (kernel: Placed["kernel"]) => kernel !== undefined && kernel !== "at-start";
  for (const [id, { kernel }] of inCharge?.placed ?? []) {
    if (isRead(kernel) && placed.has(id) && !isRead(placed.get(id)?.kernel)) windows.open(id, "unwatched");
  }
}

/** What is in a class that couldn't be kept off claimed CPUs, and is no fence any more, is written with the next tick. */
export function openUnfenced({ windows, kernel, inCharge }: World, { groups }: View): void {
  for (const [path, { isFence, mayRunOn, desired }] of groups) {
    const isGivenUp = isFence && inCharge?.groups.get(path)?.isFence === false;
    if (!isGivenUp || mayRunOn.isSubsetOf(desired)) continue;
    for (const id of kernel.all.keys()) if (kernel.classOf(id) === path) windows.open(id, "kept");
  }
}

/** Closes those whose set is as desired, or has to be by now. To be called after every event. */
export function endWindows(world: World): void {
  const { windows, runtime, inCharge, owner } = world;
  if (world.scenario.mode !== "kernel") return;
  if (inCharge === undefined || world.isTopologyStale) {
    // Between Synchronize and the first event (NRI 0.6) an agent knows what was listed.
    const knows = inCharge !== undefined ||
      (owner !== undefined && isServing(owner.agent) && !owner.blind && owner.synced);
    for (const [id, container] of runtime.containers) {
      if (isAlive(container) && (!knows || world.isTopologyStale)) {
        windows.open(id, knows ? "kept" : "unwatched");
      }
    }
    for (const path of world.kernel.classes) windows.open(path, knows ? "kept" : "unwatched");
    return;
  }
  windows.forget(inCharge);
  if (!world.isTickDue) windows.promise(world);
  // There is no CPU for it at all, and no set that expresses that.
  for (const [id, { desired }] of [...inCharge.placed, ...inCharge.groups]) {
    if (desired.isEmpty) windows.open(id, "kept");
  }
  endOfClasses(world, inCharge);
  for (const id of windows.ids) {
    if (world.kernel.classes.includes(id)) continue;
    const placed = inCharge.placed.get(id);
    const container = runtime.containers.get(id);
    const knows = placed?.kernel === "at-start"
      ? container !== undefined && !hasStarted(container)
      : placed?.kernel?.equals(world.inForce(id)) === true;
    // One that has nothing in common with its class is to be written, wherever it lets its container run.
    const isDesired = placed !== undefined && knows && !world.isVoid(id) && hasOwnSet(world, placed) &&
      !world.kernel.isLimitVoid(id) &&
      world.kernel.effective(id)?.equals(withinClass(world, placed)) === true;
    // Its start was let through before the agent was there; that it runs will be reported.
    const willBeReported = placed?.kernel === "at-start" && container?.posted === false;
    const known = willBeReported || placed?.desired.isEmpty || placed?.hasWriteFailure === true ||
      world.isHidden(id) ||
      world.isTickDue;
    // What has brought back a set before it ended is never reported; what it leaves behind is compared.
    if (runtime.isLeft(id)) windows.open(id, "tampered");
    else if (container === undefined || !isAlive(container) || isDesired) windows.close(id);
    else if (windows.isOver(id) && !known) {
      const isCompared = windows.opening(id) === "tampered";
      windows.close(id);
      // It shows only once its class has more CPUs: a comparison finds it then, also where it has them since this very event.
      const isUnseen = placed !== undefined && !world.isVoid(id) && !hasOwnSet(world, placed);
      const isSeen = !isCompared && world.kernel.limit(id) !== undefined && world.isVoid(id);
      if (isUnseen || isSeen || world.kernel.isLimitVoid(id)) windows.open(id, "tampered");
    }
  }
}

/** The same of classes; one that the agent doesn't know has none, unless another program has written it. */
function endOfClasses(world: World, { groups }: View): void {
  const { windows, kernel } = world;
  for (const path of kernel.classes) {
    const group = groups.get(path);
    if (group === undefined) {
      if (windows.opening(path) !== "tampered") windows.close(path);
      continue;
    }
    const isDesired = group.mayRunOn.equals(world.inForce(path)) && group.mayRunOn.equals(group.desired);
    const known = group.desired.isEmpty || group.hasWriteFailure || world.isHidden(path) || world.isTickDue;
    // One that can't be a fence any more is widened once all in it have sets of their own.
    if (!group.isFence && !isDesired) windows.open(path, "kept");
    // Another program has widened it before it could be: the tick that is due writes all that is in it.
    if (!group.isFence && isDesired && windows.opening(path) === "tampered" && world.isTickDue) {
      for (const id of kernel.all.keys()) if (kernel.classOf(id) === path) windows.open(id, "kept");
    }
    if (isDesired || (windows.isOver(path) && !known)) windows.close(path);
  }
}
