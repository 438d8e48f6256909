/**
 * Moments in which a container's set in the kernel may be another than the ledger says, although the agent writes the
 * kernel: somebody else has written it, and the agent is still to see that. Each is closed by what has to make it see.
 */
import type { CpuSet } from "../../src/cpu/cpu_set.ts";
import { hasStarted, isAlive } from "./records.ts";
import type { Placed, View } from "./view.ts";
import type { World } from "./world.ts";

/** Who or what has changed it, or kept the agent from doing so. */
export type Opening =
  /** Somebody. The next comparison finds it; without any it stays. */
  | "tampered"
  /** Nobody has told the agent of its start. The second comparison finds it; without any it stays. */
  | "missed"
  /** The runtime, with an update from before. PostUpdateContainer makes the agent look. */
  | "updated"
  /** Nobody was in charge. Whoever comes to be reads it, and puts it right with its next tick. */
  | "unwatched"
  /** It couldn't be put back, or nobody knew which CPUs there are. The next tick brings it about. */
  | "kept";

interface Window {
  readonly opening: Opening;
  /** What has to be told was told: the next tick closes it. */
  seen: boolean;
  /** Since when a comparison has been due. */
  since?: number;
  /** How many have come. */
  compared: number;
}

/** A comparison comes after at most this times its interval, and a tick. */
const JITTER = 1.1;

export class Windows {
  readonly #open = new Map<string, Window>();
  /** What containers were last known to have of their own, by an answer or since nobody waited for anything. */
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
    const before = this.#open.get(id)?.opening;
    // A comparison finds the rest as well.
    if (isCompared(before) && opening !== "unwatched") return;
    if (before !== opening) this.counts.set(opening, (this.counts.get(opening) ?? 0) + 1);
    const seen = opening === "kept" || opening === "unwatched";
    this.#open.set(id, { opening, seen, compared: 0 });
  }

  /** PostUpdateContainer of this container was told. */
  told(id: string): void {
    const window = this.#open.get(id);
    if (window?.opening === "updated") window.seen = true;
  }

  /**
   * From now on what the agent's books say is promised: by an answer to those to whom that has given something, else to
   * everybody; unless somebody is known who can't be made to leave.
   */
  promise(world: World, before?: View): void {
    const all = [...world.inCharge?.placed.values() ?? []];
    for (const { id, grant } of all) {
      // Of CPUs that were promised and not there yet some may be left; that makes them no more promised than they were.
      const was = before?.placed.get(id)?.grant;
      const isNew = was === undefined || !grant.isSubsetOf(was) || this.isPromised(id, was);
      const isHeld = all.some((other) =>
        other.stuck && other.id !== id && world.kernel.effective(other.id)?.intersects(grant)
      );
      if (before === undefined ? !isHeld : isNew) this.#promised.set(id, grant);
    }
  }

  /** What is another's by now was promised in vain. */
  forget({ placed }: View): void {
    for (const [id, grant] of this.#promised) {
      if (placed.get(id)?.grant.equals(grant) !== true) this.#promised.delete(id);
    }
  }

  /** It has had these CPUs for itself for a while, or was just promised them. */
  isPromised(id: string, grant: CpuSet): boolean {
    return this.#promised.get(id)?.equals(grant) === true;
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

/** Only a comparison finds it. */
function isCompared(opening: Opening | undefined): boolean {
  return opening === "tampered" || opening === "missed";
}

/** What the agent can read again, it puts right with its next tick. To be called after every step of the agent. */
export function openReadAgain({ windows, inCharge }: World, { placed }: View): void {
  const isRead = (kernel: Placed["kernel"]) => kernel !== undefined && kernel !== "at-start";
  for (const [id, { kernel }] of inCharge?.placed ?? []) {
    if (isRead(kernel) && placed.has(id) && !isRead(placed.get(id)?.kernel)) windows.open(id, "unwatched");
  }
}

/** Ends what is over: it is right again, or would have to be. To be called after every event. */
export function endWindows(world: World): void {
  const { windows, runtime, inCharge, owner } = world;
  if (world.scenario.mode !== "kernel") return;
  if (inCharge === undefined || world.groundIsOld) {
    // Between its hearing what runs and its being told of events (NRI 0.6) an agent hears what it hears.
    const isServing = owner?.agent.state.phase === "serving" && !owner.blind;
    const knows = inCharge !== undefined || (isServing && owner?.synced === true);
    for (const [id, container] of runtime.containers) {
      if (isAlive(container) && (!knows || world.groundIsOld)) windows.open(id, knows ? "kept" : "unwatched");
    }
    return;
  }
  windows.forget(inCharge);
  if (!world.isTickDue) windows.promise(world);
  // There is no CPU for it at all, and no set to say that with.
  for (const { id, wanted } of inCharge.placed.values()) if (wanted.isEmpty) windows.open(id, "kept");
  for (const id of windows.ids) {
    const placed = inCharge.placed.get(id);
    const container = runtime.containers.get(id);
    const knows = placed?.kernel === "at-start"
      ? container !== undefined && !hasStarted(container)
      : placed?.kernel?.equals(world.inForce(id)) === true;
    const right = placed !== undefined && knows && world.kernel.effective(id)?.equals(placed.wanted) === true;
    // Its start was let through before the agent was there; that it runs will be told.
    const unheard = placed?.kernel === "at-start" && container?.posted === false;
    const known = unheard || placed?.wanted.isEmpty || placed?.stuck === true || world.isHidden(id) ||
      world.isTickDue;
    if (container === undefined || !isAlive(container) || right) windows.close(id);
    else if (windows.isOver(id) && !known) windows.close(id);
  }
}
