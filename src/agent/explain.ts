/**
 * The read model of one question: why is this container, or this CPU, as it is? Nothing is computed for it before somebody
 * asks; what can't be derived later is in the assignments (`chosen`) and in `refused`.
 */
import { explainTake, type TakeExplained } from "../cpu/explain_take.ts";
import { take } from "../cpu/take.ts";
import type { CpuSet } from "../cpu/cpu_set.ts";
import { type Assignment, type Chosen, isExclusive, isIsolated, mayMove } from "../ledger/assignment.ts";
import { candidatesFor, closedTo } from "../ledger/candidates.ts";
import type { Claim, ContainerRef } from "../ledger/claim.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { admit } from "../ledger/plan.ts";
import { sized, vacated } from "../ledger/pod_members.ts";
import { requestOf } from "../ledger/room.ts";
import { qosClassesOf } from "../nri/qos.ts";
import { type CpuExplanation, explainCpu } from "./explain_cpu.ts";
import type { RefusedContainer } from "./refused.ts";
import type { AgentState } from "./state.ts";
import { type ContainerView, shownOf, viewOf } from "./view.ts";

export type Explanation = ContainerExplanation | RefusalExplanation | CpuExplanation;

export interface ContainerExplanation {
  readonly kind: "container";
  readonly view: ContainerView;
  /** What its claim follows from, a clause for people. */
  readonly origin: string;
  /** Of an exclusive one: the choice. */
  readonly choice?: ChoiceView;
}

export interface ChoiceView extends Chosen {
  /** `admission`: as it was made; `now`: as it would be made now, since that one isn't known. */
  readonly of: "admission" | "now";
  readonly explained: TakeExplained;
}

export interface RefusalExplanation {
  readonly kind: "refused";
  readonly refused: RefusedContainer;
  /** Those that have CPUs which it needs, those with the most first. */
  readonly inTheWay: readonly InTheWay[];
  /** Which of these would have to go for it to be served, none of them needlessly; absent: that wouldn't be enough, or isn't known. */
  readonly toGo?: readonly ContainerRef[];
}

export interface InTheWay {
  readonly container: ContainerRef;
  readonly claim: Assignment["claim"]["kind"];
  readonly cpus: CpuSet;
  /** It has ended, and its CPUs are its pod's. */
  readonly isHeld: boolean;
  /** A pinned container could have it moved. */
  readonly isMovable: boolean;
}

/** Of one question, which is answered between the runtime's calls: a pod may have as many containers. */
const MAX_EXPLAINED = 64;
/** Each is decided again and again, without some of those in its way: some 20 ms on a large node. */
const MAX_REFUSED = 8;
/** Of those in the way, and of those that are tried without. */
const MAX_IN_THE_WAY = 32;

export interface Answered {
  readonly explanations: readonly Explanation[];
  /** How many more have the name. */
  readonly more: number;
}

/** What is asked for by a CPU's number, or by a container's or a pod's name; none where there is no such thing. */
export function explain(known: AgentState, asked: string): Answered {
  const state = shownOf(known);
  if (/^\d{1,4}$/.test(asked)) return { explanations: [explainCpu(state, Number(asked))], more: 0 };
  const containers = [...viewOf(state).containers.values()].filter(({ container }) =>
    isNamed(container, asked)
  );
  const refused = [...state.refused.values()].filter(({ container }) => isNamed(container, asked));
  const explanations = [
    ...containers.slice(0, MAX_EXPLAINED).map((view) => explainContainer(state.ledger, view)),
    ...refused.slice(-MAX_REFUSED).map((each) => explainRefusal(state, each)),
  ];
  return { explanations, more: containers.length + refused.length - explanations.length };
}

/** The names by which something could be asked for. */
export function explainable(state: AgentState): string[] {
  const all = [...viewOf(state).containers.values(), ...shownOf(state).refused.values()];
  return [
    ...new Set(
      all.flatMap(({ container: { namespace, pod, name } }) => [pod, name, `${namespace}/${pod}`]),
    ),
  ];
}

const MIN_ID_CHARACTERS = 8;

/** By pod, container, namespace/pod, namespace/pod/container, or the beginning of the runtime's id. */
function isNamed({ id, namespace, pod, name }: ContainerRef, asked: string): boolean {
  const names = [pod, name, `${namespace}/${pod}`, `${pod}/${name}`, `${namespace}/${pod}/${name}`];
  return names.includes(asked) || (asked.length >= MIN_ID_CHARACTERS && id.startsWith(asked));
}

