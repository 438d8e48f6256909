/**
 * How the CPUs of one exclusive claim should lie to each other (see `take.ts`):
 * - `packed`: as close together as can be;
 * - `spread`: over the NUMA nodes as evenly as whole cores allow;
 * - `full-cores`: whole cores only, and none of them shared with another claim;
 * - `single-thread`: one thread of each core, the others of that core stay idle.
 */
export type Placement = (typeof PLACEMENTS)[number];

export const PLACEMENTS = ["packed", "spread", "full-cores", "single-thread"] as const;
