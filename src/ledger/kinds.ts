/** Containers that are looked for often, so that nobody has to go through all of them. */
import { type Assignment, followsExclusive, isOfPod } from "./assignment.ts";
import { failureOf, hasNoProcess } from "./delivery.ts";
import { IdMap, withMember } from "./id_map.ts";

const IS = {
  /** It lives, has less than it claims, and may be served later. */
  degraded: ({ degraded, leftover, claim: { kind } }) =>
    degraded !== undefined && leftover === undefined && kind !== "shared",
  /** Its claim is kept for an ended container. */
  heldClaims: ({ isHeld = false }) => isHeld,
  /** It has ended and left processes behind. */
  leftovers: ({ leftover }) => leftover !== undefined,
  /** Its last delivery failed. */
  failed: (assignment) => failureOf(assignment) !== undefined,
  /** Its pod has a runtime of its own (a RuntimeClass' handler), held claims among them. */
  handled: ({ container: { handler } }) => handler !== undefined,
  /** It is a cgroup above containers. */
  groups: ({ claim: { kind } }) => kind === "group",
  /** Only these have a grant: they claim CPUs of their own, held claims among them, or share those of their pod. */
  claimants: ({ claim }) => claim.kind === "exclusive" || claim.kind === "pinned" || isOfPod({ claim }),
  /** CPUs that it has no grant of are chosen last for others: it had them before a resize, or has pinned threads there. */
  homes: ({ home, affinity }) => home !== undefined || affinity?.own !== undefined,
  /** Its own set changes with the exclusive CPUs: it has no grant, and no fence around it. */
  following: followsExclusive,
  /** It runs, and its set is left to the runtime. */
  unconfirmed: ({ delivery }) => delivery.by === "record" && !hasNoProcess(delivery),
  /** Its own set lies within that of a group (cgroup v1). */
  within: ({ isWithin = false }) => isWithin,
} as const satisfies Readonly<Record<string, (assignment: Assignment) => boolean>>;

export type Kind = keyof typeof IS;

/** By kind, the ids of those of which it is true. */
export type Kinds = { readonly [K in Kind]: IdMap<true> };

const NAMES = Object.keys(IS) as Kind[];

export const NO_KINDS: Kinds = byKind(() => IdMap.empty());

/** With what is true of one that is new or has changed. */
export function kindsWith(kinds: Kinds, assignment: Assignment): Kinds {
  const { id } = assignment.container;
  return byKind((kind) => withMember(kinds[kind], id, IS[kind](assignment)));
}

/** With what is true of several that are new. */
export function kindsWithAll(kinds: Kinds, assignments: readonly Assignment[]): Kinds {
  return byKind((kind) =>
    kinds[kind].setAll(assignments.filter(IS[kind]).map(({ container: { id } }) => [id, true]))
  );
}

/** Without one that is gone. */
export function kindsWithout(kinds: Kinds, id: string): Kinds {
  return byKind((kind) => withMember(kinds[kind], id, false));
}

function byKind(idsOf: (kind: Kind) => IdMap<true>): Kinds {
  const kinds: Partial<Record<Kind, IdMap<true>>> = {};
  for (const kind of NAMES) kinds[kind] = idsOf(kind);
  return kinds as Kinds;
}
