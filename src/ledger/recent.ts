/** CPUs of exclusive containers that ended while their pods live: they are likely to come back. */
import type { CpuSet } from "../cpu/cpu_set.ts";

export interface Recent {
  readonly podUid: string;
  readonly name: string;
  readonly cpus: CpuSet;
  /** When it was first seen to be old, in milliseconds of any clock that never goes back; absent: it wasn't yet. */
  readonly since?: number;
}

/** More restarts than are ever under way at once; the oldest is forgotten first. */
const MAX_RECENT = 64;

/** Milliseconds after which a container isn't likely to come back: kubelet's longest back-off between restarts. */
const RECENT_MS = 300_000;

/** With one more, and no more of its container's earlier ends. */
export function remember(all: readonly Recent[], recent: Recent): Recent[] {
  const { podUid, name } = recent;
  return [...forget(all, podUid, name), recent].slice(-MAX_RECENT);
}

/** Without those of a pod; of one of its containers, where it is named. */
export function forget(all: readonly Recent[], podUid: string, name?: string): readonly Recent[] {
  const left = all.filter((r) => r.podUid !== podUid || (name !== undefined && r.name !== name));
  return left.length === all.length ? all : left;
}

/** Without those that have been there for too long; the others are dated. */
export function age(all: readonly Recent[], now: number): readonly Recent[] {
  if (all.every(({ since }) => since !== undefined && now - since < RECENT_MS)) return all;
  return all.filter(({ since = now }) => now - since < RECENT_MS).map((r) => ({
    ...r,
    since: r.since ?? now,
  }));
}
