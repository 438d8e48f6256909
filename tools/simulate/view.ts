/** What the agent knows: the one place where the simulation reads the agent's state. */
import {
  type ContainerView,
  type GroupView,
  type NodeView,
  viewOf as nodeViewOf,
} from "../../src/agent/view.ts";
import type { Agent } from "../../src/agent/step.ts";
import { CpuSet } from "../../src/cpu/cpu_set.ts";
import type { Claim } from "../../src/ledger/claim.ts";

/** What is held for a pod. */
export interface Held {
  readonly name: string;
  readonly podUid: string;
  readonly claim: Claim;
  readonly grant: CpuSet;
  /** Its processes are still there. */
  readonly isLeft: boolean;
}

/** Processes that an ended container has left behind. */
export interface Left {
  readonly id: string;
  readonly podUid: string;
  /** The last write failed, or there is nowhere to go yet. */
  readonly hasWriteFailure: boolean;
}

/** One container in the agent's ledger. */
export interface Placed {
  readonly id: string;
  readonly name: string;
  readonly podUid: string;
  readonly claim: Claim;
  /** Empty for one that lives in the pool. */
  readonly grant: CpuSet;
  /** The path of the class that keeps it off exclusive CPUs. */
  readonly fence: string | undefined;
  /** Where it should run. */
  readonly desired: CpuSet;
  /** What the runtime's record holds by what the agent knows; undefined: no set. */
  readonly record: CpuSet | undefined;
  /** What was sent to it while it starts: its record may hold that by now. */
  readonly unacknowledged: CpuSet | undefined;
  /** What the kernel has by what the agent knows; undefined: unverified, and only the runtime is sent updates. */
  readonly kernel: CpuSet | "at-start" | undefined;
  /** Where it may be running by what the agent knows. */
  readonly mayRunOn: CpuSet;
  /** The last write failed, and is retried. */
  readonly hasWriteFailure: boolean;
  readonly starting: boolean;
  readonly degraded: string | undefined;
  /** Whether its threads may use its CPUs. */
  readonly affinity: ContainerView["affinity"]["state"];
}

/** A class in the agent's ledger. */
interface Group extends Pick<Placed, "desired" | "mayRunOn" | "hasWriteFailure"> {
  /** It is kept off exclusive CPUs, and with it all that is in it. */
  readonly isFence: boolean;
}

export interface View {
  readonly placed: ReadonlyMap<string, Placed>;
  /** What is held for containers that have ended. */
  readonly held: readonly Held[];
  readonly leftovers: readonly Left[];
  /** By path. */
  readonly groups: ReadonlyMap<string, Group>;
  readonly online: CpuSet;
  readonly pool: CpuSet;
  readonly claimed: CpuSet;
  readonly pinned: CpuSet;
  /** Some container or class has one. */
  readonly hasWriteFailure: boolean;
}

/** The agent is synchronized and decides. */
export function isServing({ state }: Agent): boolean {
  return state.phase === "serving" && state.passive === undefined;
}

/** It was released by hand. */
export function isPassive({ state }: Agent): boolean {
  return state.passive !== undefined;
}

/** What hasn't all CPUs yet by what a passive agent knows, by name. */
export function closedBy({ state }: Agent): string[] {
  const { containers, groups } = nodeViewOf(state);
  const isClosed = ([, { state }]: readonly [string, Pick<ContainerView, "state">]) =>
    state === "failed" || state === "pending" || state === "blocked";
  return [...containers, ...groups].filter(isClosed).map(([id]) => id);
}

export function isStandby({ state }: Agent): boolean {
  return state.standby;
}

/** The CPUs that are online by what the agent knows. */
export function onlineOf({ state }: Agent): CpuSet {
  return state.ledger.topology.online;
}

/** The agent's clock, in milliseconds. */
export function clockOf({ state }: Agent): number {
  return state.now;
}

/** The same value as long as the ledger is the same. */
export function revisionOf({ state }: Agent): unknown {
  return state.ledger;
}

/** The call under way is answered by a later step. */
export function isAnswerDeferred({ connection }: Agent): boolean {
  return connection?.deferred !== undefined;
}

