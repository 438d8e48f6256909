/**
 * The masks of containers' threads (ledger/affinity.ts): looked at when a container with a grant starts, when a plan may move
 * one, and at each comparison. Nothing is done about them but to say so, and not to move a container that pins itself.
 */
import type { CpuSet } from "../cpu/cpu_set.ts";
import {
  type Affinity,
  narrowedTo,
  pinsItself,
  type Seen,
  seenAtStart,
  seenRunning,
} from "../ledger/affinity.ts";
import { type Assignment, isExclusive, mayMove } from "../ledger/assignment.ts";
import type { ContainerRef } from "../ledger/claim.ts";
import { hasNoProcess } from "../ledger/delivery.ts";
import { isGroup } from "../ledger/groups.ts";
import type { LogRecord } from "../log_record.ts";
import { readablePort } from "./apply_mode.ts";
import { type Affinities, type Decision, unchanged, withLogs } from "./decision.ts";
import { lookAt } from "./kernel.ts";
import type { Logged } from "./logged.ts";
import { logOf } from "./logs.ts";
import type { AgentState } from "./state.ts";

/**
 * Lets a container start, with a look at its first process, whose program doesn't run yet: what leaves that less than its
 * grant comes from the runtime. It is only said: the container is on its own CPUs all the same.
 */
export function lookedAtStart(state: AgentState, { container }: Assignment): Decision {
  return {
    kind: "look",
    containers: [container],
    of: "first process",
    then: (affinities) => {
      const looked = withSeen(state, affinities, seenAtStart);
      return { ...unchanged(looked.state), logs: looked.logs };
    },
  };
}

/** Decides by a state in which those were looked at that are on these CPUs, and may be moved unless they pin themselves. */
export function lookedBeforeMove(
  state: AgentState,
  cpus: CpuSet,
  then: (state: AgentState) => Decision,
): Decision {
  // What was seen to pin itself stays so.
  const holders = state.ledger.holders(cpus).filter((each) =>
    each.claim.movable === undefined && !pinsItself(each.affinity) && isLooked(state, each)
  );
  if (holders.length === 0) return then(state);
  return {
    kind: "look",
    containers: holders.map(({ container }) => container),
    of: "threads",
    then: (affinities) => {
      const looked = withSeen(state, affinities);
      return withLogs(then(looked.state), looked.logs);
    },
  };
}

/** Looks at one of those that are compared. */
export function lookedAtComparison(state: AgentState, { id }: ContainerRef): Logged {
  const known = state.ledger.assignments.get(id);
  const looked = known === undefined || !isLooked(state, known) ? [] : [known.container];
  return withSeen(state, lookAt(readablePort(state), looked, "threads"));
}

/** Before it is started its first process is one of the runtime's. */
function isLooked(state: AgentState, assignment: Assignment): boolean {
  const { delivery } = assignment;
  return readablePort(state)?.affinity !== undefined && !isGroup(assignment) && !hasNoProcess(delivery) &&
    delivery.state !== "starting";
}

function withSeen(
  state: AgentState,
  affinities: Affinities,
  see = (seen: Seen, before?: Affinity) => seenRunning(before, seen),
): Logged {
  const logs: LogRecord[] = [];
  let { ledger, isAffinityHidden } = state;
  for (const [id, reading] of affinities) {
    const before = ledger.assignments.get(id);
    if (before === undefined || reading.kind === "absent") continue;
    if (reading.kind === "unverified") {
      if (!isAffinityHidden) logs.push(hiddenLog(reading.reason));
      isAffinityHidden = true;
      continue;
    }
    const affinity = see(reading, before.affinity);
    if (affinity === before.affinity) continue;
    ledger = ledger.with({ ...before, affinity });
    logs.push(...affinityLogs(before, affinity, reading.cpus));
  }
  const isSame = ledger === state.ledger && isAffinityHidden === state.isAffinityHidden;
  return { state: isSame ? state : { ...state, ledger, isAffinityHidden }, logs };
}

const REMEDY =
  "since Linux 6.2 a container inherits the mask of its runtime's unit: update runc to 1.2.7, 1.3.1 or newer, " +
  "or crun to 1.9.2, and remove CPUAffinity from that unit";
const OR_PROGRAM = "its program has it so; or ";

/** Each at most once for a container. */
function affinityLogs(before: Assignment, affinity: Affinity, cpus: CpuSet): LogRecord[] {
  const { container, affinity: known } = before;
  const left = known?.inherited === undefined ? narrowedTo(affinity, cpus) : undefined;
  const isMoved = !isExclusive(before) || mayMove(before.claim, affinity);
  const pins = affinity.own !== undefined && known?.own === undefined;
  const isLost = affinity.lost !== undefined && known?.lost === undefined;
  return [
    ...(left === undefined ? [] : [
      logOf(
        before.grant.isEmpty ? "debug" : "warn",
        "container narrowed: its threads may use a part of its CPUs",
        container,
        {
          cpus: `${left}`,
          of: `${cpus}`,
          reason: (affinity.isPresumed ? OR_PROGRAM : "") + REMEDY,
        },
      ),
    ]),
    ...(pins
      ? [
        logOf(
          isMoved ? "debug" : "info",
          `container pins its own threads${isMoved ? "" : "; it isn't moved"}`,
          container,
          { cpus: `${affinity.own}` },
        ),
      ]
      : []),
    ...(isLost
      ? [
        logOf(
          "warn",
          "masks of the container's threads lost: its set has changed, and they may use all of it",
          container,
          {
            cpus: `${affinity.lost}`,
            of: `${cpus}`,
          },
        ),
      ]
      : []),
  ];
}

function hiddenLog(reason: string): LogRecord {
  return logOf(
    "info",
    "masks of threads not seen: whether containers may use all of their CPUs isn't known",
    undefined,
    {
      reason,
    },
  );
}
