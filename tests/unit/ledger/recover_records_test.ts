/** What else is read from the runtime's records at a recovery. */
import assert from "node:assert/strict";
import { admit } from "../../../src/ledger/plan.ts";
import { foundByRecord } from "../../../src/ledger/delivery.ts";
import { recover } from "../../../src/ledger/recover.ts";
import { releaseSandbox } from "../../../src/ledger/release.ts";
import { bigNode, topologyOf } from "../../kit/sysfs.ts";
import { DEFAULT_POLICY } from "../../kit/policy.ts";
import { cpus, exclusive, pinned, ref } from "../../kit/books.ts";

const by = (record: string) => foundByRecord(cpus(record), true);
const TOPOLOGY = topologyOf(bigNode);
const FOUND = { createdAt: 1n, container: ref("db"), claim: exclusive(2), ...by("8,40") };

Deno.test("an exclusive container with memory nodes in its record is moved only within these", () => {
  const found = [{ ...FOUND, mems: cpus("1") }];
  const filler = {
    ...FOUND,
    createdAt: 2n,
    container: ref("f"),
    claim: exclusive(12),
    ...by("10-15,42-47"),
  };
  const free = recover(TOPOLOGY, DEFAULT_POLICY, found);
  const moved = admit(free, { container: ref("p"), claim: pinned("8") });
  assert(moved.kind === "plan");
  assert.equal(moved.next.assignments.get("db")?.grant.toString(), "9,41");
  const full = recover(TOPOLOGY, DEFAULT_POLICY, [...found, filler]);
  const refused = admit(full, { container: ref("p"), claim: pinned("8-9,40") });
  assert(refused.kind === "refusal" && /moving it needs 2 CPUs, 1 is free/.test(refused.message));
});

Deno.test("memory nodes in the record of another container mean nothing", () => {
  const ledger = recover(TOPOLOGY, DEFAULT_POLICY, [{ ...FOUND, claim: pinned("8"), mems: cpus("3") }]);
  assert.equal(ledger.assignments.get("db")?.mems, undefined);
});

Deno.test("a pod's own limit holds at a recovery too, with the reason", () => {
  const claim = { ...exclusive(2), podLimit: 3 };
  const pod = { podUid: "pod" };
  const ledger = recover(TOPOLOGY, DEFAULT_POLICY, [
    { ...FOUND, container: { ...ref("a"), ...pod }, claim },
    { ...FOUND, container: { ...ref("b"), ...pod }, claim, createdAt: 2n, ...by("8-9,40") },
  ]);
  assert.equal(ledger.assignments.get("a")?.grant.size, 2);
  assert.match(ledger.assignments.get("b")?.degraded ?? "", /its pod's limit is 3, .* have 2 of them$/);
});

Deno.test("the end of a sandbox ends its own containers, not those of the one that follows it", () => {
  const inSandbox = (id: string, sandboxId: string, podUid: string) => ({ ...ref(id), sandboxId, podUid });
  const found = [["old", "one", "pod"], ["new", "two", "pod"], ["lost", "one", ""], ["other", "three", ""]]
    .map(([id = "", sandbox = "", pod = ""], i) => ({
      ...{ createdAt: BigInt(i + 1), claim: exclusive(1), ...by(`${i + 1}`) },
      container: inSandbox(id, sandbox, pod),
    }));
  const ledger = releaseSandbox(recover(TOPOLOGY, DEFAULT_POLICY, found), "one", "pod");
  assert.deepEqual(ledger.assignments.keys().sort(), ["new", "other"]);
});