/** How much is kept that only counts for a time. */
export function keptBy({ state }: Agent): Readonly<Record<"early" | "parts" | "untracked", number>> {
  // Where a list is to come, what has happened since is for that.
  return {
    early: state.awaitsListing ? 0 : state.early.size,
    parts: state.parts.length,
    untracked: state.untracked.size,
  };
}

type Ledger = Agent["state"]["ledger"];

let last: { readonly ledger: Ledger; readonly view: View } | undefined;

export function viewOf({ state }: Agent): View {
  const { ledger } = state;
  if (last?.ledger !== ledger) last = { ledger, view: simulatedView(nodeViewOf(state)) };
  return last.view;
}

function simulatedView(view: NodeView): View {
  const { containers, held, groups: known, online, sharedPool, exclusive, pinned } = view;
  const { true: left = [], false: living = [] } = Object.groupBy(
    containers,
    ([, { isLeftover }]) => `${isLeftover}`,
  );
  const placed = new Map(living.map(([id, container]) => [id, placedIn(id, container)]));
  const kept = [
    ...held.map((each) => ({ ...each, isLeft: false })),
    ...left.map(([, { container, claim, grant }]) => ({ container, claim, grant, isLeft: true })),
  ].filter(({ grant }) => !grant.isEmpty);
  const groups = new Map([...known].map(([path, group]) => [path, groupIn(group)]));
  return {
    placed,
    held: kept.map(({ container: { name, podUid }, ...rest }) => ({ name, podUid, ...rest })),
    leftovers: left.map(([id, { container: { podUid }, state }]) => ({
      id,
      podUid,
      hasWriteFailure: isFailing(state),
    })),
    groups,
    online,
    pool: sharedPool,
    claimed: exclusive.union(pinned),
    pinned,
    hasWriteFailure: [...placed.values(), ...groups.values()].some((each) => each.hasWriteFailure),
  };
}

function isFailing(state: ContainerView["state"]): boolean {
  return state === "failed" || state === "blocked";
}

function groupIn({ keeps, desired, mayRunOn, state }: GroupView): Group {
  return {
    desired,
    mayRunOn,
    hasWriteFailure: isFailing(state),
    isFence: keeps === "unexclusive",
  };
}

function placedIn(id: string, container: ContainerView): Placed {
  const {
    claim,
    grant,
    fence,
    desired,
    mayRunOn,
    by,
    record,
    isRecordSure,
    state,
    isStarting,
    degraded,
    affinity,
  } = container;
  const written = state === "not started" ? "at-start" : mayRunOn;
  return {
    id,
    name: container.container.name,
    podUid: container.container.podUid,
    claim,
    grant,
    fence,
    desired,
    record: isRecordSure ? record : undefined,
    unacknowledged: isRecordSure ? undefined : record ?? CpuSet.empty,
    kernel: by === "record" ? undefined : written,
    mayRunOn,
    hasWriteFailure: isFailing(state),
    starting: isStarting,
    degraded,
    affinity: affinity.state,
  };
}

/** The CPUs that a container without a grant is kept off by its own set: behind a fence those of pinned ones alone. */
export function keptOff({ claimed, pinned }: View, own: Placed | undefined): CpuSet {
  const isFenced = own?.fence !== undefined && (own.claim.kind !== "shared" || own.claim.forbidden.isEmpty);
  return isFenced ? pinned : claimed;
}

/** Two pinned containers may share CPUs, and two of one pod that has CPUs for that. */
export function mayShareCpus(a: Placed | undefined, b: Placed | undefined): boolean {
  if (a !== undefined && b !== undefined && a.podUid === b.podUid && sharesInPod(a) && sharesInPod(b)) {
    return true;
  }
  return a?.claim.kind === "pinned" && b?.claim.kind === "pinned" && !a.grant.isEmpty && !b.grant.isEmpty;
}

/** It has the CPUs that its pod's containers share. */
export function sharesInPod({ claim, grant }: Pick<Placed, "claim" | "grant">): boolean {
  return (claim.kind === "exclusive" || claim.kind === "shared") && claim.ofPod === true && !grant.isEmpty;
}
