import type { CpuSet } from "../cpu/cpu_set.ts";

/** What has become of the memory nodes of a pinned container that runs. */
export interface Memory {
  /** Those that it should be bound to. */
  readonly nodes: CpuSet;
  /** It is to be looked at again. */
  readonly isUnsure?: true;
  /** Why it isn't bound to them. */
  readonly reason?: string;
}

/** By container id. */
export type Memories = ReadonlyMap<string, Memory>;

/** They are looked at again. */
export function unsureMemories(memories: Memories): Memories {
  if (memories.size === 0) return memories;
  return new Map([...memories].map(([id, each]) => [id, { ...each, isUnsure: true as const }]));
}

/** Why it isn't bound to the nodes that it should have, in a clause. */
export function unboundOf(memory: Memory | undefined): string | undefined {
  return memory?.reason && `memory nodes not set to ${memory.nodes}: ${memory.reason}`;
}
