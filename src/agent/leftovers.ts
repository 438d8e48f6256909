/** What ended containers have left in their cgroups is looked at again, until it has ended too or leaves their CPUs. */
import type { Assignment } from "../ledger/assignment.ts";
import { retryDegraded } from "../ledger/degraded.ts";
import { isConfirmed, observe } from "../ledger/delivery.ts";
import { expired, leftBehind } from "../ledger/leftover.ts";
import { release } from "../ledger/release.ts";
import { ownCpus, readablePort, writablePort } from "./apply_mode.ts";
import type { Logged } from "./logged.ts";
import { logOf, recoveredLogs } from "./logs.ts";
import { withLedger } from "./pending.ts";
import type { AgentState } from "./state.ts";

/** Milliseconds for which the CPUs of a container are kept for processes that it has left behind. */
const WAIT_MS = 30_000;
/** Milliseconds between two looks meanwhile, and after that. */
const LOOK_MS = 1000;
const LATE_LOOK_MS = 10_000;
/** How many are looked at in one tick. */
const MAX_LOOKS = 64;

/** Looks at those that are due. */
export function lookAtLeftovers(state: AgentState): Logged {
  const due = state.ledger.leftovers.filter((each) => isDue(each, state.now)).slice(0, MAX_LOOKS);
  if (due.length === 0) return { state, logs: [] };
  const looked = due.reduce<Logged>((all, each) => looking(all, each), { state, logs: [] });
  const ledger = retryDegraded(looked.state.ledger);
  return {
    state: withLedger(state, ledger),
    logs: [...looked.logs, ...recoveredLogs(state.ledger, ledger)],
  };
}

function isDue({ leftover, grant }: Assignment, now: number): boolean {
  return leftover !== undefined && now - leftover.lookedAt >= (grant.isEmpty ? LATE_LOOK_MS : LOOK_MS);
}

function looking({ state, logs }: Logged, left: Assignment): Logged {
  const { container, grant, leftover } = left;
  const { ledger, now } = state;
  const population = readablePort(state)?.population(container) ?? "unreadable";
  const fields = { cpus: `${grant}` };
  if (population === "empty" || population === "absent") {
    const record = logOf(
      "info",
      "processes left in the cgroup of an ended container have ended",
      container,
      fields,
    );
    return { state: { ...state, ledger: release(ledger, container.id) }, logs: [...logs, record] };
  }
  if (grant.isEmpty || now - (leftover?.since ?? now) < WAIT_MS) {
    const next = ledger.update(container.id, (each) => leftBehind(each, now));
    return { state: { ...state, ledger: next }, logs };
  }
  const known = readAgain(state, left);
  const isWritten = writablePort(state) !== undefined && isConfirmed(known) && population === "populated";
  const what = isWritten ? "they get the CPUs of the shared pool" : "its CPUs are given away all the same";
  const message = `processes left in the cgroup of an ended container haven't ended in time; ${what}`;
  const late = { ...known, ...(leftover === undefined ? {} : { leftover: { ...leftover, lookedAt: now } }) };
  const next = isWritten ? expired(ledger, late) : release(ledger, container.id);
  return { state: { ...state, ledger: next }, logs: [...logs, logOf("warn", message, container, fields)] };
}

/** It may have been left to the runtime, as where its cgroup couldn't be read for a moment. */
function readAgain(state: AgentState, left: Assignment): Assignment {
  const reading = isConfirmed(left) ? undefined : writablePort(state)?.read(left.container);
  return reading?.kind === "values" ? observe(left, ownCpus(reading)) : left;
}
