/**
 * What happens to one update instead of its being applied:
 * - `fail`: neither record nor cgroup changes, and only the runtime's log knows;
 * - `lose`: reported as success and kept in the record, the cgroup keeps what it has;
 * - `delay`: applied, but only when `until` resolves; if it was asked for in a reply, the whole node waits.
 */
export type UpdateFault =
  | { kind: "fail"; message?: string }
  | { kind: "lose" }
  | { kind: "delay"; until: Promise<void> };

const MAX_PLANNED = 10_000;

/** What is to go wrong in the runtime, told beforehand. Each fault happens once. */
export class Faults {
  readonly #updates = new Map<number, UpdateFault>();
  readonly #gates = new Map<Moment, Promise<void>[]>();
  #updatesSeen = 0;

  /** The `k`-th update from now on (1 is the next one), whoever asks for it. */
  onUpdate(k: number, fault: UpdateFault): void {
    if (this.#updates.size >= MAX_PLANNED) throw new Error(`more than ${MAX_PLANNED} faults are planned`);
    this.#updates.set(this.#updatesSeen + k, fault);
  }

  /** The next time the runtime comes to this moment, it waits there for `until`. */
  hold(moment: Moment, until: Promise<void>): void {
    this.#gates.set(moment, [...this.#gates.get(moment) ?? [], until]);
  }

  /** For the runtime: an update is about to be made; what is to happen to it? */
  nextUpdate(): UpdateFault | undefined {
    this.#updatesSeen++;
    const fault = this.#updates.get(this.#updatesSeen);
    this.#updates.delete(this.#updatesSeen);
    return fault;
  }

  /** For the runtime: this moment has come. */
  async reached(moment: Moment): Promise<void> {
    await this.#gates.get(moment)?.shift();
  }
}

/**
 * - `start`: the cgroup is there, the process isn't; updates from others are lost in it;
 * - `undo`: a creation has failed, the plugin hasn't been told Stop and Remove yet.
 */
export type Moment = "start" | "undo";
