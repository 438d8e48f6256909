/**
 * The pause container of a Guaranteed pod, which no QoS class keeps off exclusive CPUs, has the CPUs that its pod's containers
 * were granted. It sleeps: nothing is promised of it, so each set is written once, and a failure is no failure of a claim.
 */
import { CpuSet } from "../cpu/cpu_set.ts";
import { isIsolated } from "../ledger/assignment.ts";
import type { ContainerRef } from "../ledger/claim.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { qosClassesOf } from "../nri/qos.ts";
import { writablePort } from "./apply_mode.ts";
import { type AgentState, NO_PAUSES } from "./state.ts";

/** Milliseconds that writing one may take. */
const DEADLINE_MS = 50;
/** How many are written at once; the next tick writes the rest. */
const MAX_WRITES = 8;

/** By sandbox: its pause container, and the CPUs that it should have. */
type Pauses = ReadonlyMap<string, { readonly container: ContainerRef; readonly cpus: CpuSet }>;

/** Writes those whose pods have other grants than before; there are no more than pods with grants. */
export function settlePauses(state: AgentState): AgentState {
  const cpusets = writablePort(state);
  if (cpusets === undefined || state.phase !== "serving" || state.dryRun || state.standby) return state;
  const { exclusive, pinned } = state.ledger;
  const { sets: before, ...of } = state.pauses;
  if (of.exclusive?.equals(exclusive) && of.pinned?.equals(pinned)) return state;
  const pauses = pausesIn(state.ledger, state.sandboxes.all);
  const due = [...pauses].filter(([id, { cpus }]) => before.get(id)?.equals(cpus) !== true);
  const sets = new Map([...before].filter(([id]) => pauses.has(id)));
  for (const [id, { container, cpus }] of due.slice(0, MAX_WRITES)) {
    cpusets.write([{ container, cpus }], DEADLINE_MS);
    sets.set(id, cpus);
  }
  return { ...state, pauses: { sets, ...due.length <= MAX_WRITES && { exclusive, pinned } } };
}

/** Those that were narrowed have all CPUs again; for an agent that places nothing from now on. */
export function openPauses(state: AgentState): AgentState {
  const cpusets = writablePort(state);
  const cpus = state.ledger.topology.online;
  const writes = [...pausesIn(state.ledger, state.sandboxes.all).values()].map(({ container }) => ({
    container,
    cpus,
  }));
  for (const write of writes) cpusets?.write([write], DEADLINE_MS);
  return { ...state, pauses: NO_PAUSES };
}

/** @param others those that are no pause containers, since their pods' processes are in them */
function pausesIn(ledger: Ledger, others: ReadonlyMap<string, unknown>): Pauses {
  const pauses = new Map<string, { readonly container: ContainerRef; readonly cpus: CpuSet }>();
  const isolated = new Set<string>();
  for (const assignment of ledger.those("claimants")) {
    const { container, grant } = assignment;
    const pause = grant.isEmpty || others.has(container.sandboxId) ? undefined : pauseOf(container);
    if (pause === undefined) continue;
    if (isIsolated(assignment)) isolated.add(pause.id);
    const { cpus = CpuSet.empty } = pauses.get(pause.id) ?? {};
    pauses.set(pause.id, { container: pause, cpus: cpus.union(grant) });
  }
  // A cgroup whose CPUs are all another's beside it, for itself, keeps that from being a partition (cpuset.c, cpus_excl_conflict).
  for (const id of isolated) pauses.delete(id);
  return pauses;
}

/** That of a Guaranteed pod. */
function pauseOf(container: ContainerRef): ContainerRef | undefined {
  const classes = container.cgroup && qosClassesOf(container.cgroup);
  return classes === undefined || classes.own !== undefined ? undefined : sandboxOf(container);
}

/** The sandbox of a container's pod: its cgroup is beside the container's, with the id of the sandbox. */
export function sandboxOf(
  { id, cgroup, sandboxId, pod, namespace }: ContainerRef,
): ContainerRef | undefined {
  if (cgroup === undefined || sandboxId === "" || !cgroup.path.endsWith(id)) return undefined;
  const path = cgroup.path.slice(0, -id.length) + sandboxId;
  return {
    id: sandboxId,
    name: "",
    pod,
    namespace,
    podUid: "",
    sandboxId,
    cgroup: { ...cgroup, path, pid: 0 },
  };
}
