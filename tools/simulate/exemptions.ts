/**
 * Containers of which something is true that the agent can't know: the runtime has lost or failed an update, or
 * nobody has told the agent. Each cause says whether it must be over when the node goes quiet. An excuse ends as
 * soon as record, kernel and ledger agree again, whatever brought that about.
 */
export const CAUSES = {
  /** An update failed, and containerd told only its log. The agent doesn't read the kernel yet. */
  failed: "may stay",
  /** The record changed and the kernel didn't, for no reason that the runtime would tell. */
  lost: "may stay",
  /** An update that was agreed to earlier was applied later than a newer one. */
  overtaken: "may stay",
  /** Somebody wrote the cgroup. */
  tampered: "may stay",
  /** The start had taken its set, then the record changed, then the agent heard only of the record. */
  "starting, then listed": "may stay",
  /** It began, ran or ended between the agent's hearing what runs and its being told of events (NRI 0.6). */
  gap: "may stay",
  /** What was sent to a container that only started. */
  starting: "ends",
  /** It was created while no agent had a say. */
  unplaced: "ends",
  /** It was there when the agent heard what runs, and wasn't in what it heard. */
  missed: "ends",
  /** Heard of by the CRI's list, to be put right by `apply`. */
  adopted: "ends",
  /** The CRI couldn't be reached, or refused. */
  "apply failed": "ends",
  /** It has started while its cgroup couldn't be read, so only the runtime could be told. */
  unseen: "ends",
  /** CPUs went or came, and no agent has been told yet. */
  hotplug: "ends",
} as const;

export type Cause = keyof typeof CAUSES;

export class Exemptions {
  readonly #causes = new Map<string, Cause>();
  /** How often each cause came up. */
  readonly counts = new Map<Cause, number>();

  has(id: string): boolean {
    return this.#causes.has(id);
  }

  cause(id: string): Cause | undefined {
    return this.#causes.get(id);
  }

  /** Its cause needn't be over when the node goes quiet. */
  mayStay(id: string): boolean {
    const cause = this.#causes.get(id);
    return cause !== undefined && CAUSES[cause] === "may stay";
  }

  /** Containers with an excuse. */
  get ids(): string[] {
    return [...this.#causes.keys()];
  }

  get none(): boolean {
    return this.#causes.size === 0;
  }

  /** A cause that may stay isn't replaced by another; but by a gap, which is never made up for. */
  give(id: string, cause: Cause): void {
    const before = this.#causes.get(id);
    if (before !== undefined && CAUSES[before] === "may stay" && cause !== "gap") return;
    if (before !== cause) this.counts.set(cause, (this.counts.get(cause) ?? 0) + 1);
    this.#causes.set(id, cause);
  }

  end(id: string): void {
    this.#causes.delete(id);
  }
}