function explainContainer(ledger: Ledger, view: ContainerView): ContainerExplanation {
  const choice = choiceOf(ledger, view);
  const origin = originOf(view.container, view.claim);
  return { kind: "container", view, origin, ...(choice === undefined ? {} : { choice }) };
}

function choiceOf(ledger: Ledger, { container, chosen }: ContainerView): ChoiceView | undefined {
  if (chosen !== undefined) {
    return { ...chosen, of: "admission", explained: explainTake(chosen.request, chosen.cpus) };
  }
  const own = ledger.assignments.get(container.id);
  if (own === undefined || !isExclusive(own)) return undefined;
  const others = vacated(ledger, own);
  const claim = sized(others, own);
  const free = candidatesFor(others, closedTo(others, claim));
  const request = requestOf(others, container, claim, free);
  const cpus = take(request);
  return cpus && { request, cpus, of: "now", explained: explainTake(request, cpus) };
}

/** What decides the kind of a claim is in read_claim.ts; here it is derived from the claim, and from where the pod's cgroup is. */
export function originOf({ cgroup }: ContainerRef, claim: Claim): string {
  if (claim.kind === "pinned") return `annotation ${claim.key ?? "weka.io/cores-ids"}`;
  if (claim.kind === "exclusive") {
    const all = claim.ofPod ? ", which is that of its pod," : "";
    return `Guaranteed pod, and its CPU limit of ${claim.count}${all} is whole and equals the request`;
  }
  const classes = cgroup && qosClassesOf(cgroup);
  if (classes === undefined) return "not Guaranteed, or its CPU limit isn't whole or isn't its request";
  const own = classes.own ?? "";
  if (own === "") return "Guaranteed pod, but its CPU limit isn't whole or isn't its request";
  return own.includes("besteffort") ? "BestEffort pod" : "Burstable pod";
}

function explainRefusal({ ledger, phase }: AgentState, refused: RefusedContainer): RefusalExplanation {
  const { claim } = refused;
  // Before the list of the running containers nothing is known of others.
  if (claim === undefined || phase !== "serving") return { kind: "refused", refused, inTheWay: [] };
  const holders = holdersFor(ledger, claim);
  const toGo = leastToGo(ledger, { ...refused, claim }, holders);
  const inTheWay = holders.map((holder): InTheWay => ({
    container: holder.container,
    claim: holder.claim.kind,
    cpus: ledger.held(holder),
    isHeld: holder.isHeld === true,
    isMovable: isExclusive(holder) && !isIsolated(holder) && mayMove(holder.claim, holder.affinity),
  }));
  return { kind: "refused", refused, inTheWay, ...(toGo === undefined ? {} : { toGo }) };
}

/** Those with CPUs of their own that the claim could use, the largest first. */
function holdersFor(ledger: Ledger, claim: Claim): Assignment[] {
  const held = (each: Assignment) => ledger.held(each);
  const isInTheWay = (each: Assignment) =>
    claim.kind === "pinned"
      ? isExclusive(each) && held(each).intersects(claim.cpus)
      : claim.kind === "exclusive" && !each.grant.isSubsetOf(closedTo(ledger, claim));
  return ledger.inOrder().filter((each) => !each.grant.isEmpty && isInTheWay(each))
    .sort((a, b) => held(b).size - held(a).size).slice(0, MAX_IN_THE_WAY);
}

function leastToGo(
  ledger: Ledger,
  { container, claim }: { readonly container: ContainerRef; readonly claim: Claim },
  holders: readonly Assignment[],
): ContainerRef[] | undefined {
  const isServed = (gone: readonly Assignment[]) => {
    const left = gone.reduce((next, { container: { id } }) => next.without(id), ledger);
    return admit(left, { container, claim }).kind === "plan";
  };
  if (isServed([])) return [];
  const one = holders.findLast((each) => isServed([each]));
  if (one !== undefined) return [one.container];
  const end = holders.findIndex((_, at) => isServed(holders.slice(0, at + 1)));
  if (end < 0) return undefined;
  const needed = holders.slice(0, end + 1).reduceRight((gone, each) => {
    const others = gone.filter((other) => other !== each);
    return isServed(others) ? others : gone;
  }, holders.slice(0, end + 1));
  return needed.map(({ container }) => container);
}
