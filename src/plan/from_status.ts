/** A node as its agent describes it, to plan on: what runs there keeps what it has. */
import { CpuSet } from "../cpu/cpu_set.ts";
import type { Topology } from "../cpu/topology.ts";
import type { Assignment } from "../ledger/assignment.ts";
import type { ContainerRef } from "../ledger/claim.ts";
import { foundByRecord } from "../ledger/delivery.ts";
import { hold } from "../ledger/held.ts";
import type { Policy } from "../ledger/policy.ts";
import { type Found, recover } from "../ledger/recover.ts";
import type { Rules } from "../nri/rules.ts";
import type { ContainerDocument, HeldDocument, StatusDocument } from "../status/document.ts";
import { claimOf } from "../status/request.ts";
import { delivered, type PlannedNode } from "./plan_pods.ts";

/**
 * @param policy the configured one; what the agent reserves counts
 * @returns one sentence where it can't be planned on
 */
export function nodeFromStatus(
  { node, containers, held = [] }: StatusDocument,
  topology: Topology,
  policy: Policy,
  rules: Rules,
): PlannedNode | string {
  const [online, reserved] = [cpusIn(node.online), cpusIn(node.reserved)];
  if (!online?.equals(topology.online)) {
    return `the agent's node has the CPUs ${node.online}, and this machine ${topology.online}; plan on the agent's node`;
  }
  const found = containers.map(foundContainer);
  const ended = held.map(heldAssignment);
  if (
    reserved === undefined || !found.every((each) => each !== undefined) ||
    !ended.every((each) => each !== undefined)
  ) {
    return "the agent doesn't say what its containers claim; use the executable that it was started from";
  }
  const ledger = recover(topology, { ...policy, systemReserved: reserved }, found);
  return { ledger: delivered(ended.reduce((next, each) => hold(next, each), ledger)), rules, count: 0 };
}

function foundContainer(each: ContainerDocument, index: number): Found | undefined {
  const claim = each.request && claimOf(each.kind, each.request);
  const [grant, mems] = [cpusIn(each.grant ?? ""), cpusIn(each.mems)];
  if (claim === undefined || grant === undefined || mems === undefined) return undefined;
  return {
    container: refOf(each, each.id),
    claim,
    // In the order of their admission, as the document has them.
    createdAt: BigInt(index + 1),
    ...(mems.isEmpty ? {} : { mems }),
    ...foundByRecord(grant.isEmpty ? undefined : grant, true),
  };
}

function heldAssignment(each: HeldDocument): Assignment | undefined {
  const claim = claimOf(each.kind, each.request);
  const grant = cpusIn(each.grant);
  if (claim === undefined || grant === undefined) return undefined;
  return {
    container: refOf(each, `held ${each.podUid}/${each.container}`),
    claim,
    grant,
    ...foundByRecord(grant, true),
  };
}

function refOf(
  { namespace, pod, podUid, container }: Pick<
    ContainerDocument,
    "namespace" | "pod" | "podUid" | "container"
  >,
  id: string,
): ContainerRef {
  return { id, name: container, pod, namespace, podUid, sandboxId: podUid };
}

function cpusIn(list: string): CpuSet | undefined {
  const cpus = CpuSet.parse(list);
  return cpus instanceof CpuSet ? cpus : undefined;
}
