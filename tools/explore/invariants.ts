/** What must hold on every node with an agent that is synchronized: sentence and check, which tells the first problem. */
import type { Assignment } from "../../src/ledger/assignment.ts";
import { mayShare } from "../../src/ledger/assignment.ts";
import type { Ledger } from "../../src/ledger/ledger.ts";
import { pendingUpdateOf, planUpdates } from "../../src/ledger/updates.ts";
import { planWrites } from "../../src/ledger/plan_writes.ts";
import { isFence, runsOn } from "../../src/ledger/groups.ts";
import {
  type Box,
  CLASS,
  effective,
  hasStarted,
  isAlive,
  isFaulty,
  isUnreadable,
  type Node,
  ofClass,
} from "./node.ts";
import { isHonest } from "./promises.ts";

type Check = (node: Node, ledger: Ledger) => string | undefined;

export const INVARIANTS: readonly (readonly [string, Check])[] = [
  ["no CPU has two exclusive owners in the ledger", ownersAreDistinct],
  ["a claim has what it asks for, or is degraded", claimsAreWhole],
  ["every container that has a process is known", startedAreKnown],
  ["a container runs nowhere but where the agent knows that it may", boundsAreHonest],
  ["nobody else runs on the CPUs of a started container that were promised", promisesAreKept],
  ["the class has no exclusive CPUs that were promised", classIsKept],
  ["who isn't dirty has nothing to be delivered", dirtyIsWhole],
];

/** The first invariant that doesn't hold. */
export function problemOf(node: Node): string | undefined {
  const { agent } = node;
  if (agent === undefined) return unattended(node);
  if (agent.state.phase !== "serving") return `the agent is ${agent.state.phase}`;
  for (const [sentence, check] of INVARIANTS) {
    const problem = check(node, agent.state.ledger);
    if (problem !== undefined) return `${sentence}: ${problem}`;
  }
  return undefined;
}

/** What starts while no agent runs is kept off exclusive CPUs by its class: so it is as long as these are promised. */
function unattended(node: Node): string | undefined {
  const problem = node.mode === "fence" ? openTo(node) : undefined;
  return problem && `while no agent runs the class has no exclusive CPUs: ${problem}`;
}

function classIsKept(node: Node, { assignments }: Ledger): string | undefined {
  const group = assignments.get(CLASS);
  const isFailed = group?.delivery.state === "failed";
  return group === undefined || !isFence(group) || isFailed ? undefined : openTo(node);
}

/** But for what another program has written, and where all CPUs of the class are offline. */
function openTo(node: Node): string | undefined {
  const { class: { written, isDrifted }, online } = node;
  if (isDrifted || !written.isEmpty && !written.intersects(online)) return undefined;
  const owner = node.boxes.find((box) =>
    box.kind === "exclusive" && isAlive(box) && box.promised.intersects(ofClass(node))
  );
  return owner && `the class has ${ofClass(node)}, ${owner.id} ${owner.promised}`;
}

function ownersAreDistinct(_: Node, ledger: Ledger): string | undefined {
  const all = ledger.assignments.values();
  for (const one of all) {
    if (one.claim.kind !== "exclusive") continue;
    const other = all.find((other) => other !== one && other.grant.intersects(one.grant));
    if (other !== undefined) {
      return `${one.container.id} has ${one.grant}, ${other.container.id} ${other.grant}`;
    }
  }
  return undefined;
}

function claimsAreWhole(_: Node, ledger: Ledger): string | undefined {
  const wrong = ledger.assignments.values().find(({ claim, grant, degraded }) => {
    if (claim.kind === "shared" || claim.kind === "group") return !grant.isEmpty;
    const isWhole = claim.kind === "pinned" ? grant.equals(claim.cpus) : grant.size === claim.count;
    return !isWhole && degraded === undefined;
  });
  return wrong && `${wrong.container.id} has ${wrong.grant}`;
}

function startedAreKnown({ boxes }: Node, ledger: Ledger): string | undefined {
  return boxes.find((box) => hasStarted(box) && !ledger.assignments.has(box.id))?.id;
}

function boundsAreHonest(node: Node, ledger: Ledger): string | undefined {
  const wrong = node.boxes.find((box) =>
    hasStarted(box) && !box.isDrifted && !node.class.isDrifted && !isUnreadable(node, box) &&
    !isHonest(node, box)
  );
  const known = wrong && ledger.assignments.get(wrong.id);
  const bound = known && runsOn(ledger, known);
  return wrong && `${wrong.id} runs on ${effective(node, wrong)}, known is ${bound}`;
}

/** But for what the kernel has refused, what can't be read, and what another program has written: if it is known. */
function promisesAreKept(node: Node, ledger: Ledger): string | undefined {
  const started = node.boxes.filter(hasStarted).flatMap((box) => {
    const assignment = ledger.assignments.get(box.id);
    return assignment === undefined ? [] : [{ box, assignment, runs: effective(node, box) }];
  });
  for (const { box: owner, assignment } of started) {
    if (owner.promised.isEmpty) continue;
    for (const { box: other, assignment: theirs, runs } of started) {
      if (other === owner || mayShare(assignment, theirs) || !runs.intersects(owner.promised)) continue;
      if (isExcused(node, other, theirs, ledger)) continue;
      return `${other.id} runs on ${runs}, ${owner.id} has ${owner.promised}`;
    }
  }
  return undefined;
}

function isExcused(node: Node, box: Box, { delivery }: Assignment, ledger: Ledger): boolean {
  if (isFaulty(box) || isUnreadable(node, box)) return true;
  if (node.class.isDrifted && box.kind !== "exclusive") return true;
  if (box.isDrifted || box.isLate || delivery.state === "failed") return true;
  // The runtime is being asked to move it, or will be; what it was sent while it started may be lost until it runs.
  const isPlanned = node.asked.includes(box.id) || pendingUpdateOf(ledger, box.id) !== undefined;
  const isUnsure = delivery.recordUnsure !== undefined;
  return delivery.by === "record" && (isPlanned || isUnsure);
}

/** Who is dirty is only a way to be quick. */
function dirtyIsWhole(_: Node, ledger: Ledger): string | undefined {
  const whole = ledger.allDirty();
  if (ledger.dirty.length === ledger.assignments.size) return undefined;
  const [some, all] = [ledger, whole].map((each) => {
    const writes = planWrites(each, { kind: "due", now: Infinity }).map(({ assignment, cpus }) =>
      `${assignment.container.id} on ${cpus}`
    );
    const updates = planUpdates(each).updates.map(({ id, cpus }) => `${id} to ${cpus}`);
    return [...writes, ...updates].sort().join(", ");
  });
  return some === all ? undefined : `due is ${all}, known ${some}`;
}
