import assert from "node:assert/strict";
import { bigNode } from "../../../kit/sysfs.ts";
import { askInProcess } from "../../../../tools/bench/in_process.ts";
import { Peer } from "../../../../tools/bench/peer.ts";
import { population } from "../../../../tools/bench/subjects.ts";

Deno.test("what has ended leaves nothing behind: far more exclusive containers come and go than there are CPUs", async () => {
  const peer = new Peer(askInProcess(bigNode));
  const all = population(30, 64);
  for (const wanted of all) await peer.create(wanted);
  const shared =
    all.filter(({ cpus, annotations }) => cpus === undefined && annotations === undefined).length;
  const first = await peer.create({ name: "event-0", cpus: 2 });
  assert.equal(first.updates, shared);
  await peer.end("event-0");
  for (let count = 1; count < 64; count++) {
    const created = await peer.create({ name: `event-${count}`, cpus: 2 });
    assert.deepEqual([created.updates, created.cpus], [shared, first.cpus]);
    await peer.end(`event-${count}`);
  }
  await assert.rejects(peer.end("event-1"), /event-1 is not there/);
});
