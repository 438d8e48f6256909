/**
 * CFS quotas of containers with CPUs of their own (`exclusiveQuota: off`). A quota of as many CPUs as a container has
 * throttles it all the same, by the kernel's accounting in slices; so the container has none, nor has its pod while one of
 * its containers has CPUs of its own, as with kubelet's DisableCPUQuotaWithExclusiveCPUs (1.33). What the kernel should have
 * follows from the ledger, and is settled as partitions are; kubelet and the runtime write quotas now and then, so it is
 * looked at again at each comparison.
 */
import type { CpusetPort, QuotaPort, QuotaResult } from "../cgroup/port.ts";
import { type Assignment, podOf } from "../ledger/assignment.ts";
import type { CpuQuota } from "../ledger/claim.ts";
import { hasNoProcess } from "../ledger/delivery.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { perLedger } from "../ledger/per_ledger.ts";
import type { LogRecord } from "../log_record.ts";
import { writablePort } from "./apply_mode.ts";
import type { Logged } from "./logged.ts";
import { logOf } from "./logs.ts";
import type { AgentState, Quota, Quotas } from "./state.ts";

/** How many containers are looked at at a time: each takes some 100 µs. */
const BATCH = 32;
/** Microseconds, as kubelet has it. */
const PERIOD = 100_000;

/** Whether a container has CPUs of its own, by which its quota is lifted where that is asked for. */
export function isUnlimited(
  { exclusiveQuota }: Pick<AgentState, "exclusiveQuota">,
  { claim: { kind }, grant }: Pick<Assignment, "claim" | "grant">,
): boolean {
  return exclusiveQuota === "off" && (kind === "exclusive" || kind === "pinned") && !grant.isEmpty;
}

/** The quota in microseconds that goes with a container's CPUs in a reply; −1: none. Undefined: what it has stays. */
export function quotaInReply(
  state: Pick<AgentState, "exclusiveQuota">,
  assignment: Assignment,
): number | undefined {
  if (isUnlimited(state, assignment)) return -1;
  return state.exclusiveQuota === "off" && assignment.claim.kind !== "shared"
    ? limitOf(assignment)?.quota
    : undefined;
}

/** Writes what differs, as far as one look goes. A failure is only logged, once for each container and cause. */
export function settleQuotas(state: AgentState): Logged {
  const port = quotaPort(state);
  if (port === undefined) return { state, logs: [] };
  const open = openIn(state);
  const ended = [...state.quotas.keys()].filter((id) => !state.ledger.assignments.has(id));
  if (open.length === 0 && ended.length === 0) return { state, logs: [] };
  const logs: LogRecord[] = [];
  const quotas = new Map(state.quotas);
  for (const id of ended) quotas.delete(id);
  for (const assignment of open.slice(0, BATCH)) {
    const { id } = assignment.container;
    const known = quotas.get(id);
    const next = settled(port, state.ledger, assignment, known);
    quotas.set(id, next);
    logs.push(...logsOf(assignment, known, next));
  }
  return { state: { ...state, quotas }, logs };
}

/** Whether there is more than one look could settle. */
export function hasOpenQuotas(state: AgentState): boolean {
  return quotaPort(state) !== undefined && openIn(state).length > 0;
}

/** What they are in the kernel is looked at again; what has failed is tried again. */
export function unsureQuotas(quotas: Quotas): Quotas {
  if (quotas.size === 0) return quotas;
  return new Map([...quotas].map(([id, each]) => [id, { ...each, isUnsure: true as const }]));
}

/** In how many periods a container with CPUs of its own was throttled so far; undefined: it has none, or that isn't known. */
export function throttledOf(
  cpusets: CpusetPort,
  { container, claim, grant }: Assignment,
): number | undefined {
  const hasOwn = (claim.kind === "exclusive" || claim.kind === "pinned") && !grant.isEmpty;
  return hasOwn ? cpusets.quotas?.throttled(container) : undefined;
}

function quotaPort(state: AgentState): QuotaPort | undefined {
  const isIdle = state.exclusiveQuota === "keep" || state.phase !== "serving";
  return isIdle ? undefined : writablePort(state)?.quotas;
}

/** Those whose quota isn't known to be as it should. */
function openIn(state: AgentState): Assignment[] {
  const { quotas, ledger } = state;
  return claimantsIn(ledger).filter((each) => {
    const known = quotas.get(each.container.id);
    const isLifted = isUnlimited(state, each);
    return known === undefined ? isLifted : known.isUnsure === true || known.isLifted !== isLifted;
  });
}

/** Containers that run and claim CPUs of their own. */
const claimantsIn = perLedger((ledger) =>
  ledger.those("claimants").filter(({ claim, delivery }) =>
    claim.kind !== "shared" && !hasNoProcess(delivery)
  )
);

function settled(port: QuotaPort, ledger: Ledger, assignment: Assignment, known: Quota | undefined): Quota {
  const { container, grant } = assignment;
  const isLifted = !grant.isEmpty;
  const limit = isLifted ? undefined : limitOf(assignment);
  const had = known?.podLimit === undefined ? {} : { podLimit: known.podLimit };
  // What it asks for isn't known, as of a pinned one that an agent before had lifted.
  if (!isLifted && limit === undefined) return { isLifted, ...had };
  const own = port.ofContainer(container, limit);
  const pod = isLifted
    ? port.ofPod(container, undefined)
    : known?.podLimit === undefined || hasUnlimited(ledger, assignment)
    ? NOTHING
    : port.ofPod(container, known.podLimit);
  const failure = [own, pod].find((each) => each.kind === "failed");
  const before = isLifted && pod.kind === "done" && pod.before !== undefined ? { podLimit: pod.before } : had;
  return { isLifted, ...before, ...(failure === undefined ? {} : { reason: failure.reason }) };
}

const NOTHING: QuotaResult = { kind: "done", isNew: false };

/** What it asks for: an exclusive one as many CPUs as it claims. */
function limitOf({ claim }: Assignment): CpuQuota | undefined {
  if (claim.kind === "exclusive") return { quota: claim.count * PERIOD, period: PERIOD };
  return claim.kind === "pinned" ? claim.quota : undefined;
}

/** Whether another container of its pod has CPUs of its own. */
function hasUnlimited(ledger: Ledger, own: Assignment): boolean {
  return claimantsIn(ledger).some((each) => podOf(each) === podOf(own) && !each.grant.isEmpty);
}

function logsOf({ container }: Assignment, before: Quota | undefined, now: Quota): LogRecord[] {
  const { isLifted, reason } = now;
  if (reason !== undefined) {
    return before?.reason === reason
      ? []
      : [logOf("warn", "CFS quota not changed; retrying", container, { reason })];
  }
  if (before?.isLifted === isLifted && before.reason === undefined) return [];
  return [logOf("info", isLifted ? "CFS quota lifted" : "CFS quota restored", container)];
}
