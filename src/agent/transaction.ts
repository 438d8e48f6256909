/**
 * A call served, with what its answer promises brought about in the kernel before it is given: all of it, or nothing
 * and a refusal.
 */
import { CpuSet } from "../cpu/cpu_set.ts";
import type { PlannedUpdate } from "../ledger/updates.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { refuse } from "../ledger/refusal.ts";
import type { LogRecord } from "../log_record.ts";
import { refused } from "./handlers/containers.ts";
import type { CpusetWrite, CpusetWriteResult } from "../cgroup/port.ts";
import { afterFailure, applyWrites, kernelOf, WRITE_DEADLINE_MS } from "./kernel_first.ts";
import type { Call, Subject } from "../nri/methods.ts";
import type { AgentState, Response } from "./state.ts";
import { withLedger } from "./pending.ts";
import { refOf } from "../nri/read_claim.ts";
import { serve } from "./serve.ts";

/** Each time it is known better who can't be moved; then it is refused. */
const MAX_TRIES = 8;

/** Serves `call`, and writes what it takes. Throws what {@link serve} throws; then nothing has been adopted. */
export function serveAndApply(state: AgentState, call: Call): Response {
  const kernel = kernelOf(state);
  const first = call.kind === "CreateContainer" ? withRetriedWrites(state) : state;
  let served = serve(first, call);
  if (kernel === undefined) return served;
  let known = first.ledger;
  const logs: LogRecord[] = [];
  for (let tries = 1; served.writes !== undefined && served.writes.length > 0; tries++) {
    const result = vacatedTooLate(known, served) ??
      kernel.write(served.writes.map(writeOf), WRITE_DEADLINE_MS);
    if (result.kind === "done") break;
    const next = afterFailure(kernel, known, served.writes, result, state.now);
    known = next.ledger;
    logs.push(...next.logs);
    if (tries === MAX_TRIES) {
      const refusal = refuseAfterFailure(withLedger(state, known), call, result.reason);
      return { ...refusal, logs: [...logs, ...refusal.logs] };
    }
    served = serve(withLedger(state, known), call);
  }
  return { ...served, logs: [...logs, ...served.logs] };
}

function writeOf({ assignment: { container }, cpus }: PlannedUpdate): CpusetWrite {
  return { container, cpus };
}

/**
 * Those who would go, before the reply is given, onto CPUs that others leave only when it is: they have to go with the
 * reply too.
 */
function vacatedTooLate(
  ledger: Ledger,
  { writes = [], replyUpdates = [] }: Response,
): CpusetWriteResult | undefined {
  const running = replyUpdates.filter(({ assignment }) => assignment.kernel !== "at-start");
  const left = CpuSet.unionOf(
    running.map(({ assignment, cpus }) => ledger.observed(assignment).difference(cpus)),
  );
  const early = writes
    .filter(({ assignment, cpus }) => cpus.difference(ledger.observed(assignment)).intersects(left))
    .map(({ id }) => id);
  const reason = "others leave these CPUs only by the runtime";
  return early.length === 0 ? undefined : { kind: "unverified", containers: new Set(early), reason };
}

function refuseAfterFailure(state: AgentState, call: Call, reason: string): Response {
  const { pod, container } = call as Call & Subject;
  const why = `the CPUs of other containers can't be changed: ${reason}; it is tried again`;
  return refused(state, refuse(refOf(pod, container), "unavailable", why));
}

/** Who couldn't be made to leave CPUs is tried once more before somebody is refused because of that. */
function withRetriedWrites(state: AgentState): AgentState {
  const ledger = retryWrites(state);
  return ledger === state.ledger ? state : withLedger(state, ledger);
}

function retryWrites(state: AgentState): Ledger {
  const kernel = kernelOf(state);
  const { ledger } = state;
  if (ledger.writeFailures.size === 0) return ledger;
  if (kernel === undefined) return rereadFailed(state);
  const retried = applyWrites(kernel, ledger, state.now, "all").ledger;
  return [...retried.writeFailures.keys()].reduce((next, id) => {
    const holder = next.assignments.get(id);
    const asItShould = holder === undefined || next.observed(holder).isSubsetOf(next.desired(holder));
    return asItShould ? next.withWriteFailure(id, undefined) : next;
  }, retried);
}

/** By the runtime alone nobody can be made to leave; but it may have happened since. */
function rereadFailed({ ledger, cpusets }: AgentState): Ledger {
  return [...ledger.writeFailures.keys()].reduce((next, id) => {
    const holder = next.assignments.get(id);
    const reading = holder && cpusets?.read(holder.container);
    if (holder === undefined || reading?.kind !== "values") return next.withWriteFailure(id, undefined);
    const over = reading.cpus.intersection(next.topology.online).difference(next.desired(holder));
    return over.isEmpty ? next.withWriteFailure(id, undefined) : next;
  }, ledger);
}
