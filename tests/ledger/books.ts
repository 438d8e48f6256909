/** A ledger that is played with in tests: short names in, short texts out. */
import assert from "node:assert/strict";
import { CpuListError, CpuSet } from "../../src/cpu/cpu_set.ts";
import { assume, changes } from "../../src/ledger/changes.ts";
import type { Claim, ContainerRef } from "../../src/ledger/claim.ts";
import { Ledger, type Policy } from "../../src/ledger/ledger.ts";
import { admit, type Plan, release, running, settle } from "../../src/ledger/plan.ts";
import type { Refusal } from "../../src/ledger/refusal.ts";
import { type MachineSpec, topologyOf } from "../fixtures/sysfs.ts";
import { DEFAULT_POLICY } from "../fixtures/policy.ts";

export function cpus(list: string): CpuSet {
  const set = CpuSet.parse(list);
  assert(!(set instanceof CpuListError), String(set));
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
});
export const shared = (forbidden = ""): Claim => ({ kind: "shared", forbidden: cpus(forbidden) });

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
    this.ledger = running(this.ledger, name);
    const { grant } = decision;
    return (grant.cpus?.toString() ?? "default") + (grant.mems === undefined ? "" : ` mems ${grant.mems}`);
  }

  decide(name: string, claim: Claim, record?: string): Plan | Refusal {
    return admit(this.ledger, ref(name), claim, record === undefined ? undefined : cpus(record));
  }

  end(name: string): void {
    this.#adopt(release(this.ledger, name));
  }

  /** The container starts: its creation can't be undone any more. */
  start(name: string): void {
    this.ledger = settle(this.ledger, name);
  }

  /** Any later reply: it carries what earlier ones couldn't. */
  laterReply(): void {
    this.#adopt(this.ledger);
  }

  /** The CPUs on which a container should be running. */
  on(name: string): string {
    const assignment = this.ledger.assignments.get(name);
    assert(assignment !== undefined, `${name} is not in the ledger`);
    return this.ledger.effective(assignment).toString();
  }

  #adopt(next: Ledger, except?: string): void {
    const sent = changes(next, except);
    this.sent = sent.map(({ id, cpus }) => `${id}=${cpus}`);
    this.ledger = assume(next, sent);
    this.ledger.check();
  }
}
