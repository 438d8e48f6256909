import { CgroupDirectory } from "./directory.ts";
import type { CgroupHints, ContainerRef } from "../ledger/claim.ts";
import type { Errno } from "../platform/errno.ts";
import { readerOf } from "../platform/sysfs.ts";

/** More than containers on a node. Each file takes a descriptor, and the kernel a page for what was read. */
const MAX_CGROUPS = 1024;
/** Descriptors that a container takes: two directories and a file each in cgroup v1, one and three files in v2. */
const DESCRIPTORS = 4;
/** Milliseconds. All cgroups of living containers are read every ten seconds. */
const UNUSED_MS = 60_000;
/** Milliseconds between two looks for unused ones. */
const LOOK_MS = 20_000;

interface Kept {
  readonly directory: CgroupDirectory;
  /** By the clock of {@link KeptCgroups.closeUnused}. */
  usedMs: number;
  /** Of the container in the places. */
  id?: string;
}

/** Where a container has been found, and by which hints. */
interface Place {
  readonly cgroup: CgroupHints | undefined;
  readonly path: string;
}

type Container = Pick<ContainerRef, "id" | "cgroup">;

/**
 * Cgroups that stay open, with those files of them that are read again and again: finding and opening them takes most of the
 * time of that. Beyond the bound cgroups are opened anew each time, which is slower and
 * otherwise the same. It doesn't keep the kernel from freeing a cgroup that is removed.
 */
export class KeptCgroups {
  readonly #cgroups = new Map<string, Kept>();
  /** Where containers have been found, as long as their cgroups are kept. */
  readonly #places = new Map<string, Place>();
  #nowMs = 0;
  #lookedMs = 0;
  #closed = 0;

  /**
   * @param root of the hierarchy, see {@link CgroupDirectory.open}
   * @param files those that are kept open
   * @param isWritten they are written too
   */
  constructor(
    private readonly root: string,
    private readonly files: readonly string[],
    private readonly isWritten: boolean,
    private readonly limit: number = maxCgroups(),
  ) {}

  /** How many are open. */
  get size(): number {
    return this.#cgroups.size;
  }

  /** The cgroup that is at `path` now: one that was removed, and made anew, is opened anew. */
  open(path: string): CgroupDirectory | Errno {
    const kept = this.#alive(path);
    if (kept !== undefined) return kept.directory;
    const opened = CgroupDirectory.open(this.root, path);
    if (opened.kind === "errno" || this.size >= this.limit) return opened;
    if (opened.keep(this.files, this.isWritten) === undefined) {
      this.#cgroups.set(path, { directory: opened, usedMs: this.#nowMs });
    }
    return opened;
  }

  /** Where a container was found by the same hints, if its cgroup is kept and has not been removed since. */
  placeOf(container: Container): string | undefined {
    const path = this.#pathOf(container);
    return path !== undefined && this.#alive(path) !== undefined ? path : undefined;
  }

  /** The cgroup where a container was found by the same hints, if it is kept. As reading it shows, it may have been removed since. */
  foundAt(container: Container): CgroupDirectory | undefined {
    const path = this.#pathOf(container);
    return path === undefined ? undefined : this.keptAt(path);
  }

  /** The cgroup that was at `path`, likewise. */
  keptAt(path: string): CgroupDirectory | undefined {
    const kept = this.#cgroups.get(path);
    if (kept !== undefined) kept.usedMs = this.#nowMs;
    return kept?.directory;
  }

  /** By the clock of {@link closeUnused}, when that was called last. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** Counts those at these paths as used. */
  use(paths: readonly string[]): void {
    for (const path of paths) this.keptAt(path);
  }

  /** How many have been closed: as long as it is the same, what was open is. */
  get closed(): number {
    return this.#closed;
  }

  /** Remembers where a container was found, if there is room. */
  place({ id, cgroup }: Container, path: string): void {
    const opened = this.open(path);
    if (opened.kind === "errno") return;
    using _ = opened;
    const kept = this.#cgroups.get(path);
    if (kept === undefined) return;
    if (kept.id !== undefined) this.#places.delete(kept.id);
    kept.id = id;
    this.#places.set(id, { cgroup, path });
  }

  /** Closes those that haven't been used for a minute: mostly of containers that have ended. To be called often. */
  closeUnused(nowMs: number): void {
    this.#nowMs = nowMs;
    if (nowMs - this.#lookedMs < LOOK_MS) return;
    this.#lookedMs = nowMs;
    for (const [path, { usedMs }] of this.#cgroups) if (nowMs - usedMs > UNUSED_MS) this.#close(path);
  }

  /** Closes all of them; they are opened again when they are used. */
  close(): void {
    for (const path of [...this.#cgroups.keys()]) this.#close(path);
  }

  #alive(path: string): Kept | undefined {
    const kept = this.#cgroups.get(path);
    if (kept === undefined) return undefined;
    if (!kept.directory.isAlive) return this.#close(path);
    kept.usedMs = this.#nowMs;
    return kept;
  }

  #close(path: string): undefined {
    const kept = this.#cgroups.get(path);
    this.#closed++;
    this.#cgroups.delete(path);
    // The container may be found elsewhere by now.
    if (kept?.id !== undefined && this.#places.get(kept.id)?.path === path) this.#places.delete(kept.id);
    kept?.directory.close();
  }

  #pathOf({ id, cgroup }: Container): string | undefined {
    const place = this.#places.get(id);
    return place !== undefined && isSame(place.cgroup, cgroup) ? place.path : undefined;
  }
}

function isSame(one: CgroupHints | undefined, other: CgroupHints | undefined): boolean {
  return one === other ||
    (one?.pid === other?.pid && one?.path === other?.path && one?.parent === other?.parent);
}

/** How many descriptors they take at most, in all trees. */
export function mostDescriptors(): number {
  return maxCgroups() * DESCRIPTORS;
}

/** So that they take no more than half of the descriptors that this process may have (RLIMIT_NOFILE). */
function maxCgroups(): number {
  const [, files] = /^Max open files +(\d+)/m.exec(readerOf("/proc")("self/limits") ?? "") ?? [];
  return files === undefined
    ? MAX_CGROUPS
    : Math.min(MAX_CGROUPS, Math.floor(Number(files) / 2 / DESCRIPTORS));
}
