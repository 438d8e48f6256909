/**
 * A passive agent has been released by hand: every container and every group has all CPUs again, and the runtime's requests
 * are answered without placing anything, until it is resumed or started anew. Claims stay known, without grants: so what
 * delivers CPUs delivers these as well, verified as ever, and ends are followed.
 */
import { CpuSet } from "../cpu/cpu_set.ts";
import type { Assignment } from "../ledger/assignment.ts";
import { resolved } from "../ledger/delivery.ts";
import { Ledger } from "../ledger/ledger.ts";
import { limited } from "../ledger/limit.ts";
import { pendingUpdates } from "../ledger/updates.ts";
import { type Agent, idle, log, type Output, type Step } from "./agent.ts";
import { openPauses } from "./pauses.ts";
import { withLedger } from "./pending.ts";
import { promoted } from "./rebuild.ts";
import type { AgentState } from "./state.ts";
import { viewOf } from "./view.ts";

const PASSIVE = "the agent is passive: it was released, and places nothing until it is resumed";

/** Only an agent that knows what runs can give that all CPUs. */
export function released(agent: Agent): Step {
  const { state } = agent;
  if (state.standby || state.passive !== undefined || state.phase !== "serving") return idle(agent);
  const passive = { policy: state.ledger.policy };
  const next = withLedger({ ...openPauses(state), passive, refused: new Map() }, opened(state.ledger));
  const changes = state.dryRun ? [] : pendingUpdates(next.ledger);
  const outputs: Output[] = [
    log("warn", "released: all containers get all CPUs"),
    ...changes.length === 0 ? [] : [{ kind: "apply", changes } as const],
    { kind: "wake", after: 0 },
  ];
  return { agent: { ...agent, state: next }, outputs };
}

/** What runs is found anew, as by an agent that leaves standby. */
export function resumed(agent: Agent): Step {
  const { passive, ...state } = agent.state;
  if (passive === undefined || state.standby) return idle(agent);
  const { ledger: { topology }, claimsSuspendedReason } = state;
  const policy = { ...passive.policy, claimsSuspended: claimsSuspendedReason !== undefined };
  const ledger = Ledger.empty(topology, policy);
  const next = promoted({ ...agent, state: { ...state, ledger, standby: true } });
  return { ...next, outputs: [log("info", "resumed: containers are placed again"), ...next.outputs] };
}

/** The same containers and groups, none of which has CPUs for itself, on a node that reserves none. */
function opened(ledger: Ledger): Ledger {
  const { topology, policy } = ledger;
  const open = {
    ...policy,
    systemReserved: CpuSet.empty,
    isolatedCpus: "ignore",
    // What has less than it claims isn't retried.
    claimsSuspended: true,
  } as const;
  return ledger.inOrder().filter(({ isHeld }) => !isHeld)
    // What one couldn't be made to give up it keeps; what it lacks it gets at once.
    .reduce((next, each) => next.with(withoutGrant(resolved(each))), Ledger.empty(topology, open)).allDirty();
}

function withoutGrant(assignment: Assignment): Assignment {
  const { displaced: _, home: __, chosen: ___, degraded: ____, fence, ...rest } = assignment;
  const { claim, isWithin } = assignment;
  if (claim.kind === "group") {
    return claim.keeps === "found" ? assignment : { ...rest, claim: { kind: "group", keeps: "online" } };
  }
  // In cgroup v1 each set stays within that of its class.
  const around = fence !== undefined && isWithin ? { fence } : {};
  const bare = { ...rest, ...around, grant: CpuSet.empty };
  // What its cgroups leave it is no reason any more to refuse its start.
  if (claim.kind === "pinned") return { ...bare, claim: limited(claim, undefined), degraded: PASSIVE };
  if (claim.kind === "shared") return { ...bare, claim: { ...claim, forbidden: CpuSet.empty } };
  const free = { ...limited(claim, undefined), forbidden: CpuSet.empty };
  return { ...bare, claim: free, degraded: PASSIVE };
}

/** How far a release has come. */
export interface Openness {
  /** How many containers and groups have all CPUs. */
  readonly done: number;
  /** How many don't yet. */
  readonly pending: number;
  /** Those whose last write failed, and why. */
  readonly failed: readonly { readonly name: string; readonly reason: string }[];
}

export function opennessOf(state: AgentState): Openness {
  const { containers, groups } = viewOf(state);
  const all = [
    ...[...containers.values()].map(({ container: { namespace, pod, name }, ...view }) => ({
      name: `${namespace}/${pod}/${name}`,
      state: view.state,
      failure: view.failure,
    })),
    ...[...groups].map(([name, { state, failure }]) => ({ name, state, failure })),
  ];
  const failed = all.filter(({ state }) => state === "failed");
  const pending = all.filter(({ state }) => state === "pending" || state === "blocked");
  return {
    done: all.length - failed.length - pending.length,
    pending: pending.length,
    failed: failed.map(({ name, failure }) => ({ name, reason: failure?.reason ?? "" })),
  };
}
