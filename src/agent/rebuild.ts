/**
 * Finding the running containers when the runtime doesn't report them: containerd 1.7.24 never synchronizes a plugin
 * that it launched, and one that leaves standby has changed nothing so far and has no container in its ledger.
 *
 *     not synchronized ──first event, or a second──▶ list ──ten seconds──▶ scan
 *
 * One that was synchronized on standby serves at once, by what it has received, and asks for the list all the same.
 * Whatever answers first is taken over; a list that comes after a scan replaces it.
 */
import type { CpuSet } from "../cpu/cpu_set.ts";
import type { Policy } from "../ledger/policy.ts";
import {
  type Agent,
  type Connection,
  describe,
  idle,
  log,
  logOutput,
  type Output,
  type Step,
  wakeFor,
} from "./agent.ts";
import type { Listing, Living } from "./early.ts";
import { forgetEnded } from "./ended.ts";
import { stillListed } from "./lost_ends.ts";
import type { MachineChange } from "./machine.ts";
import { takeDue } from "./pending.ts";
import { received } from "./standby.ts";
import type { AgentState, Settings } from "./state.ts";
import { promote } from "./serve.ts";
import { adoptMachine, adoptTopology } from "./adopt_machine.ts";
import { adoptClaims, type Adopted, adoptListing, adoptReceived, adoptUnknown } from "./adopt.ts";

/** Milliseconds from Configure to asking for the running containers, when no Synchronize and no event has come. */
const LIST_AFTER_MS = 1000;
/** Milliseconds from asking for them to doing without. */
const LIST_TIMEOUT_MS = 10_000;
/** Milliseconds between counts of the running containers, for ends that may not be reported. */
const COUNT_INTERVAL_MS = 5000;

/** Asks, once per connection, for the running containers where the runtime should have reported them by now. */
export function requestListing(agent: Agent): Step {
  const { connection, state } = agent;
  if (
    connection === undefined || connection.listedAt !== undefined || state.standby ||
    state.passive !== undefined || state.phase !== "configured"
  ) {
    return idle(agent);
  }
  const message = "the runtime didn't synchronize the plugin, its containers are asked of the CRI";
  return {
    agent: {
      ...agent,
      state: { ...state, awaitsListing: true },
      connection: { ...connection, listedAt: state.now },
    },
    outputs: [log("info", message), { kind: "list", anew: true }],
  };
}

/** This agent is active now: what runs has to be known first. */
export function promoted(agent: Agent): Step {
  if (!agent.state.standby) return idle(agent);
  const { connection: before, ...rest } = agent;
  const [known, state] = [received(agent.state), promote(agent.state)];
  const asked = requestListing(
    before === undefined ? { ...rest, state } : { ...rest, state, connection: withoutRequests(before) },
  );
  const taken = known === undefined
    ? idle(asked.agent)
    : adopt(asked.agent, (state) => adoptReceived(state, known));
  const first = log("info", "this agent decides on the node from now on");
  return { agent: taken.agent, outputs: [first, ...asked.outputs, ...taken.outputs] };
}

function withoutRequests({ listedAt: _, scanned: __, ...link }: Connection): Connection {
  return link;
}

/** A list has come: of all that run, or to find those that are in no event so far. */
export function listed(agent: Agent, listing: Listing): Step {
  if (agent.state.passive !== undefined) return idle(agent);
  if (agent.state.awaitsListing) return adopt(agent, (state) => adoptListing(state, listing));
  return agent.state.phase === "serving"
    ? adopt(agent, (state) => adoptUnknown(state, listing))
    : idle(agent);
}

/** There still is no list; these CPUs seem taken. */
export function scanned(agent: Agent, claims: CpuSet): Step {
  return agent.state.phase === "configured" && agent.state.passive === undefined
    ? adopt(agent, (state) => adoptClaims(state, claims))
    : idle(agent);
}

/** What is due by now, while the running containers aren't known. */
export function runRebuild(agent: Agent): Step {
  const { connection, state } = agent;
  const { now } = state;
  if (connection === undefined || state.standby) return idle(agent);
  if (state.phase === "serving") return flushPending(recount(agent, connection));
  if (state.phase !== "configured") return idle(agent);
  if (connection.listedAt === undefined) {
    return now - (connection.configuredAt ?? now) >= LIST_AFTER_MS ? requestListing(agent) : idle(agent);
  }
  if (connection.scanned || now - connection.listedAt < LIST_TIMEOUT_MS) return idle(agent);
  return { agent: { ...agent, connection: { ...connection, scanned: true } }, outputs: [{ kind: "scan" }] };
}

