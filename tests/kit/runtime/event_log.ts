/** What happened in the runtime. `container` is `pod/container`, `id` its id. */
export type RuntimeEvent =
  | { kind: "connected" }
  | { kind: "registered"; plugin: string }
  | { kind: "synchronized"; plugin: string; containers: number }
  /** `dropped`: the runtime cut it off, for what the reason says; else it left by itself. */
  | { kind: "gone"; plugin: string; reason: string; dropped: boolean }
  /** An NRI call that went out; `event` is its name, whichever form it took on the wire. */
  | { kind: "call"; event: string; pod?: string; container?: string; id?: string }
  /** The plugin, or the merging of its reply, said no to a creation, a start or an update. */
  | { kind: "refused"; container: string; id: string; message: string }
  /** No plugin was asked: the container runs where the kernel likes. */
  | { kind: "unplaced"; container: string; id: string }
  | { kind: "updated"; container: string; id: string; cpus?: string }
  /** An update that failed; only this log has it. */
  | { kind: "update-failed"; container: string; id: string; message: string }
  /** Reported as success and kept in the record; the cgroup never saw it. */
  | { kind: "update-lost"; container: string; id: string }
  /** An error in the answer to an event that has happened already: only this log has it. */
  | { kind: "complaint"; event: string; message: string };

type EventOf<Kind extends RuntimeEvent["kind"]> = Extract<RuntimeEvent, { kind: Kind }>;

const MAX_EVENTS = 10_000;
const MAX_WAITERS = 100;

interface Waiter {
  holds: () => boolean;
  resolve: () => void;
  reject: (error: Error) => void;
  timer: number;
}

/** The latest {@link MAX_EVENTS} events, and a way to wait for what they bring. */
export class EventLog {
  readonly #events: RuntimeEvent[] = [];
  readonly #waiters = new Set<Waiter>();

  get events(): readonly RuntimeEvent[] {
    return this.#events;
  }

  add(event: RuntimeEvent): void {
    this.#events.push(event);
    if (this.#events.length > MAX_EVENTS) this.#events.shift();
    for (const waiter of this.#waiters) {
      if (waiter.holds()) this.#end(waiter, waiter.resolve);
    }
  }

  /** All kept events of one kind, oldest first. */
  of<Kind extends RuntimeEvent["kind"]>(kind: Kind): EventOf<Kind>[] {
    return this.#events.filter((event): event is EventOf<Kind> => event.kind === kind);
  }

  /** Resolves when `holds` does, looked at now and at every event; rejects after `withinMs`, saying what was last. */
  until(holds: () => boolean, what: string, withinMs: number): Promise<void> {
    if (holds()) return Promise.resolve();
    if (this.#waiters.size >= MAX_WAITERS) return Promise.reject(new Error("too many wait for the runtime"));
    return new Promise((resolve, reject) => {
      const late = () => {
        const last = this.#events.slice(-5).map((event) => JSON.stringify(event)).join(", ");
        this.#end(waiter, () => reject(new Error(`${what} within ${withinMs} ms; the last events: ${last}`)));
      };
      const waiter: Waiter = { holds, resolve, reject, timer: setTimeout(late, withinMs) };
      this.#waiters.add(waiter);
    });
  }

  /** Nothing more will come: those that wait are rejected. */
  close(): void {
    for (const waiter of this.#waiters) {
      this.#end(waiter, () => waiter.reject(new Error("the runtime was closed")));
    }
  }

  #end(waiter: Waiter, settle: () => void): void {
    this.#waiters.delete(waiter);
    clearTimeout(waiter.timer);
    settle();
  }
}
