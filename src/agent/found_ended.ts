/** From the runtime's list of containers to the claims that are held for pods. */
import { CpuSet } from "../cpu/cpu_set.ts";
import type { Assignment } from "../ledger/assignment.ts";
import type { Claim } from "../ledger/claim.ts";
import { created } from "../ledger/delivery.ts";
import { ContainerState } from "../nri/gen/nri_pb.ts";
import type { Listing } from "./early.ts";
import { findContainer } from "./found_containers.ts";
import type { AgentState } from "./state.ts";

/**
 * What may be held for the pods of a list: of its containers that have stopped, as far as the runtime lists them, and what was
 * known before it of those that it doesn't list. The ends of pods may have been missed, so they have to be seen to live.
 */
export function endedIn(state: AgentState, listing: Listing): Assignment[] {
  return inLivingPods(listing, [...findEnded(state, listing), ...state.ledger.inOrder()]);
}

/** Of the containers of a list that have stopped: what may be held for pods that live. */
export function stoppedIn(state: AgentState, listing: Listing): Assignment[] {
  return inLivingPods(listing, findEnded(state, listing));
}

function inLivingPods(listing: Listing, assignments: readonly Assignment[]): Assignment[] {
  const living = livingSandboxes(listing);
  return assignments.filter(({ container }) => living.has(container.sandboxId));
}

/** Of listed containers that have stopped the latest of each name, with the CPUs that its record shows it had for itself. */
function findEnded(state: AgentState, { pods, containers }: Listing): Assignment[] {
  const known = new Map(pods.map((pod) => [pod.id, pod]));
  const stopped = containers.filter(({ state }) => state === ContainerState.CONTAINER_STOPPED)
    .sort((a, b) => Number(a.createdAt - b.createdAt));
  const latest = new Map(stopped.map((each) => [`${each.podSandboxId} ${each.name}`, each]));
  return [...latest.values()].flatMap((container) => {
    const { found } = findContainer(state, known.get(container.podSandboxId), container);
    return found.map(({ container, claim, record = CpuSet.empty }) => {
      const isWhole = claim.kind === "pinned" ? record.equals(claim.cpus) : countOf(claim) === record.size;
      return { container, claim, grant: isWhole ? record : CpuSet.empty, ...created("cgroup") };
    });
  });
}

function countOf(claim: Claim): number | undefined {
  return claim.kind === "exclusive" ? claim.count : undefined;
}

/** The sandboxes of a list that live, by their first process, or by a container in them that hasn't stopped. */
function livingSandboxes({ pods, containers }: Listing): ReadonlySet<string> {
  const used = containers.filter(({ state }) => state !== ContainerState.CONTAINER_STOPPED);
  return new Set([
    ...pods.filter(({ pid }) => pid > 0).map(({ id }) => id),
    ...used.map(({ podSandboxId }) => podSandboxId),
  ]);
}
