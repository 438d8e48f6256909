/**
 * Finding the running containers when the runtime doesn't tell them: containerd 1.7.24 never synchronizes a plugin
 * that it launched, and one that stood by and takes over has missed the telling.
 *
 *     not told ──first event, or a second──▶ list ──ten seconds──▶ scan
 *
 * Whatever answers first is taken over; a list that comes after a scan replaces it.
 */
import type { CpuSet } from "../cpu/cpu_set.ts";
import {
  type Agent,
  describe,
  idle,
  type Link,
  log,
  logOutput,
  type Output,
  type Step,
  wakeFor,
} from "./agent.ts";
import type { Listing } from "./early.ts";
import type { Topology } from "../cpu/topology.ts";
import { due } from "./pending.ts";
import type { Node, Settings } from "./state.ts";
import { promote } from "./serve.ts";
import {
  adoptClaims,
  type Adopted,
  adoptGround,
  adoptListing,
  adoptUnheard,
  forgetEnded,
} from "./handlers/synchronize.ts";

/** Milliseconds from Configure to asking for the running containers, when no Synchronize and no event has come. */
const LIST_AFTER = 1000;
/** Milliseconds from asking for them to doing without. */
const LIST_TIMEOUT = 10_000;
/** Milliseconds between looks for ends that may not be told. */
const COUNT_EVERY = 5000;

/** Asks, once a connection, for the running containers where the runtime should have told them by now. */
export function ask(agent: Agent): Step {
  const { link, node } = agent;
  if (link === undefined || link.askedAt !== undefined || node.standby || node.phase !== "configured") {
    return idle(agent);
  }
  const message = "the runtime didn't synchronize the plugin, its containers are asked of the CRI";
  return {
    agent: { ...agent, node: { ...node, awaiting: true }, link: { ...link, askedAt: node.now } },
    outputs: [log("info", message), { kind: "list" }],
  };
}

/** Nobody else decides on the node any more: what runs has to be heard of first. */
export function promoted(agent: Agent): Step {
  if (!agent.node.standby) return idle(agent);
  const { link: before, ...rest } = agent;
  const node = promote(agent.node);
  const asked = ask(before === undefined ? { ...rest, node } : { ...rest, node, link: notAsked(before) });
  const first = log("info", "this agent decides on the node from now on");
  return { agent: asked.agent, outputs: [first, ...asked.outputs] };
}

function notAsked({ askedAt: _, scanned: __, ...link }: Link): Link {
  return link;
}

/** A list has come: of all that run, or to find those that nobody has told of. */
export function listed(agent: Agent, listing: Listing): Step {
  if (agent.node.awaiting) return adopt(agent, (node) => adoptListing(node, listing));
  return agent.node.phase === "serving" ? adopt(agent, (node) => adoptUnheard(node, listing)) : idle(agent);
}

/** There still is no list; these CPUs seem taken. */
export function scanned(agent: Agent, claims: CpuSet): Step {
  return agent.node.phase === "configured" ? adopt(agent, (node) => adoptClaims(node, claims)) : idle(agent);
}

/** What is due by now, while the running containers aren't known. */
export function waited(agent: Agent): Step {
  const { link, node } = agent;
  const { now } = node;
  if (link === undefined || node.standby) return idle(agent);
  if (node.phase === "serving") return payingOff(recount(agent, link));
  if (node.phase !== "configured") return idle(agent);
  if (link.askedAt === undefined) {
    return now - (link.configuredAt ?? now) >= LIST_AFTER ? ask(agent) : idle(agent);
  }
  if (link.scanned || now - link.askedAt < LIST_TIMEOUT) return idle(agent);
  return { agent: { ...agent, link: { ...link, scanned: true } }, outputs: [{ kind: "scan" }] };
}

/**
 * containerd 1.7.24 tells the ends of only those containers that it has told a plugin of; after its restart those
 * are none of the older ones. So as long as one of these is left, it is asked after.
 */
function recount(agent: Agent, link: Link): Step {
  const due = agent.node.untold.size > 0 &&
    agent.node.now - (link.countedAt ?? link.askedAt ?? agent.node.now) >= COUNT_EVERY;
  if (!due) return idle(agent);
  return { agent: { ...agent, link: { ...link, countedAt: agent.node.now } }, outputs: [{ kind: "count" }] };
}

/** Has what was owed for long enough brought about. */
function payingOff({ agent, outputs }: Step): Step {
  const { node, owed } = due(agent.node);
  return owed.length === 0
    ? { agent, outputs }
    : { agent: { ...agent, node }, outputs: [...outputs, { kind: "apply", changes: owed }] };
}

/** Other CPUs are online. */
export function grounded(agent: Agent, topology: Topology, struck: boolean): Step {
  const { policy, topology: { online } } = agent.node;
  const fields = { before: online.toString(), online: topology.online.toString() };
  const next = adopt(agent, (node) => adoptGround(node, { topology, policy, struck }));
  return {
    ...next,
    outputs: [log("warn", "the CPUs that are online have changed", fields), ...next.outputs],
  };
}

/** The administrator has decided otherwise. */
export function resettled(agent: Agent, settings: Settings): Step {
  const { topology } = agent.node;
  const settled = { ...agent, node: { ...agent.node, ...settings } };
  return adopt(settled, (node) => adoptGround(node, { topology, policy: settings.policy }));
}

/** Which containers live has come. */
export function counted(agent: Agent, living: ReadonlySet<string>): Step {
  if (agent.node.phase !== "serving" || agent.node.awaiting) return idle(agent);
  const next = adopt(agent, (node) => forgetEnded(node, living));
  const { ledger, audit } = next.agent.node;
  const unheard = [...living].filter((id) => !ledger.assignments.has(id) && !audit.unmanaged.has(id));
  // What is being created in this moment will be told.
  const again = unheard.some((id) => audit.unheard.has(id));
  const unmanaged = new Set([...audit.unmanaged].filter((id) => living.has(id)));
  const node = { ...next.agent.node, audit: { ...audit, unheard: new Set(unheard), unmanaged } };
  return {
    agent: { ...next.agent, node },
    outputs: [...next.outputs, ...(again ? [{ kind: "list" } as const] : [])],
  };
}

/** Takes over what was found out about the running containers, and has the differences put right. */
function adopt(agent: Agent, by: (node: Node) => Adopted): Step {
  try {
    const { node, owed, logs } = by(agent.node);
    const apply: Output[] = owed.length === 0 ? [] : [{ kind: "apply", changes: owed }];
    const wake = wakeFor(agent.node, node);
    return { agent: { ...agent, node }, outputs: [...logs.map(logOutput), ...apply, ...wake] };
  } catch (error) {
    return {
      agent,
      outputs: [log("error", `bug while taking over the containers, please report it: ${describe(error)}`)],
    };
  }
}
