import { CgroupDirectory } from "./directory.ts";
import type { ContainerRef } from "../ledger/claim.ts";
import type { Errno } from "../platform/errno.ts";
import { readerOf } from "../platform/sysfs.ts";

/** More than containers on a node. Each takes two descriptors, and the kernel a page for what was read. */
const MAX_CGROUPS = 1024;
/** Milliseconds. All cgroups of living containers are read every ten seconds. */
const UNUSED_MS = 60_000;
/** Milliseconds between two looks for unused ones. */
const LOOK_MS = 1000;

interface Kept {
  readonly directory: CgroupDirectory;
  /** By the clock of {@link KeptCgroups.closeUnused}. */
  usedMs: number;
  /** In the places. */
  key?: string;
}

/**
 * Cgroups that stay open, with the one file of them that is read and written again and again: finding and opening
 * them takes most of the time of that. Beyond the bound cgroups are opened anew each time, which is slower and
 * otherwise the same. It doesn't keep the kernel from freeing a cgroup that is removed.
 */
export class KeptCgroups {
  readonly #cgroups = new Map<string, Kept>();
  /** Where containers have been found, as long as their cgroups are kept. */
  readonly #places = new Map<string, string>();
  #nowMs = 0;

  /**
   * @param root of the hierarchy, see {@link CgroupDirectory.open}
   * @param file the one that is kept open
   */
  constructor(
    private readonly root: string,
    private readonly file: string,
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
    if (opened.keep(this.file) === undefined) {
      this.#cgroups.set(path, { directory: opened, usedMs: this.#nowMs });
    }
    return opened;
  }

  /** Where a container was found by the same hints, if its cgroup is kept and has not been removed since. */
  placeOf(container: Pick<ContainerRef, "id" | "cgroup">): string | undefined {
    const path = this.#places.get(keyOf(container));
    return path !== undefined && this.#alive(path) !== undefined ? path : undefined;
  }

  /** Remembers where a container was found, if there is room. */
  place(container: Pick<ContainerRef, "id" | "cgroup">, path: string): void {
    const opened = this.open(path);
    if (opened.kind === "errno") return;
    using _ = opened;
    const kept = this.#cgroups.get(path);
    if (kept === undefined) return;
    if (kept.key !== undefined) this.#places.delete(kept.key);
    kept.key = keyOf(container);
    this.#places.set(kept.key, path);
  }

  /** Closes those that haven't been used for a minute: mostly of containers that have ended. To be called often. */
  closeUnused(nowMs: number): void {
    if (nowMs - this.#nowMs < LOOK_MS) return;
    this.#nowMs = nowMs;
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
    this.#cgroups.delete(path);
    if (kept?.key !== undefined) this.#places.delete(kept.key);
    kept?.directory.close();
  }
}

function keyOf({ id, cgroup }: Pick<ContainerRef, "id" | "cgroup">): string {
  return JSON.stringify([id, cgroup?.pid ?? 0, cgroup?.path ?? "", cgroup?.parent ?? ""]);
}

/** So that they take no more than half of the descriptors that this process may have (RLIMIT_NOFILE). */
function maxCgroups(): number {
  const [, files] = /^Max open files +(\d+)/m.exec(readerOf("/proc")("self/limits") ?? "") ?? [];
  return files === undefined ? MAX_CGROUPS : Math.min(MAX_CGROUPS, Math.floor(Number(files) / 4));
}