/**
 * containerd 1.7.24 reports the ends of only those containers that it has reported to a plugin; after its restart those
 * are none of the older ones. So as long as one of these is left, the running containers are counted.
 */
function recount(agent: Agent, link: Connection): Step {
  const { untracked, reconcileMs, ledger } = agent.state;
  // Where nothing is compared pods may end unnoticed, for which claims are held.
  const isUnsure = untracked.size > 0 || (reconcileMs === 0 && ledger.heldClaims.length > 0);
  const due = isUnsure &&
    agent.state.now - (link.countedAt ?? link.listedAt ?? link.configuredAt ?? agent.state.now) >=
      COUNT_INTERVAL_MS;
  if (!due) return idle(agent);
  return {
    agent: { ...agent, connection: { ...link, countedAt: agent.state.now } },
    outputs: [{ kind: "count" }],
  };
}

/** Requests the pending updates that are due. */
function flushPending({ agent, outputs }: Step): Step {
  const { state, updates } = takeDue(agent.state);
  return updates.length === 0
    ? { agent, outputs }
    : { agent: { ...agent, state }, outputs: [...outputs, { kind: "apply", changes: updates }] };
}

/** Other CPUs are online. */
export function topologyChanged(agent: Agent, change: MachineChange): Step {
  return adopt(agent, (state) => adoptMachine(state, change));
}

/** The administrator has decided otherwise. */
export function settingsChanged(agent: Agent, { policy, ...rest }: Settings): Step {
  const next = { ...agent, state: { ...agent.state, ...rest } };
  // It is for later.
  if (agent.state.passive !== undefined) {
    return idle({ ...next, state: { ...next.state, passive: { policy } } });
  }
  return withPolicy(next, policy);
}

/** Another program on this node gives CPUs too, for that reason; or, where there is none, does so no more. */
export function claimsSuspended(agent: Agent, reason: string | undefined): Step {
  const next = { ...agent, state: { ...agent.state, claimsSuspendedReason: reason } };
  if (agent.state.passive !== undefined) return idle(next);
  const { policy } = agent.state.ledger;
  return (policy.claimsSuspended ?? false) === (reason !== undefined) ? idle(next) : withPolicy(next, policy);
}

function withPolicy(agent: Agent, given: Policy): Step {
  const { ledger: { topology }, claimsSuspendedReason } = agent.state;
  const policy = { ...given, claimsSuspended: claimsSuspendedReason !== undefined };
  return adopt(agent, (state) => adoptTopology(state, { topology, policy }));
}

/** Which containers live has come. */
export function counted(agent: Agent, living: Living): Step {
  if (agent.state.phase !== "serving" || agent.state.awaitsListing) return idle(agent);
  const next = adopt(agent, (state) => forgetEnded(state, living));
  const { ledger, reconcile } = next.agent.state;
  const lostEnds = stillListed(next.agent.state, living.containers);
  const isKnown = (id: string) =>
    ledger.assignments.has(id) || reconcile.unmanaged.has(id) || lostEnds.ended.has(id);
  const unknown = [...living.containers].filter((id) => !isKnown(id));
  // A container that is being created in this moment will be reported.
  const again = reconcile.lacksEnded || unknown.some((id) => reconcile.unknown.has(id));
  const unmanaged = new Set([...reconcile.unmanaged].filter((id) => living.containers.has(id)));
  const state = {
    ...next.agent.state,
    reconcile: { ...reconcile, unknown: new Set(unknown), unmanaged, lostEnds, lacksEnded: false },
  };
  return {
    agent: { ...next.agent, state },
    outputs: [...next.outputs, ...(again ? [{ kind: "list" } as const] : [])],
  };
}

/** Adopts what was found out about the running containers, and requests the updates that they lack. */
function adopt(agent: Agent, by: (state: AgentState) => Adopted): Step {
  try {
    const { state, updates, logs } = by(agent.state);
    const apply: Output[] = updates.length === 0 ? [] : [{ kind: "apply", changes: updates }];
    const wake = wakeFor(agent.state, state);
    return { agent: { ...agent, state }, outputs: [...logs.map(logOutput), ...apply, ...wake] };
  } catch (error) {
    return {
      agent,
      outputs: [log("error", `bug while taking over the containers, please report it: ${describe(error)}`)],
    };
  }
}
