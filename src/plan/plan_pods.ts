/** Pods planned on a node one after the other, as the agent would place them there: a ledger and no node. */
import { CpuSet } from "../cpu/cpu_set.ts";
import type { Topology } from "../cpu/topology.ts";
import type { Assignment } from "../ledger/assignment.ts";
import type { Claim } from "../ledger/claim.ts";
import { confirm } from "../ledger/delivery.ts";
import { Ledger } from "../ledger/ledger.ts";
import { admit } from "../ledger/plan.ts";
import type { Policy } from "../ledger/policy.ts";
import type { ContainerSpec, PodSpec } from "../manifests/manifest.ts";
import { containerOf, sandboxOf } from "../manifests/messages.ts";
import { nearMisses } from "../nri/near_misses.ts";
import { readClaim, refOf } from "../nri/read_claim.ts";
import type { Rules } from "../nri/rules.ts";

/** A node that pods are planned for. */
export interface PlannedNode {
  readonly ledger: Ledger;
  readonly rules: Rules;
  /** How many pods have been planned: each is another one, also under the same name. */
  readonly count: number;
}

/** What became of a container. */
export type PlannedContainer =
  & { readonly pod: PodSpec; readonly name: string; readonly warnings: readonly string[] }
  & (
    | {
      readonly outcome: "placed";
      readonly id: string;
      readonly kind: Claim["kind"];
      readonly role: ContainerSpec["role"];
      readonly cpus: CpuSet;
      readonly mems: CpuSet;
      /** Why it has less than it claims. */
      readonly degraded?: string;
      /** Those that had to go elsewhere for it. */
      readonly moved: readonly Move[];
    }
    | { readonly outcome: "unmanaged" }
    | { readonly outcome: "refused"; readonly why: string }
  );

/** A container that had to go elsewhere. */
export interface Move {
  readonly name: string;
  readonly from: CpuSet;
  readonly to: CpuSet;
}

export interface PlannedPod {
  readonly node: PlannedNode;
  /** Annotations that are nearly one of ours, and have no effect as they are: a sentence for each. */
  readonly misspelt: readonly string[];
  readonly containers: readonly PlannedContainer[];
}

/** A node without containers. */
export function emptyNode(topology: Topology, policy: Policy, rules: Rules): PlannedNode {
  return { ledger: Ledger.empty(topology, policy), rules, count: 0 };
}

/**
 * The node with the pod on it. Its containers start in kubelet's order, and an init container ends before the next one. After
 * a refused one the rest isn't tried, since kubelet would come no further.
 */
export function planPod(node: PlannedNode, pod: PodSpec): PlannedPod {
  const sandbox = sandboxOf(pod, `planned-${node.count}`);
  const containers: PlannedContainer[] = [];
  let { ledger } = node;
  for (const spec of pod.containers) {
    const planned = planContainer({ ...node, ledger }, { pod, spec, sandbox });
    containers.push(planned.container);
    ledger = planned.ledger;
    if (planned.container.outcome === "refused") break;
  }
  const misspelt = nearMisses(pod.annotations, pod.containers.map(({ name }) => name));
  return {
    node: { ...node, ledger, count: node.count + 1 },
    misspelt: misspelt.map(({ warning }) => `${pod.namespace}/${pod.name}: ${warning}`),
    containers,
  };
}

interface Asked {
  readonly pod: PodSpec;
  readonly spec: ContainerSpec;
  readonly sandbox: ReturnType<typeof sandboxOf>;
}

function planContainer(
  { ledger, rules }: PlannedNode,
  { pod, spec, sandbox }: Asked,
): { readonly ledger: Ledger; readonly container: PlannedContainer } {
  const message = containerOf(sandbox, pod, spec);
  const ref = refOf(sandbox, message);
  const read = readClaim(sandbox, message, rules);
  const base = { pod, name: spec.name, warnings: read.kind === "refusal" ? [] : read.warnings };
  if (read.kind === "refusal") {
    return { ledger, container: { ...base, outcome: "refused", why: read.message } };
  }
  if (read.kind === "unmanaged") return { ledger, container: { ...base, outcome: "unmanaged" } };
  const plan = admit(ledger, { container: ref, claim: read.claim, degraded: read.degraded });
  if (plan.kind === "refusal") {
    return { ledger, container: { ...base, outcome: "refused", why: plan.message } };
  }
  const next = delivered(plan.next);
  const placed = next.assignments.get(ref.id);
  const container: PlannedContainer = {
    ...base,
    outcome: "placed",
    id: ref.id,
    kind: read.claim.kind,
    role: spec.role,
    cpus: placed === undefined ? CpuSet.empty : next.desired(placed),
    mems: plan.adjustment.mems ?? CpuSet.empty,
    ...(placed?.degraded === undefined ? {} : { degraded: placed.degraded }),
    moved: movesBetween(ledger, next),
  };
  return { ledger: spec.role === "init" ? delivered(next.without(ref.id)) : next, container };
}

/** On a node that is only planned every container gets its CPUs at once. */
export function delivered(ledger: Ledger): Ledger {
  return ledger.dirty.reduce(
    (next, { container: { id } }) =>
      next.update(id, (assignment) => confirm(assignment, next.desired(assignment), "running")),
    ledger,
  );
}

function movesBetween(before: Ledger, after: Ledger): Move[] {
  return before.inOrder().flatMap((was) => {
    const is = after.assignments.get(was.container.id);
    if (is === undefined || was.grant.isEmpty || is.grant.equals(was.grant)) return [];
    return [{ name: nameOf(was), from: was.grant, to: is.grant }];
  });
}

/** `namespace/pod/container`. */
export function nameOf({ container: { namespace, pod, name } }: Assignment): string {
  return `${namespace}/${pod}/${name}`;
}

/** More copies than a node runs pods: kubelet's default is 110. */
const MANY = 1000;

/**
 * How many more pods like this one the node has room for, each with all that it claims; undefined: any number, since they
 * claim no CPUs that others couldn't have as well.
 */
export function capacityFor(node: PlannedNode, pod: PodSpec): number | undefined {
  let at = node;
  for (let count = 0; count < MANY; count++) {
    const next = planPod(at, pod);
    if (!next.containers.every((each) => each.outcome !== "refused" && !isDegraded(each))) return count;
    if (next.node.ledger.claimed.equals(at.ledger.claimed)) return undefined;
    at = next.node;
  }
  return MANY;
}

function isDegraded(container: PlannedContainer): boolean {
  return container.outcome === "placed" && container.degraded !== undefined;
}
