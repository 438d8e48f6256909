/**
 * Containers that some invariants exempt, because the agent can't know of them: the runtime has lost or failed an
 * update, or reports nothing. Each cause has whether it must have ended when the node is at rest. An exemption ends as
 * soon as record, kernel and ledger agree again.
 */
export const CAUSES = {
  /** An update failed, which only containerd's log has. */
  failed: "may stay",
  /** The record changed and the kernel didn't, which the runtime doesn't report. */
  lost: "may stay",
  /** An update that was agreed to earlier was applied later than a newer one. */
  overtaken: "may stay",
  /** Another program wrote the cgroup. */
  tampered: "may stay",
  /** The start had taken its set, then the record changed, then only the record was listed. */
  "starting, then listed": "may stay",
  /** It began, ran or ended between Synchronize and the first event (NRI 0.6). */
  gap: "may stay",
  /** What was sent to a container that only started. */
  starting: "ends",
  /** It was created while no agent was connected. */
  unplaced: "ends",
  /** It was there when the list was taken, and not in the list. */
  missed: "ends",
  /** Known by the CRI's list, to be updated by `apply`. */
  adopted: "ends",
  /** The CRI couldn't be reached, or refused. */
  "apply failed": "ends",
  /** It has started while its cgroup couldn't be read: only runtime updates are possible. */
  unseen: "ends",
  /** CPUs went offline or came online, which the agent doesn't know yet. */
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

  /** Its cause needn't have ended when the node is at rest. */
  mayStay(id: string): boolean {
    const cause = this.#causes.get(id);
    return cause !== undefined && CAUSES[cause] === "may stay";
  }

  /** Containers with an exemption. */
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
