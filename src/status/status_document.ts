/** The agent's view as a document. Pure: no clock, no process. */
import type { ContainerView, DeliveryState, GroupView, HeldView, NodeView } from "../agent/view.ts";
import { CpuSet } from "../cpu/cpu_set.ts";
import type { Topology } from "../cpu/topology.ts";
import type { Claim } from "../ledger/claim.ts";
import type { ContainerDocument, ContainerState, HeldDocument, StatusDocument } from "./document.ts";
import { requestOf } from "./request.ts";

/** What the view doesn't know. */
export interface Surroundings {
  readonly version: string;
  readonly mode: "launched" | "external";
  readonly pid: number;
  readonly startedAt: string;
  readonly topology: Topology;
  /** From the agent's milliseconds to ISO 8601. */
  readonly timeOf: (milliseconds: number) => string;
}

export function statusDocument(view: NodeView, around: Surroundings): StatusDocument {
  const { version, mode, pid, startedAt, timeOf } = around;
  const { phase, dryRun, pendingSince, claimsSuspendedReason } = view;
  const pending = pendingSince === undefined ? {} : { pendingSince: timeOf(pendingSince) };
  return {
    service: "weka-cpuset",
    version: 1,
    agent: { version, mode, pid, startedAt, phase, dryRun, ...pending },
    node: {
      online: `${view.online}`,
      ...view.withheld.length === 0
        ? {}
        : { withheld: view.withheld.map(({ cpus, why }) => ({ cpus: `${cpus}`, why })) },
      reserved: `${view.reserved}`,
      sharedPool: `${view.sharedPool}`,
      exclusive: `${view.exclusive}`,
      pinned: `${view.pinned}`,
      ...optional("claimsSuspended", claimsSuspendedReason),
      ...(view.unreportedEnds === 0 ? {} : { unreportedEnds: view.unreportedEnds }),
    },
    containers: [...view.containers.values()].map((each) => containerDocument(each, around)),
    ...(view.held.length === 0 ? {} : { held: view.held.flatMap(heldDocument) }),
    groups: [...view.groups].map(([path, group]) => ({ path, ...groupDocument(group) })),
  };
}

export function containerDocument(
  view: ContainerView,
  { topology, timeOf }: Surroundings,
): ContainerDocument {
  const { container: { id, namespace, pod, podUid, name }, claim, desired, mayRunOn, mems, since } = view;
  return {
    id,
    namespace,
    pod,
    podUid,
    container: name,
    kind: claim.kind,
    claim: claimText(claim),
    request: requestOf(claim, view.affinity.state === "pinned"),
    cpus: `${desired}`,
    ...(view.grant.isEmpty ? {} : { grant: `${view.grant}` }),
    mayRunOn: `${mayRunOn}`,
    numaNodes: `${nodesOf(topology, desired)}`,
    mems: mems === undefined ? "" : `${mems}`,
    state: stateOf(view),
    ...optional("reason", reasonOf(view)),
    keptBy: view.isolation?.isInForce ? "partition" : view.keptBy,
    ...(view.throttled === undefined ? {} : { throttled: view.throttled }),
    ...(since === undefined ? {} : { since: timeOf(since) }),
  };
}

function heldDocument(
  { container: { namespace, pod, podUid, name }, claim, grant }: HeldView,
): HeldDocument[] {
  if (claim.kind === "shared") return [];
  const request = requestOf(claim, false);
  return [{ namespace, pod, podUid, container: name, kind: claim.kind, grant: `${grant}`, request }];
}

const STATES: Readonly<Record<DeliveryState, ContainerState>> = {
  "not started": "starting",
  confirmed: "confirmed",
  assumed: "unverified",
  unverified: "unverified",
  pending: "pending",
  blocked: "pending",
  failed: "failed",
};

export function stateOf({ degraded, state, affinity }: ContainerView): ContainerState {
  if (degraded !== undefined) return "degraded";
  return state === "confirmed" && affinity.state === "narrowed" ? "narrowed" : STATES[state];
}

/** Why it isn't confirmed, in a clause. */
function reasonOf(
  { degraded, failure, state, isolation, unbound, unverified, affinity }: ContainerView,
): string | undefined {
  if (degraded !== undefined) return degraded;
  if (state === "failed") return failure?.reason;
  if (state === "blocked") return "another container that keeps its CPUs has to give them up first";
  if (state === "unverified") return unverified;
  if (state === "assumed") return "set by the runtime, which reports no failure; not read back";
  return isolation?.reason ?? unbound ?? affinityClause(affinity);
}

function affinityClause({ state, cpus, lost }: ContainerView["affinity"]): string | undefined {
  const left = cpus === undefined || cpus.isEmpty ? "" : ` ${cpus}`;
  if (state === "narrowed") return `its threads may use${left} of them only, by a mask that they inherit`;
  if (lost !== undefined) return `masks of its threads for CPUs ${lost} are lost`;
  return state === "pinned" ? `it pins threads to CPUs${left}` : undefined;
}

/** `4 whole CPUs of its own`. */
export function claimText(claim: Claim): string {
  switch (claim.kind) {
    case "pinned":
      return `exactly CPUs ${claim.cpus} (${claim.key ?? "weka.io/cores-ids"})`;
    case "exclusive": {
      const { count, forbidden, movable, placement, ofPod } = claim;
      return [
        `${count} ${count === 1 ? "CPU" : "CPUs"} of its own, ${placement}`,
        ...ofPod ? ["with others of its pod"] : [],
        ...forbidden.isEmpty ? [] : [`none of ${forbidden}`],
        ...movable === false ? ["not moved"] : [],
      ].join(", ");
    }
    case "shared":
      return claim.forbidden.isEmpty ? "shared pool" : `shared pool without ${claim.forbidden}`;
  }
}

/** The ids of the NUMA nodes that these CPUs are in. */
export function nodesOf(topology: Topology, cpus: CpuSet): CpuSet {
  return CpuSet.from(topology.nodes.filter((node) => node.cpus.intersects(cpus)).map(({ id }) => id));
}

function groupDocument({ keeps, desired, state, weakness, failure }: GroupView) {
  const reason = failure?.reason ?? weakness;
  return { keeps, cpus: `${desired}`, state: STATES[state], ...optional("reason", reason) };
}

function optional<Name extends string>(name: Name, value: string | undefined): Partial<Record<Name, string>> {
  return value === undefined ? {} : { [name]: value } as Partial<Record<Name, string>>;
}
