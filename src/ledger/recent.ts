/** CPUs of exclusive containers that ended while their pods live: they are likely to come back. */
import type { CpuSet } from "../cpu/cpu_set.ts";

export interface Recent {
  readonly podUid: string;
  readonly name: string;
  readonly cpus: CpuSet;
}

/** More restarts than are ever under way at once; the oldest is forgotten first. */
const MAX_RECENT = 64;

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
