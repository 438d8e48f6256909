/**
 * What an agent on standby has received of what runs: the runtime's list, and the events since. By pod, so that an event costs what
 * the pod has: the answer of an agent on standby is in the way of a creation too.
 */
import { IdMap } from "../ledger/id_map.ts";
import type { Container, PodSandbox } from "../nri/gen/nri_pb.ts";
import type { Call, Subject } from "../nri/methods.ts";
import {
  type EarlyContainer,
  type EarlyEvents,
  type Listing,
  NO_EARLY_EVENTS,
  withEarlyEvent,
} from "./early.ts";

/** One container. `at`: its place among all that came the same way. */
interface Entry {
  readonly id: string;
  readonly listed?: { readonly at: number; readonly container: Container };
  readonly event?: { readonly at: number; readonly container: EarlyContainer };
}

const NONE: readonly Entry[] = [];

export class Received {
  private constructor(
    /** By the pod's id. */
    private readonly pods: IdMap<readonly Entry[]>,
    /** Those listed that haven't ended since, also without a container: claims are held for them. */
    private readonly listed: IdMap<PodSandbox>,
    /** How many containers are in an event. */
    readonly events: number,
    private readonly next: number,
  ) {}

  static of({ pods, containers }: Listing): Received {
    const entries = containers.map((container, at): Entry => ({
      id: container.id,
      listed: { at, container },
    }));
    const byPod = Map.groupBy(entries, ({ listed }) => listed?.container.podSandboxId ?? "");
    const all = [...byPod].reduce(
      (all, [pod, those]) => all.set(pod, those),
      IdMap.empty<readonly Entry[]>(),
    );
    const listed = pods.reduce((all, pod) => all.set(pod.id, pod), IdMap.empty<PodSandbox>());
    return new Received(all, listed, 0, 0);
  }

  /** With what a call tells that was answered at `now`, in milliseconds. What has ended is in neither of both any more. */
  with(call: Call, now: number): Received {
    if (!("pod" in call)) return this;
    const before = this.pods.get(call.pod.id) ?? NONE;
    const left = call.kind === "CreateContainer"
      ? before.flatMap((each) => withoutReplaced(each, call))
      : before;
    const events = withEarlyEvent(eventsOf(left), call, now);
    // Of those that it hasn't reported itself containerd 1.7.24 reports no end but their pod's.
    const isOver = (id: string) =>
      call.kind === "StopPodSandbox" || (events.has(id) && events.get(id) === undefined);
    const known = left.filter(({ id }) => !isOver(id));
    const fresh = [...events.keys()].filter((id) => !isOver(id) && !known.some((each) => each.id === id));
    const after = [...known, ...fresh.map((id): Entry => ({ id }))].map((each): Entry => {
      const container = events.get(each.id);
      return container === undefined || container === each.event?.container
        ? each
        : { ...each, event: { at: each.event?.at ?? this.next, container } };
    });
    const pods = after.length === 0 ? this.pods.delete(call.pod.id) : this.pods.set(call.pod.id, after);
    const listed = call.kind === "StopPodSandbox" ? this.listed.delete(call.pod.id) : this.listed;
    return new Received(pods, listed, this.events + countIn(after) - countIn(before), this.next + 1);
  }

  get listing(): Listing {
    const containers = this.#all(({ listed }) => listed).map(({ container }) => container);
    return { pods: [...this.listed.values()], containers };
  }

  get early(): EarlyEvents {
    return new Map(
      this.#all(({ event }) => event).map(({ container }) => [container.container.id, container]),
    );
  }

  /** In the order in which they came. */
  #all<T extends { readonly at: number }>(of: (entry: Entry) => T | undefined): T[] {
    return this.pods.values().flat().flatMap((each) => of(each) ?? []).sort((a, b) => a.at - b.at);
  }
}

/**
 * Without the events of one in whose place another one is created. One whose start the active agent refuses is never reported as
 * stopped by containerd 1.7, and one that ends at once may be reported as started after its end.
 */
function withoutReplaced(
  { event, ...rest }: Entry,
  { pod: { uid }, container: { name } }: Subject,
): Entry[] {
  const before = event?.container;
  const isReplaced = uid !== "" && before?.pod.uid === uid && before.container.name === name;
  if (event === undefined || !isReplaced) return [event === undefined ? rest : { ...rest, event }];
  return rest.listed === undefined ? [] : [rest];
}

function eventsOf(entries: readonly Entry[]): EarlyEvents {
  return entries.length === 0 ? NO_EARLY_EVENTS : new Map(
    entries.flatMap(({ id, event }) => event === undefined ? [] : [[id, event.container] as const]),
  );
}

function countIn(entries: readonly Entry[]): number {
  return entries.filter(({ event }) => event !== undefined).length;
}
