/** What an agent on standby keeps while it connects again and again. */
import assert from "node:assert/strict";
import { DEFAULTS } from "../../../src/config/schema.ts";
import { Journal } from "../../../src/daemon/journal.ts";
import { live } from "../../../src/daemon/life.ts";
import { EXTERNAL } from "../../../src/daemon/modes.ts";
import { LeaderLock } from "../../../src/platform/lock.ts";
import type { ByteStream } from "../../../src/platform/socket.ts";
import { effective, Records, SYSFS } from "../../kit/daemon_stage.ts";

/** Closed by the runtime as soon as it is there. */
class Refused implements ByteStream {
  closes = 0;

  read(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  write(): Promise<void> {
    return Promise.resolve();
  }

  close(): void {
    this.closes++;
  }
}

Deno.test("connections that have ended on standby aren't kept until it is over", async () => {
  const dir = await Deno.makeTempDir();
  const [runDir, cgroupRoot] = [`${dir}/run`, `${dir}/cgroup`];
  await Deno.mkdir(cgroupRoot);
  const stop = new AbortController();
  const other = await LeaderLock.acquire(runDir, "another", stop.signal, () => assert.fail("it is held"));
  const connections: Refused[] = [];
  const connect = () => {
    const next = new Refused();
    if (connections.push(next) === 3) {
      // The end of standby, which concerns all connections that are known then.
      Deno.removeSync(`${runDir}/owner.lock`);
      Deno.mkdirSync(`${runDir}/owner.lock`);
      other.release();
    }
    return Promise.resolve(next);
  };
  const config = { ...DEFAULTS, runDir, cgroupRoot, sysfsRoot: SYSFS, kubeletRoot: `${dir}/kubelet` };
  const log = new Records();
  const context = {
    effective: effective(config),
    version: "test",
    stop: stop.signal,
    log,
    journal: new Journal(),
  };
  await assert.rejects(live({ ...EXTERNAL, connect }, context), /owner\.lock/);
  assert.deepEqual(connections.slice(0, 2).map(({ closes }) => closes), [1, 1]);
  await Deno.remove(dir, { recursive: true });
});
