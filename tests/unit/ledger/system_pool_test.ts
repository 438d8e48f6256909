/** Where the reservation is strict, the system's own containers have more than all others. */
import assert from "node:assert/strict";
import { freeFor } from "../../../src/ledger/candidates.ts";
import { Ledger } from "../../../src/ledger/ledger.ts";
import { filesMissing, topologyOf, twoCpuVm } from "../../kit/sysfs.ts";
import { DEFAULT_POLICY } from "../../kit/policy.ts";
import { Books, cpus, placed, shared } from "../../kit/books.ts";

const STRICT = { systemReserved: cpus("0-1"), strictReserved: true };
const FOUR = { ...twoCpuVm, coresPerNode: 4 };
const system = (forbidden: string) => ({ ...shared(forbidden), system: true as const });

Deno.test("a container that forbids all of the shared pool is refused, unless it may use reserved CPUs", () => {
  const books = new Books(FOUR, STRICT);
  assert.match(books.create("web", shared("2-3")), /2-3 forbids all of the shared pool \(2-3\)/);
  assert.equal(books.create("agent", system("2-3")), "0-1");
  assert.match(books.create("none", system("0-3")), /forbids all of the shared pool \(0-3\)/);
});

Deno.test("the same forbidden CPUs leave each pool its own rest, in either order", () => {
  const forbidden = cpus("1,3");
  const claims = [{ ...shared(), forbidden }, { ...system(""), forbidden }];
  for (const order of [claims, claims.toReversed()]) {
    const ledger = Ledger.empty(topologyOf(FOUR), { ...DEFAULT_POLICY, ...STRICT });
    const rests = order.map((claim) => ledger.desired(placed("c", claim, "")).toString());
    assert.deepEqual(rests, order === claims ? ["2", "0,2"] : ["0,2", "2"]);
  }
});

Deno.test("where nothing is known of memory every CPU is near to it", () => {
  const topology = topologyOf(filesMissing);
  const ledger = Ledger.empty(topology, DEFAULT_POLICY);
  assert.equal(freeFor(ledger, cpus(""), { mems: cpus("0") }).size, 64);
});
