/** What came of the comparisons so far. */
export interface ReconcileState {
  /** When the next one begins; absent: none has been made yet. */
  readonly nextAt?: number;
  /** Containers that are still to be looked at in this one. */
  readonly queue: readonly string[];
  /** Why a container differed, or couldn't be read, when it was said last. No more than there are containers. */
  readonly reasons: ReadonlyMap<string, string>;
  /** Containers whose difference may be an update that is under way: at the next look it is drift. */
  readonly suspects: ReadonlySet<string>;
  /** How often a container was found on other CPUs than it should. */
  readonly drifts: number;
  /** How often a container's set was put right by writing it. */
  readonly repairs: number;
  /** Containers that the runtime didn't list when it was asked last, though they haven't ended. */
  readonly missing: ReadonlySet<string>;
  /** Containers that it listed, and nobody has told of. */
  readonly unknown: ReadonlySet<string>;
  /** Of these, those that aren't this agent's business. */
  readonly unmanaged: ReadonlySet<string>;
}

const NONE: ReadonlySet<string> = new Set();

export const INITIAL_RECONCILE: ReconcileState = {
  queue: [],
  reasons: new Map(),
  suspects: NONE,
  drifts: 0,
  repairs: 0,
  missing: NONE,
  unknown: NONE,
  unmanaged: NONE,
};
