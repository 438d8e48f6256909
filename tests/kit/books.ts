/** A ledger that is played with in tests: short names in, short texts out. */
import { checkPools } from "../../src/ledger/holdings.ts";
import assert from "node:assert/strict";
import { CpuSet } from "../../src/cpu/cpu_set.ts";
import { planUpdates } from "../../src/ledger/updates.ts";
import type { Assignment } from "../../src/ledger/assignment.ts";
import type { Claim, ContainerRef } from "../../src/ledger/claim.ts";
import { Ledger } from "../../src/ledger/ledger.ts";
import { admit, type Plan } from "../../src/ledger/plan.ts";
import type { Policy } from "../../src/ledger/policy.ts";
import { foundByRecord, runs } from "../../src/ledger/delivery.ts";
import { recover } from "../../src/ledger/recover.ts";
import type { Refusal } from "../../src/ledger/refusal.ts";
import { release, releaseSandbox } from "../../src/ledger/release.ts";
import { type MachineSpec, topologyOf } from "./sysfs.ts";
import { DEFAULT_POLICY } from "./policy.ts";

export function cpus(list: string): CpuSet {
  const set = CpuSet.parse(list);
  assert(set instanceof CpuSet, list);
  return set;
}

export function ref(name: string): ContainerRef {
  return {
    id: name,
    name: "c",
    pod: name,
    namespace: "ns",
    podUid: `uid-${name}`,
    sandboxId: `sandbox-${name}`,
  };
}

export const pinned = (list: string): Claim => ({ kind: "pinned", cpus: cpus(list) });
export const exclusive = (count: number, forbidden = "", movable = true): Claim => ({
  kind: "exclusive",
  count,
  forbidden: cpus(forbidden),
  movable,
  placement: "packed",
});
export const shared = (forbidden = ""): Claim => ({ kind: "shared", forbidden: cpus(forbidden) });

/** A container that runs, by its record, on the CPUs that it is granted; on `record` where that is given. */
export function placed(name: string, claim: Claim, grant: string, record = grant): Assignment {
  const set = record === "" ? undefined : cpus(record);
  return { container: ref(name), claim, grant: cpus(grant), ...foundByRecord(set, true) };
}

/** Plays what the agent does with a runtime that applies everything: decide, send the changes, adopt. */
export class Books {
  ledger: Ledger;
  /** What the last admission or end sent to others: `web=2-3`. */
  sent: string[] = [];

  constructor(spec: MachineSpec, policy: Partial<Policy> = {}) {
    this.ledger = Ledger.empty(topologyOf(spec), { ...DEFAULT_POLICY, ...policy });
  }

  /** The CPUs that the container starts with (`default` when nothing is written), or the refusal's message. */
  create(name: string, claim: Claim, record?: string): string {
    const decision = this.decide(name, claim, record);
    if (decision.kind === "refusal") return decision.message;
    this.#adopt(decision.next, name);
    this.ledger = this.ledger.update(name, runs);
    const { adjustment: grant } = decision;
    return (grant.cpus?.toString() ?? "default") + (grant.mems === undefined ? "" : ` mems ${grant.mems}`);
  }

  decide(name: string, claim: Claim, record?: string): Plan | Refusal {
    return admit(this.ledger, {
      container: ref(name),
      claim,
      record: record === undefined ? undefined : cpus(record),
    });
  }

  /** The container has ended, and its pod lives on. */
  stop(name: string): void {
    this.#adopt(release(this.ledger, name));
  }

  /** Its pod has ended. */
  end(name: string): void {
    const { sandboxId, podUid } = ref(name);
    this.#adopt(releaseSandbox(this.ledger, sandboxId, podUid));
  }

  /** Takes another ledger over, and plans the updates that follow. */
  adopt(next: Ledger): void {
    this.#adopt(next);
  }

  /** The ledger that follows from these running containers and their records, the oldest first. */
  recovered(found: readonly (readonly [name: string, claim: Claim, record: string])[]): void {
    const { topology, policy } = this.ledger;
    this.#adopt(recover(
      topology,
      policy,
      found.map(([name, claim, record], i) => ({
        container: ref(name),
        claim,
        ...foundByRecord(cpus(record), true),
        createdAt: BigInt(i + 1),
      })),
    ));
  }

  /** The container starts: its creation can't be undone any more. */
  start(name: string): void {
    this.ledger = this.ledger.update(name, ({ displaced: _, ...rest }) => rest);
  }

  /** Any later reply: it carries what earlier ones couldn't. */
  laterReply(): void {
    this.#adopt(this.ledger);
  }

  /** The CPUs on which a container should be running. */
  on(name: string): string {
    const assignment = this.ledger.assignments.get(name);
    assert(assignment !== undefined, `${name} is not in the ledger`);
    return this.ledger.desired(assignment).toString();
  }

  #adopt(next: Ledger, except?: string): void {
    const planned = planUpdates(next, except === undefined ? {} : { id: except });
    this.sent = planned.updates.map(({ id, cpus }) => `${id}=${cpus}`);
    this.ledger = planned.ledger;
    checkPools(this.ledger);
  }
}
