/**
 * A call served, with what its answer promises brought about in the kernel before it is given: all of it, or nothing
 * and a refusal.
 */
import { CpuSet } from "../cpu/cpu_set.ts";
import type { Sent } from "../ledger/changes.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { refuse } from "../ledger/refusal.ts";
import type { LogRecord } from "../log_record.ts";
import { refused } from "./handlers/containers.ts";
import type { CpusetWrite, CpusetWriteResult } from "../cgroup/port.ts";
import { kernelOf, learnt, settle, WRITE_DEADLINE } from "./kernel_first.ts";
import type { Call, Subject } from "../nri/methods.ts";
import type { Node, Served } from "./state.ts";
import { withLedger } from "./pending.ts";
import { refOf } from "../nri/read_claim.ts";
import { serve } from "./serve.ts";

/** Each time it is known better who can't be moved; then it is refused. */
const MAX_TRIES = 8;

/** Serves `call`, and writes what it takes. Throws what {@link serve} throws; then nothing has been adopted. */
export function serveAndApply(node: Node, call: Call): Served {
  const kernel = kernelOf(node);
  const first = call.kind === "CreateContainer" ? withTriedAgain(node) : node;
  let served = serve(first, call);
  if (kernel === undefined) return served;
  let known = first.ledger;
  const logs: LogRecord[] = [];
  for (let tries = 1; served.writes !== undefined && served.writes.length > 0; tries++) {
    const result = tooEarly(known, served) ?? kernel.write(served.writes.map(writeOf), WRITE_DEADLINE);
    if (result.kind === "done") break;
    const next = learnt(kernel, known, served.writes, result, node.now);
    known = next.ledger;
    logs.push(...next.logs);
    if (tries === MAX_TRIES) {
      const refusal = unmoved(withLedger(node, known), call, result.reason);
      return { ...refusal, logs: [...logs, ...refusal.logs] };
    }
    served = serve(withLedger(node, known), call);
  }
  return { ...served, logs: [...logs, ...served.logs] };
}

function writeOf({ assignment: { container }, cpus }: Sent): CpusetWrite {
  return { container, cpus };
}

/**
 * Those who would go, before the reply is given, onto CPUs that others leave only when it is: they have to go with the
 * reply too.
 */
function tooEarly(ledger: Ledger, { writes = [], updates = [] }: Served): CpusetWriteResult | undefined {
  const running = updates.filter(({ assignment }) => assignment.kernel !== "at-start");
  const left = CpuSet.unionOf(
    running.map(({ assignment, cpus }) => ledger.runsOn(assignment).difference(cpus)),
  );
  const early = writes
    .filter(({ assignment, cpus }) => cpus.difference(ledger.runsOn(assignment)).intersects(left))
    .map(({ id }) => id);
  const reason = "others leave these CPUs only by the runtime";
  return early.length === 0 ? undefined : { kind: "unverified", containers: new Set(early), reason };
}

function unmoved(node: Node, call: Call, reason: string): Served {
  const { pod, container } = call as Call & Subject;
  const why = `the CPUs of other containers can't be changed: ${reason}; it is tried again`;
  return refused(node, refuse(refOf(pod, container), "unavailable", why));
}

/** Who couldn't be made to leave CPUs is tried once more before somebody is refused because of that. */
function withTriedAgain(node: Node): Node {
  const ledger = triedAgain(node);
  return ledger === node.ledger ? node : withLedger(node, ledger);
}

function triedAgain(node: Node): Ledger {
  const kernel = kernelOf(node);
  const { ledger } = node;
  if (ledger.stuck.size === 0) return ledger;
  if (kernel === undefined) return lookedAgain(node);
  const retried = settle(kernel, ledger, node.now, "all").ledger;
  return [...retried.stuck.keys()].reduce((next, id) => {
    const holder = next.assignments.get(id);
    const asItShould = holder === undefined || next.runsOn(holder).isSubsetOf(next.effective(holder));
    return asItShould ? next.sticking(id, undefined) : next;
  }, retried);
}

/** By the runtime alone nobody can be made to leave; but it may have happened since. */
function lookedAgain({ ledger, cpusets }: Node): Ledger {
  return [...ledger.stuck.keys()].reduce((next, id) => {
    const holder = next.assignments.get(id);
    const reading = holder && cpusets?.read(holder.container);
    if (holder === undefined || reading?.kind !== "values") return next.sticking(id, undefined);
    const over = reading.cpus.intersection(next.topology.online).difference(next.effective(holder));
    return over.isEmpty ? next.sticking(id, undefined) : next;
  }, ledger);
}
