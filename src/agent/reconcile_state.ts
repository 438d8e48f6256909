/** What is remembered from one comparison to the next. */
import type { Glance, Population } from "../cgroup/port.ts";
import type { ContainerRef } from "../ledger/claim.ts";
import type { Ledger } from "../ledger/ledger.ts";

/** What is remembered of looks at who lives in the cgroups of containers; see lost_ends.ts. */
export interface LostEnds {
  /** How many containers were looked at in this comparison. */
  readonly looked: number;
  /** What was seen of those in whose cgroups nobody was seen, by id. */
  readonly nobody: ReadonlyMap<string, Exclude<Population, "populated">>;
  /** The cgroup of a QoS class was seen in this comparison: the tree is the one that containers are in. */
  readonly isTreeSeen: boolean;
  /** Containers in whose cgroups somebody was seen. */
  readonly lived: ReadonlySet<string>;
  /** Those in whose cgroup nobody was at the last look. */
  readonly deserted: ReadonlySet<string>;
  /** Those in whose cgroup nobody was at two looks, nor ever before. */
  readonly elsewhere: ReadonlySet<string>;
  /** Those that have ended so and are still listed, as far as is known. */
  readonly ended: ReadonlyMap<string, ContainerRef>;
  /** Of these, those that the last list of what lives didn't name: it may be older than they are. */
  readonly unlisted: ReadonlySet<string>;
  /** How many have ended so. */
  readonly count: number;
  /** At how many looks in a row no cgroup of any container was found; that is logged at the second. */
  readonly wrongLooks: number;
}

export const NO_LOST_ENDS: LostEnds = {
  looked: 0,
  nobody: new Map(),
  isTreeSeen: false,
  lived: new Set(),
  deserted: new Set(),
  elsewhere: new Set(),
  ended: new Map(),
  unlisted: new Set(),
  count: 0,
  wrongLooks: 0,
};

/** Containers at rest, see quiet.ts. */
export interface Quiet {
  /** With any other they are to be compared anew. */
  readonly ledger: Ledger;
  readonly turns: number;
  readonly glance: Glance;
  /** Ids of those that aren't among them. */
  readonly others: readonly string[];
}

/** Where the comparison with the kernel and with the runtime's list stands. */
export interface ReconcileState {
  /** When the next one begins; absent: none has been made yet. */
  readonly nextAt?: number;
  /** Containers that are still to be compared in this one. */
  readonly queue: readonly string[];
  /** Why a container differed, or couldn't be read, when it was logged last. No more than there are containers. */
  readonly reasons: ReadonlyMap<string, string>;
  /** Containers whose difference may be an update that is under way: at the next comparison it is drift. */
  readonly suspects: ReadonlySet<string>;
  /** Containers that the runtime didn't list when it was asked last, though they haven't ended. */
  readonly missing: ReadonlySet<string>;
  /** A list with the stopped containers is still to come: the runtime's own has none (containerd). */
  readonly lacksEnded: boolean;
  /** Containers that it listed, and that are in no event so far. */
  readonly unknown: ReadonlySet<string>;
  /** Of these, those that aren't managed. */
  readonly unmanaged: ReadonlySet<string>;
  /** Ends that the runtime hasn't reported. */
  readonly lostEnds: LostEnds;
  /** In how many periods containers with CPUs of their own had been throttled by the last comparison. */
  readonly throttled: ReadonlyMap<string, number>;
  /** When the living containers were asked for last after a comparison, and by which ledger. */
  readonly counted?: { readonly at: number; readonly ledger: Ledger };
  /** Those that the last comparison has left at rest. */
  readonly quiet?: Quiet | undefined;
  /** How many comparisons have been begun. */
  readonly begun: number;
  /** How often a set was found that another program had changed. */
  readonly drifts: number;
}

const NONE: ReadonlySet<string> = new Set();

export const INITIAL_RECONCILE: ReconcileState = {
  queue: [],
  reasons: new Map(),
  suspects: NONE,
  missing: NONE,
  lacksEnded: false,
  unknown: NONE,
  unmanaged: NONE,
  lostEnds: NO_LOST_ENDS,
  throttled: new Map(),
  begun: 0,
  drifts: 0,
};
