/** What must hold of an answer of the agent: the first problem, or undefined. */
import { CpuSet } from "../../src/cpu/cpu_set.ts";
import { isGroup } from "../../src/ledger/groups.ts";
import type { Ledger } from "../../src/ledger/ledger.ts";
import type { Call } from "../../src/nri/methods.ts";
import { type Box, boxOf, effective, isFaulty, isUnreadable, type Node, PINNED } from "./node.ts";

/** A container with a grant was let start. */
export function startProblem(node: Node, id: string): string | undefined {
  const box = boxOf(node, id);
  const grant = node.agent?.state.ledger.assignments.get(id)?.grant;
  if (box === undefined || grant === undefined || grant.isEmpty || isUnreadable(node, box)) return undefined;
  const runs = effective(node, box);
  return runs.equals(grant) ? undefined : `${id} may start on ${runs} instead of ${grant}`;
}

export function refusalProblem(
  before: Node,
  after: Node,
  { kind }: Call,
  box: Box,
  message: string,
): string | undefined {
  if (kind === "StartContainer") return undefined;
  const [was, is] = [before.agent?.state.ledger, after.agent?.state.ledger];
  if (was === undefined || is === undefined) return undefined;
  if (kind === "CreateContainer" && surelyFits(before, was, box)) {
    return `${box.id} is refused, although it fits: ${message}`;
  }
  const changed = ledgerChange(was, is) ?? kernelChange(before, after, was, is);
  return changed && `a refused ${kind} has changed ${changed}`;
}

function ledgerChange(before: Ledger, after: Ledger): string | undefined {
  const [was, is] = [before, after].map((ledger) =>
    new Map(
      // What is read of a class is no change.
      ledger.assignments.values().filter((each) => !isGroup(each)).map((assignment) => {
        const { container: { id }, grant, delivery: { record }, degraded } = assignment;
        const desired = ledger.desired(assignment);
        return [id, `${grant} ${desired} ${record} ${degraded !== undefined}`];
      }),
    )
  );
  const ids = [...was?.keys() ?? [], ...is?.keys() ?? []];
  const changed = ids.find((id) => was?.get(id) !== is?.get(id));
  return changed && `the entry of ${changed} from ${was?.get(changed)} to ${is?.get(changed)}`;
}

/** But for what was pending, or couldn't be rolled back and is known. */
function kernelChange(before: Node, after: Node, was: Ledger, is: Ledger): string | undefined {
  const wrong = after.boxes.find((box) => {
    const [from, to] = [boxOf(before, box.id)?.written, box.written];
    const [known, now] = [was.assignments.get(box.id), is.assignments.get(box.id)];
    if (from === undefined || from.equals(to) || now?.delivery.state === "failed") return false;
    if (known === undefined) return true;
    const desired = was.desired(known);
    return from.equals(desired) || !to.isSubsetOf(desired);
  });
  return wrong && `the set of ${wrong.id} from ${boxOf(before, wrong.id)?.written} to ${wrong.written}`;
}

/** By the simplest count there is; false where anything is out of order. */
export function surelyFits(node: Node, ledger: Ledger, { id, slot, kind, limit }: Box): boolean {
  if (node.boxes.some((box) => isFaulty(box) || isUnreadable(node, box) || box.isDrifted)) return false;
  const assignments = ledger.assignments.values();
  const own = assignments.filter(({ container }) =>
    container.id === id || container.sandboxId === `sandbox${slot}`
  );
  const others = assignments.filter((each) => !own.includes(each));
  const grants = (of: string) =>
    CpuSet.unionOf(others.filter(({ claim }) => claim.kind === of).map(({ grant }) => grant));
  const [pinned, exclusive] = [grants("pinned"), grants("exclusive")];
  const pool = node.online.difference(pinned).difference(exclusive);
  if (kind === "shared") return true;
  if (kind === "exclusive") return limit <= pool.size - 1;
  return PINNED.isSubsetOf(node.online) && !PINNED.intersects(exclusive) && !pool.difference(PINNED).isEmpty;
}
