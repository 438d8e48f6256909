/**
 * Events of containers from before the list of the running ones has come. The list is taken at some moment between: it
 * may miss a container that was created meanwhile, and may name one that has ended.
 */
import { type Container, ContainerState, type PodSandbox } from "../nri/gen/nri_pb.ts";
import type { Call, Subject } from "../nri/methods.ts";

/** A container with an early event. */
export interface EarlyContainer extends Subject {
  /** It was only starting then. */
  readonly starting: boolean;
  /** Its creation was among them: the runtime may not list it yet. */
  readonly isNew: boolean;
  /** When its creation was asked for, in milliseconds, where that is the last that was reported of it. */
  readonly askedAt?: number;
}

/** By container id; undefined for one that has ended. */
export type EarlyEvents = ReadonlyMap<string, EarlyContainer | undefined>;

/** Pods and containers as the runtime lists them. */
export interface Listing {
  readonly pods: readonly PodSandbox[];
  readonly containers: readonly Container[];
}

/** What lives on the node, by the runtime's ids. */
export interface Living {
  readonly containers: ReadonlySet<string>;
  /** Those of the pods. */
  readonly sandboxes: ReadonlySet<string>;
}

export const NO_EARLY_EVENTS: EarlyEvents = new Map();

/** More containers than begin or end while a list is fetched; what is beyond comes with the next list. */
export const MAX_EARLY = 10_000;

/** What is known once `call` was answered with success, at `now` in milliseconds. */
export function withEarlyEvent(early: EarlyEvents, call: Call, now: number): EarlyEvents {
  if (early.size >= MAX_EARLY) return early;
  switch (call.kind) {
    case "CreateContainer":
      return withContainer(early, call, true, { isNew: true, askedAt: now });
    case "StartContainer":
      return withContainer(early, call, true);
    case "PostStartContainer":
      return withContainer(early, call, false);
    case "UpdateContainer":
      return withContainer(
        early,
        call,
        early.get(call.container.id)?.starting ??
          call.container.state === ContainerState.CONTAINER_CREATED,
      );
    case "StopContainer":
    case "RemoveContainer":
      return new Map(early).set(call.container.id, undefined);
    case "StopPodSandbox":
      return [...early].reduce(
        (next, [id, subject]) =>
          subject?.container.podSandboxId === call.pod.id ? next.set(id, undefined) : next,
        new Map(early),
      );
    default:
      return early;
  }
}

/** What has ended stays so: the runtime may report its last moments late. */
function withContainer(
  early: EarlyEvents,
  { pod, container }: Subject,
  starting: boolean,
  of: Pick<EarlyContainer, "isNew" | "askedAt"> = { isNew: early.get(container.id)?.isNew ?? false },
): EarlyEvents {
  const ended = early.has(container.id) && early.get(container.id) === undefined;
  return ended ? early : new Map(early).set(container.id, { pod, container, starting, ...of });
}

/**
 * The listing with what it has missed, and without what has ended since; the oldest first, as far as that shows: what has
 * been there before and isn't listed has been replaced rather than has replaced others.
 */
export function mergeEarlyEvents({ pods, containers }: Listing, early: EarlyEvents): Listing {
  if (early.size === 0) return { pods, containers };
  const listed = new Set(containers.map(({ id }) => id));
  const missed = [...early.values()].filter((s) => s !== undefined).filter((s) =>
    !listed.has(s.container.id)
  );
  return {
    pods: [...pods, ...missed.map(({ pod }) => pod)],
    containers: [
      ...missed.filter(({ isNew }) => !isNew).map(({ container }) => container),
      ...containers.filter(({ id }) => !early.has(id) || early.get(id) !== undefined),
      ...missed.filter(({ isNew }) => isNew).map(({ container }) => container),
    ],
  };
}
