/** Containers that are looked for often, so that nobody has to go through all of them. */
import type { Assignment } from "./assignment.ts";
import { failureOf } from "./delivery.ts";
import { withId, withoutId } from "./id_map.ts";

/** By id, those of which something is true. */
export interface Kinds {
  /** It lives, has less than it claims, and may be served later. */
  readonly degraded: ReadonlySet<string>;
  /** Its claim is kept for an ended container. */
  readonly heldClaims: ReadonlySet<string>;
  /** It has ended and left processes behind. */
  readonly leftovers: ReadonlySet<string>;
  /** Its last delivery failed. */
  readonly failed: ReadonlySet<string>;
  /** Its pod has a runtime of its own. */
  readonly handled: ReadonlySet<string>;
}

const IS: { readonly [Kind in keyof Kinds]: (assignment: Assignment) => boolean } = {
  degraded: ({ degraded, leftover, claim: { kind } }) =>
    degraded !== undefined && leftover === undefined && kind !== "shared",
  heldClaims: ({ isHeld = false }) => isHeld,
  leftovers: ({ leftover }) => leftover !== undefined,
  failed: (assignment) => failureOf(assignment) !== undefined,
  handled: ({ container: { handler } }) => handler !== undefined,
};

export const NO_KINDS: Kinds = {
  degraded: new Set(),
  heldClaims: new Set(),
  leftovers: new Set(),
  failed: new Set(),
  handled: new Set(),
};

/** With what is true of one that is new or has changed. */
export function kindsWith(kinds: Kinds, assignment: Assignment): Kinds {
  const { id } = assignment.container;
  return changed(kinds, (kind, ids) => (IS[kind](assignment) ? withId : withoutId)(ids, id));
}

/** Without one that is gone. */
export function kindsWithout(kinds: Kinds, id: string): Kinds {
  return changed(kinds, (_, ids) => withoutId(ids, id));
}

function changed(
  { degraded, heldClaims, leftovers, failed, handled }: Kinds,
  change: (kind: keyof Kinds, ids: ReadonlySet<string>) => ReadonlySet<string>,
): Kinds {
  return {
    degraded: change("degraded", degraded),
    heldClaims: change("heldClaims", heldClaims),
    leftovers: change("leftovers", leftovers),
    failed: change("failed", failed),
    handled: change("handled", handled),
  };
}
