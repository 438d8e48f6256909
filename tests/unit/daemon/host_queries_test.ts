import { Journal } from "../../../src/daemon/journal.ts";
import assert from "node:assert/strict";
import { queriesOn } from "../../../src/daemon/host_queries.ts";
import { DEFAULTS } from "../../../src/config/schema.ts";
import { effective, Records } from "../../kit/daemon_stage.ts";

Deno.test("a listing is tried again until it isn't wanted, and its failure is logged once over all listings", async () => {
  const log = new Records();
  const config = { ...DEFAULTS, criSockets: ["/nonexistent/cri.sock"] };
  const stop = new AbortController().signal;
  const { list } = queriesOn({
    effective: effective(config),
    version: "test",
    stop,
    log,
    journal: new Journal(),
  });
  for (let i = 0; i < 3; i++) {
    let tries = 1;
    assert.equal(await list(() => tries-- > 0), undefined);
    assert.equal(tries, -1);
  }
  assert.deepEqual(log.records.map(({ message }) => message), [
    "failed to list running containers; retrying",
  ]);
});
