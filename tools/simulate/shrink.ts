/**
 * From a failing list of events to a short one that fails in the same way: parts are dropped, ever smaller ones, as
 * long as the same invariant still breaks (delta debugging). Any part may be dropped, since an event whose subject
 * isn't there does nothing.
 */
import type { SimEvent } from "./events.ts";
import type { ContainerSpec, PodSpec } from "./pods.ts";
import { type Failure, replay } from "./simulate.ts";
import type { Doubles } from "./world.ts";

/** Plays that a shrinking may take. */
const MAX_PLAYS = 3000;

export function shrink(failure: Failure, doubles?: Doubles): Failure {
  const same = essence(failure.problem);
  let plays = 0;
  let best = failure;
  const attempt = (events: readonly SimEvent[]): boolean => {
    if (plays++ >= MAX_PLAYS) return false;
    const seen = replay({ scenario: failure.scenario, events }, doubles);
    if (seen === undefined || essence(seen.problem) !== same) return false;
    best = { ...failure, problem: seen.problem, events: events.slice(0, seen.at + 1) };
    return true;
  };
  attempt(failure.events);
  // Of simpler pods fewer events may be needed.
  for (let before = Infinity; sizeOf(best) < before;) {
    before = sizeOf(best);
    dropParts(() => best.events, attempt);
    simplify(() => best.events, attempt);
  }
  return best;
}

/** What a failure is about: the invariant, without ids, sets and numbers. */
export function essence(problem: string): string {
  return problem.split(":")[0]?.replaceAll(/\b[cq]\d[\d.]*|\d[\d,-]*/g, "#") ?? "";
}

function sizeOf({ events }: Failure): number {
  return JSON.stringify(events).length;
}

type Events = readonly SimEvent[];

function dropParts(events: () => Events, attempt: (events: Events) => boolean): void {
  for (let size = Math.ceil(events().length / 2); size >= 1; size = Math.floor(size / 2)) {
    for (let from = Math.max(0, events().length - size); from >= 0; from -= size) {
      attempt([...events().slice(0, from), ...events().slice(from + size)]);
      if (from > 0 && from < size) from = size;
    }
  }
}

/** Pods with less in them. */
function simplify(events: () => Events, attempt: (events: Events) => boolean): void {
  for (let at = 0; at < events().length; at++) {
    for (let tries = 0; tries < 8; tries++) {
      const event = events()[at];
      if (event?.kind !== "pod") break;
      const simpler = simplerPods(event.spec);
      if (!simpler.some((spec) => attempt(events().with(at, { ...event, spec })))) break;
    }
  }
}

function simplerPods(spec: PodSpec): PodSpec[] {
  const without = Object.keys(spec.annotations).map((key): PodSpec => {
    const { [key]: _, ...annotations } = spec.annotations;
    return { ...spec, annotations };
  });
  const last = spec.containers.length - 1;
  const fewer: readonly ContainerSpec[] = spec.containers.slice(0, last);
  const plain = spec.namespace === "ns" ? [] : [{ ...spec, namespace: "ns" }];
  return [...without, ...plain, ...(last > 0 ? [{ ...spec, containers: fewer }] : [])];
}
