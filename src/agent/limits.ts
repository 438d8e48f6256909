/**
 * Cgroups above a container that another program has narrowed: looked for before a claim is decided, and wherever a reading
 * shows that a grant isn't all in force. For a shared container nothing is read.
 */
import type { CpusetReading } from "../cgroup/port.ts";
import type { CpuSet } from "../cpu/cpu_set.ts";
import { withheldText } from "../cpu/withheld.ts";
import type { Assignment } from "../ledger/assignment.ts";
import type { Claim, ContainerRef, CpuLimit } from "../ledger/claim.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { limited, limitedIn, limitOf, withLimit } from "../ledger/limit.ts";
import type { LogRecord } from "../log_record.ts";
import { readablePort } from "./apply_mode.ts";
import type { Decision } from "./decision.ts";
import type { Logged } from "./logged.ts";
import { degradedLog, logOf } from "./logs.ts";
import { withLedger } from "./pending.ts";
import type { AgentState } from "./state.ts";

/** Decides by the claim with what the cgroups above its container leave it now. */
export function aroundFirst(
  state: AgentState,
  container: ContainerRef,
  claim: Claim,
  then: (claim: Claim) => Decision,
): Decision {
  if (claim.kind === "shared" || readablePort(state) === undefined) return then(claim);
  const { online } = state.ledger.topology;
  return { kind: "around", container, cpus: online, then: (limit) => then(limited(claim, limit)) };
}

/** Whether a reading shows that the kernel lets a container have only some of these CPUs of its own set. */
export function isNarrowed({ topology: { online } }: Ledger, cpus: CpuSet, reading?: CpusetReading): boolean {
  if (reading?.kind !== "values") return false;
  const { isInherited, effective = reading.cpus } = reading;
  // One that has nothing in common with the cgroup above isn't in force at all.
  const own = isInherited ? cpus.intersection(online) : cpus.intersection(online).intersection(reading.cpus);
  return !own.isSubsetOf(effective);
}

/** The claim of a container that was found, with its limit if it isn't on all of its own set. */
export function claimFound(
  state: AgentState,
  container: ContainerRef,
  claim: Claim,
  reading?: CpusetReading,
): Claim {
  const { ledger } = state;
  const { online } = ledger.topology;
  if (claim.kind === "shared" || !isNarrowed(ledger, online, reading)) return claim;
  return limited(claim, readablePort(state)?.limitOf?.(container, online));
}

/** The ledger with what the readings of those that were found show of the limits of CPUs that their pods share. */
export function withLimitsFound(
  state: AgentState,
  found: readonly { readonly container: ContainerRef; readonly claim: Claim }[],
  readings: ReadonlyMap<string, CpusetReading>,
): { readonly ledger: Ledger; readonly logs: readonly LogRecord[] } {
  return found.reduce<{ readonly ledger: Ledger; readonly logs: readonly LogRecord[] }>(
    ({ ledger, logs }, { container: { id }, claim }) => {
      const [own, reading] = [ledger.assignments.get(id), readings.get(id)];
      if (claim.kind !== "shared" || own === undefined || reading === undefined) return { ledger, logs };
      const seen = withLimitSeen({ ...state, ledger }, own, reading);
      return { ledger: seen.ledger, logs: [...logs, ...seen.logs] };
    },
    { ledger: state.ledger, logs: [] },
  );
}

/** The ledger with what a reading shows of a container's limit, and what is to be logged of it: once for each limit. */
export function withLimitSeen(
  state: AgentState,
  assignment: Assignment,
  reading: CpusetReading,
): { readonly ledger: Ledger; readonly logs: readonly LogRecord[] } {
  const { ledger } = state;
  const { container, grant } = assignment;
  const { container: { id }, claim } = limitedIn(ledger, assignment);
  const isClaim = claim.kind === "exclusive" || claim.kind === "pinned";
  if (!isClaim || (claim.limit === undefined && !isNarrowed(ledger, grant, reading))) {
    return { ledger, logs: [] };
  }
  const { online } = ledger.topology;
  const after = withLimit(ledger, container.id, readablePort(state)?.limitOf?.(container, online));
  const now = after.assignments.get(id);
  if (after === ledger || now === undefined) return { ledger, logs: [] };
  const limit = limitOf(now);
  const log = limit === undefined
    ? logOf("info", "CPUs no longer kept from container by another program", container)
    : logOf("warn", "CPUs kept from container by another program", container, {
      reason: limitText(limit, online),
    });
  return {
    ledger: after,
    logs: now.degraded === undefined || limit === undefined ? [log] : [log, degradedLog(now)],
  };
}

/** The state with what a reading of one has shown, its limit too: not all of what it has may be in force. */
export function withLimitOf({ state, logs }: Logged, id: string, reading: CpusetReading | undefined): Logged {
  const own = state.ledger.assignments.get(id);
  if (own === undefined || reading === undefined) return { state, logs };
  const seen = withLimitSeen(state, own, reading);
  if (seen.ledger === state.ledger) return { state, logs };
  return { state: withLedger(state, seen.ledger), logs: [...logs, ...seen.logs] };
}

function limitText(limit: CpuLimit, online: CpuSet): string {
  return withheldText([{ ...limit, cpus: online.difference(limit.cpus) }]);
}
