/** The read model of one CPU: whose it is, who may run there, and why nobody else may. */
import { CpuSet } from "../cpu/cpu_set.ts";
import type { Cpu, Topology } from "../cpu/topology.ts";

import type { Assignment } from "../ledger/assignment.ts";
import { type ContainerRef, describe } from "../ledger/claim.ts";
import { contestedIn } from "../ledger/contested.ts";
import { runsOn, shouldRunOn } from "../ledger/groups.ts";
import { keptIsolated } from "../ledger/isolated.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { AgentState } from "./state.ts";

export interface CpuExplanation {
  readonly kind: "cpu";
  readonly id: number;
  /** `idle`: beside an exclusive container that has its core alone; `unavailable`: no container can have it. */
  readonly use: "exclusive" | "pinned" | "idle" | "shared" | "kept" | "unavailable";
  /** Where it is; absent: it isn't online, or isn't there. */
  readonly place?: CpuPlaceView;
  /** Those that have it for themselves. */
  readonly owners: readonly Owning[];
  /** Those that may run on it by what they should have. */
  readonly users: readonly ContainerRef[];
  /** Those that may still be running on it, and shouldn't. */
  readonly leaving: readonly ContainerRef[];
  /** Why no others may, a sentence each. */
  readonly reasons: readonly string[];
}

export interface CpuPlaceView extends Pick<Cpu, "node" | "socket"> {
  readonly core: CpuSet;
  readonly cacheGroup: CpuSet;
}

/** One that has the CPU for itself, and the CPUs that it has. */
export interface Owning {
  readonly container: ContainerRef;
  readonly kind: "pinned" | "exclusive";
  readonly cpus: CpuSet;
  /** It has ended, and its CPUs are its pod's. */
  readonly isHeld: boolean;
}

export function explainCpu({ ledger }: AgentState, id: number): CpuExplanation {
  const { topology, sharedPool } = ledger;
  const place = placeOf(topology, id);
  const all = ledger.inOrder().filter(({ claim, isHeld }) => claim.kind !== "group" && !isHeld);
  const should = (each: Assignment) => shouldRunOn(ledger, each).has(id);
  const owners = ownersOf(ledger, id);
  const [first] = owners;
  const use = first === undefined
    ? place === undefined ? "unavailable" : sharedPool.has(id) ? "shared" : "kept"
    : first.cpus.has(id)
    ? first.kind
    : "idle";
  return {
    kind: "cpu",
    id,
    use,
    ...(place === undefined ? {} : { place }),
    owners,
    users: all.filter(should).map(({ container }) => container),
    leaving: all.filter((each) => runsOn(ledger, each).has(id) && !should(each)).map(({ container }) =>
      container
    ),
    reasons: [...absence(topology, id), ...owners.map((owner) => ownership(owner, id)), ...rules(ledger, id)],
  };
}

function placeOf(topology: Topology, id: number): CpuPlaceView | undefined {
  const cpu = topology.cpu(id);
  const cacheGroup = topology.groups.cacheGroups.find((group) => group.has(id));
  if (cpu === undefined || cacheGroup === undefined) return undefined;
  return { core: topology.threadsOf(id), cacheGroup, node: cpu.node, socket: cpu.socket };
}

/** Those that keep it from others, also as an idle thread of their cores. */
function ownersOf(ledger: Ledger, id: number): Owning[] {
  return ledger.inOrder().flatMap((each): Owning[] => {
    const { container, claim: { kind }, grant, isHeld = false } = each;
    const isOwner = !grant.isEmpty && (kind === "pinned" || kind === "exclusive") &&
      ledger.held(each).has(id);
    return isOwner ? [{ container, kind, cpus: grant, isHeld }] : [];
  });
}

function absence({ online, present, withheld }: Topology, id: number): string[] {
  if (online.has(id)) return [];
  const kept = withheld.filter(({ cpus }) => cpus.has(id)).map(({ why }) => `it is ${why}`);
  if (kept.length > 0) return kept;
  return [present.has(id) ? "it is offline" : `this machine has no such CPU (online: ${online})`];
}

function ownership({ container, kind, cpus, isHeld }: Owning, id: number): string {
  const who = describe(container);
  if (!cpus.has(id)) return `it is left idle beside ${who}, which has its core alone`;
  if (isHeld) return `it is held for ${who}, which has ended, as long as its pod lives`;
  return kind === "pinned"
    ? `it is pinned by ${who}: only pinned containers may be there too`
    : `it is exclusive to ${who}: no other container may be there`;
}

function rules(ledger: Ledger, id: number): string[] {
  const { topology, policy } = ledger;
  const { systemReserved, strictReserved, isolatedCpus } = policy;
  const fences = ledger.those("groups").filter((group) =>
    topology.online.has(id) && !ledger.desired(group).has(id)
  );
  const strict = strictReserved ? ", and only containers of reservedNamespaces share it" : "";
  const contested = contestedIn(ledger, CpuSet.of(id));
  return [
    ...systemReserved.has(id)
      ? [`it is reserved (systemReserved): no claim gets it exclusively${strict}`]
      : [],
    ...topology.isolated.has(id)
      ? [
        keptIsolated(ledger).has(id)
          ? "it is isolated (isolcpus), and kept for exclusive claims (isolatedCpus: exclusive)"
          : `it is isolated (isolcpus); for exclusive claims isolatedCpus is ${isolatedCpus}`,
      ]
      : [],
    ...fences.length === 0
      ? []
      : [`kept off it by the kernel, with all that is in them: ${
        fences.map(({ container }) => container.id).join(" ")
      }`],
    ...contested === undefined
      ? []
      : [`it is still held by ${describe(contested.holder.container)}: ${contested.reason}`],
  ];
}
