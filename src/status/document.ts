/**
 * What the agent shows of itself to other programs, as JSON: version 1. Times are ISO 8601, CPUs and memory nodes lists as
 * in cpuset(7). A field may be added without a new version; none changes its meaning or goes.
 */
// The small variant of zod, as in src/config.
import * as z from "zod/mini";
import { PLACEMENTS } from "../cpu/placement.ts";

export const VERSION = 1;

/**
 * `confirmed`: read back from the kernel; `unverified`: as the runtime was sent it, which reports no failure; `pending`: it
 * still has other CPUs; `starting`: it has no process yet; `degraded`: it has less than it claims; `failed`: the last write
 * failed and is retried; `narrowed`: confirmed, but its threads may use only a part of its CPUs, by a mask that they inherit.
 */
export const CONTAINER_STATES = [
  "confirmed",
  "narrowed",
  "unverified",
  "pending",
  "starting",
  "degraded",
  "failed",
] as const;

const state = z.enum(CONTAINER_STATES);

/** A claim for programs, see `request.ts`: of a pinned container `cpus`, of an exclusive one at least `count` and `placement`. */
const request = z.object({
  cpus: z.optional(z.string()),
  count: z.optional(z.number()),
  placement: z.optional(z.enum(PLACEMENTS)),
  forbidden: z.optional(z.string()),
  movable: z.optional(z.boolean()),
  podLimit: z.optional(z.number()),
  ofPod: z.optional(z.boolean()),
  system: z.optional(z.boolean()),
});

export const containerSchema = z.object({
  id: z.string(),
  namespace: z.string(),
  pod: z.string(),
  podUid: z.string(),
  container: z.string(),
  kind: z.enum(["pinned", "exclusive", "shared"]),
  /** What it claims, in a clause for people. */
  claim: z.string(),
  /** The same for programs. */
  request: z.optional(request),
  /** The CPUs that it should be running on. */
  cpus: z.string(),
  /** Those of them that are its own; absent: it lives in the shared pool. */
  grant: z.optional(z.string()),
  /** The CPUs that its processes may be running on by all that is known. */
  mayRunOn: z.string(),
  /** The NUMA nodes of its CPUs. */
  numaNodes: z.string(),
  /** The memory nodes that it is bound to; empty: none. */
  mems: z.string(),
  state,
  /** Why it is in that state, where that isn't plain. */
  reason: z.optional(z.string()),
  /** What keeps it off CPUs that others claim. */
  keptBy: z.enum(["fence", "own set", "record", "nothing", "partition"]),
  /**
   * Of one with CPUs of its own: in how many periods its CFS quota had stopped it by the last comparison, since it started
   * (`nr_throttled`).
   */
  throttled: z.optional(z.number()),
  since: z.optional(z.string()),
});

/** What a container that has ended had for itself, which is kept for its pod. */
const held = z.object({
  namespace: z.string(),
  pod: z.string(),
  podUid: z.string(),
  container: z.string(),
  kind: z.enum(["pinned", "exclusive"]),
  grant: z.string(),
  request,
});

const group = z.object({
  path: z.string(),
  keeps: z.string(),
  cpus: z.string(),
  state,
  reason: z.optional(z.string()),
});

const node = z.object({
  online: z.string(),
  /** CPUs that are online besides and that no container can have, and who keeps them: words that go on from "CPU 3 is". */
  withheld: z.optional(z.array(z.object({ cpus: z.string(), why: z.string() }))),
  reserved: z.string(),
  sharedPool: z.string(),
  exclusive: z.string(),
  pinned: z.string(),
  /** Why pinned and exclusive creations are refused for the time being. */
  claimsSuspended: z.optional(z.string()),
  /** How many containers have ended without a report of the runtime; absent: none. */
  unreportedEnds: z.optional(z.number()),
});

const agent = z.object({
  version: z.string(),
  /** How it was started. */
  mode: z.enum(["launched", "external"]),
  pid: z.number(),
  startedAt: z.string(),
  /** Of its connection to the runtime. */
  phase: z.string(),
  dryRun: z.boolean(),
  /** Since when the runtime lacks an update. */
  pendingSince: z.optional(z.string()),
});

/** CPU lists. */
const lists = z.array(z.string());

const event = z.object({
  at: z.string(),
  level: z.enum(["debug", "info", "warn", "error"]),
  message: z.string(),
  fields: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
});

/** The answer to `GET /api/v1/status`. */
export const statusSchema = z.object({
  service: z.literal("weka-cpuset"),
  version: z.literal(VERSION),
  agent,
  node,
  containers: z.array(containerSchema),
  /** Absent: none. */
  held: z.optional(z.array(held)),
  groups: z.array(group),
});

/** The answer to `GET /api/v1/journal`: the latest decisions, oldest first. */
export const journalSchema = z.object({
  service: z.literal("weka-cpuset"),
  version: z.literal(VERSION),
  /** Events that are no longer kept. */
  dropped: z.number(),
  events: z.array(event),
});

/** The answer to `GET /api/v1/topology`, and what `weka-cpuset topology --output json` prints. */
export const topologySchema = z.object({
  service: z.literal("weka-cpuset"),
  version: z.literal(VERSION),
  online: z.string(),
  offline: z.string(),
  /** CPUs that the scheduler balances no load over (`isolcpus=`, isolated partitions). */
  isolated: z.string(),
  /** CPUs without a timer tick while they run one thread (`nohz_full=`). */
  nohzFull: z.string(),
  /** The online CPUs of each. */
  sockets: lists,
  caches: lists,
  cores: lists,
  nodes: z.array(z.object({
    id: z.number(),
    cpus: z.string(),
    hasMemory: z.boolean(),
    /** By the other node's id, in the kernel's units: 10 is local. */
    distances: z.record(z.string(), z.number()),
  })),
  /** What couldn't be read of the machine, a sentence each. */
  warnings: z.array(z.string()),
});

export type StatusDocument = z.infer<typeof statusSchema>;
export type ContainerDocument = z.infer<typeof containerSchema>;
export type HeldDocument = z.infer<typeof held>;
export type RequestDocument = z.infer<typeof request>;
export type JournalDocument = z.infer<typeof journalSchema>;
export type TopologyDocument = z.infer<typeof topologySchema>;
export type ContainerState = z.infer<typeof state>;
