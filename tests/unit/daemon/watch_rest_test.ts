import assert from "node:assert/strict";
import { Rest } from "../../../src/daemon/watch_rest.ts";
import { Ledger } from "../../../src/ledger/ledger.ts";
import { libc } from "../../../src/platform/libc.ts";
import { DEFAULT_POLICY } from "../../kit/policy.ts";
import { topologyOf, twoCpuVm } from "../../kit/sysfs.ts";

Deno.test("memory is given back once when nothing has changed from one look to the next, and again after a change", () => {
  const ledgers = [1, 2].map(() => Ledger.empty(topologyOf(twoCpuVm), DEFAULT_POLICY));
  let times = 0;
  const rest = new Rest(() => times++);
  const after = [0, 0, 0, 1, 1, 1, 0].map((at) => {
    rest.look(ledgers[at] ?? assert.fail());
    return times;
  });
  assert.deepEqual(after, [0, 1, 1, 1, 2, 2, 2]);
});

Deno.test({
  name: "the C library gives memory back where it has some",
  sanitizeResources: false, // libc stays loaded
  fn: () => assert([0, 1].includes(libc().malloc_trim(0n))),
});
