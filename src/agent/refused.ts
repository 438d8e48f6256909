/** Refused containers, as long as they matter: until their pod ends, or a container of that name is let start. */
import type { Claim, ContainerRef } from "../ledger/claim.ts";
import type { Call, Subject } from "../nri/methods.ts";
import { readClaim, refOf } from "../nri/read_claim.ts";
import type { Rules } from "../nri/rules.ts";

/** Kept at once; the oldest is forgotten first. */
const MAX_REFUSED = 256;

/** What was refused, and why. */
export interface RefusedContainer {
  readonly container: ContainerRef;
  /** Absent: its pod's annotations can't be understood, or aren't allowed. */
  readonly claim?: Claim;
  /** The sentence that kubelet shows. */
  readonly message: string;
  /** Its creation, or its start. */
  readonly call: "CreateContainer" | "StartContainer";
  /** When that was the last time, in the milliseconds of the agent's clock. */
  readonly at: number;
  /** How often, under whatever id. */
  readonly times: number;
}

/** By pod and container name, the one that was refused last at the end. */
export type RefusedContainers = ReadonlyMap<string, RefusedContainer>;

/** What is known after a call; `message`: why it is refused, absent: it isn't. */
export function withRefusal(
  before: RefusedContainers,
  call: Call,
  message: string | undefined,
  { rules, now }: { readonly rules: Rules; readonly now: number },
): RefusedContainers {
  if (call.kind === "StopPodSandbox") return withoutPod(before, call.pod.uid);
  if (call.kind !== "CreateContainer" && call.kind !== "StartContainer") return before;
  const key = keyOf(call);
  const known = before.get(key);
  if (message === undefined && (known === undefined || call.kind === "CreateContainer")) return before;
  const next = new Map(before);
  next.delete(key);
  if (message !== undefined) {
    const read = readClaim(call.pod, call.container, rules);
    const claim = read.kind === "claim" ? { claim: read.claim } : {};
    const container = refOf(call.pod, call.container);
    next.set(key, { container, ...claim, message, call: call.kind, at: now, times: (known?.times ?? 0) + 1 });
  }
  for (const oldest of next.keys()) {
    if (next.size <= MAX_REFUSED) break;
    next.delete(oldest);
  }
  return next;
}

function withoutPod(before: RefusedContainers, podUid: string): RefusedContainers {
  const left = [...before].filter(([, { container }]) => container.podUid !== podUid);
  return left.length === before.size ? before : new Map(left);
}

function keyOf({ pod, container }: Subject): string {
  return `${pod.uid}\n${container.name}`;
}
