/**
 * What an agent leaves behind: the classes that it has fenced, and the exclusive CPUs that it has promised. As long as no
 * agent decides, the kernel alone keeps containers of such a class off these.
 */
import type { CpuSet } from "../../src/cpu/cpu_set.ts";
import { type Container, hasStarted } from "./records.ts";
import { isPassive, isServing } from "./view.ts";
import type { World } from "./world.ts";

interface Left {
  /** Paths of classes that were fences, whose sets nobody else had written. */
  readonly classes: ReadonlySet<string>;
  /** Promised exclusive CPUs, by container. */
  readonly exclusive: ReadonlyMap<string, CpuSet>;
  /** Containers that had started by then. */
  readonly started: ReadonlySet<string>;
}

/** Sets of a class that are remembered. */
const MAX_WRITTEN = 4;

export class Attendance {
  #left: Left | undefined;
  /** Classes that others have written, or systemd has emptied, since. */
  readonly #reopened = new Set<string>();
  /** What the agent has written, by class, the latest last. */
  readonly #written = new Map<string, readonly CpuSet[]>();

  /** The agent has written a class' set. */
  wrote(path: string, cpus: CpuSet): void {
    this.#written.set(path, [...this.writtenTo(path), cpus].slice(-MAX_WRITTEN));
  }

  writtenTo(path: string): readonly CpuSet[] {
    return this.#written.get(path) ?? [];
  }

  /** The class' set isn't the agent's any more. */
  reopened(path: string): void {
    this.#reopened.add(path);
  }

  /** Remembers what the agent would leave behind now. To be called after every event. */
  note(world: World): void {
    const { inCharge, windows, owner } = world;
    if (inCharge === undefined) {
      // It decides, and what it is about to do isn't known; or it gives all back.
      if (owner !== undefined && (isServing(owner.agent) || isPassive(owner.agent))) this.#left = undefined;
      return;
    }
    this.#reopened.clear();
    const classes = [...inCharge.groups].filter(([path, { isFence, hasWriteFailure }]) =>
      isFence && !hasWriteFailure && !windows.has(path) && !world.isHidden(path)
    );
    const exclusive = [...inCharge.placed].flatMap(([id, { claim, grant }]) => {
      const cpus = windows.promised(id, grant);
      return claim.kind === "exclusive" && !cpus.isEmpty ? [[id, cpus] as const] : [];
    });
    const started = [...world.runtime.containers.values()].filter(hasStarted);
    this.#left = {
      classes: new Set(classes.map(([path]) => path)),
      exclusive: new Map(exclusive),
      started: new Set(started.map(({ id }) => id)),
    };
  }

  /** What is wrong with where containers run that have started since no agent decides. */
  problem(world: World): string | undefined {
    const left = this.#left;
    const { owner, runtime, kernel } = world;
    if (left === undefined || (owner !== undefined && isServing(owner.agent))) return undefined;
    const isNew = (container: Container) => hasStarted(container) && !left.started.has(container.id);
    for (const container of runtime.containers.values()) {
      const path = runtime.classOf(container.pod);
      const isKept = path !== undefined && left.classes.has(path) && !this.#reopened.has(path);
      if (!isKept || !isNew(container) || isVoid(world, path)) continue;
      const runs = kernel.effective(container.id);
      for (const [id, grant] of left.exclusive) {
        const owner = runtime.containers.get(id);
        const own = owner !== undefined && hasStarted(owner)
          ? kernel.effective(id)?.intersection(grant)
          : undefined;
        if (own !== undefined && runs?.intersects(own)) {
          return `${container.id} runs on ${runs}, ${id} on ${own}`;
        }
      }
    }
    return undefined;
  }
}

/** All CPUs of the class are offline: then it has those of the cgroup above it. */
export function isVoid({ kernel }: World, path: string): boolean {
  const written = kernel.written(path);
  return written !== undefined && !written.isEmpty && !written.intersects(kernel.usable);
}
