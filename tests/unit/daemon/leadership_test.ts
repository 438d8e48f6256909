/** When an agent takes the leader lock, and when it gives it up. */
import { Journal } from "../../../src/daemon/journal.ts";
import assert from "node:assert/strict";
import { Leadership } from "../../../src/daemon/leadership.ts";
import { DEFAULTS } from "../../../src/config/schema.ts";
import { LeaderLock } from "../../../src/platform/lock.ts";
import { effective, Records } from "../../kit/daemon_stage.ts";

const EXTERNAL = { name: "external", needsLock: true } as const;

class Stage {
  readonly log = new Records();
  /** Each change between active and not. */
  readonly changes: boolean[] = [];
  readonly stop = new AbortController();
  readonly leadership: Leadership;
  #late = 0;

  private constructor(readonly runDir: string, pod: string) {
    const context = {
      effective: effective({ ...DEFAULTS, runDir }),
      version: "1.2.3",
      pod,
      stop: this.stop.signal,
      log: this.log,
      journal: new Journal(),
    };
    this.leadership = new Leadership(
      EXTERNAL,
      context,
      this.stop.signal,
      (isActive) => this.changes.push(isActive),
    );
  }

  static async with(play: (stage: Stage) => Promise<void>): Promise<void> {
    const dir = await Deno.makeTempDir();
    const stage = new Stage(`${dir}/run`, "agent-x7k2p");
    const real = performance.now;
    performance.now = () => real.call(performance) + stage.#late;
    try {
      await play(stage);
    } finally {
      performance.now = real;
      stage.stop.abort();
      await stage.leadership.close();
      await Deno.remove(dir, { recursive: true });
    }
  }

  pass(ms: number): void {
    this.#late += ms;
  }

  /** The lines of the lock file: name, since, activity. */
  holder(): string[] {
    return Deno.readTextFileSync(`${this.runDir}/owner.lock`).trimEnd().split("\n");
  }

  /** Fails unless the lock is free; then it is another's. */
  take(): Promise<LeaderLock> {
    return LeaderLock.acquire(this.runDir, "another", this.stop.signal, () => assert.fail("it is held"));
  }
}

Deno.test("until there is a connection to claim it for, the lock is free", async () => {
  await Stage.with(async (stage) => {
    stage.leadership.disconnected(false);
    (await stage.take()).release();
    assert.deepEqual(stage.changes, []);
  });
});

Deno.test("the holder writes into the lock file where it runs, since when, and what it is doing", async () => {
  await Stage.with(async (stage) => {
    await stage.leadership.claim().settled;
    const [name = "", since = "", activity] = stage.holder();
    assert.match(name, /^pod agent-x7k2p, pid \d+, external, 1\.2\.3, started 20\d\d-.*Z$/);
    assert.match(since, /^20\d\d-.*Z$/);
    assert.equal(activity, "connecting to the runtime");
    stage.leadership.describe("serving");
    assert.deepEqual(stage.holder(), [name, since, "serving"]);
    stage.leadership.disconnected(true);
    assert.match(stage.holder()[2] ?? "", /^reconnecting since 20\d\d-/);
  });
});

Deno.test("some seconds without a connection that is served give the lock up, less don't", async () => {
  await Stage.with(async (stage) => {
    const { leadership } = stage;
    await leadership.claim().settled;
    stage.pass(60_000);
    leadership.disconnected(true);
    stage.pass(4000);
    leadership.disconnected(false);
    assert(!leadership.claim().contested);
    assert.deepEqual(stage.changes, [true]);
    stage.pass(1000);
    leadership.disconnected(false);
    assert.deepEqual(stage.changes, [true, false]);
    const other = await stage.take();
    const again = leadership.claim();
    assert(again.contested);
    const { message, fields } = stage.log.records.at(-1) ?? assert.fail();
    assert.deepEqual([message, fields?.["holder"]], ["standby: another agent is active", "another"]);
    other.release();
    await again.settled;
    assert.deepEqual(stage.changes, [true, false, true]);
    assert(!leadership.claim().contested);
  });
});

Deno.test("connections that the runtime ends before it synchronizes don't keep the lock", async () => {
  await Stage.with(async (stage) => {
    await stage.leadership.claim().settled;
    for (let i = 0; i < 5; i++) {
      stage.pass(1000);
      stage.leadership.disconnected(false);
    }
    assert.deepEqual(stage.changes, [true, false]);
    (await stage.take()).release();
  });
});

Deno.test("a standby logs again each ten minutes who is active, and what that one is doing", async () => {
  await Stage.with(async (stage) => {
    const { setInterval } = globalThis;
    let remind = (): void => assert.fail("no reminder");
    globalThis.setInterval = ((again: () => void, ms: number) => {
      assert.equal(ms, 600_000);
      remind = again;
      return 0;
    }) as typeof setInterval;
    const other = await stage.take();
    const { settled } = stage.leadership.claim();
    globalThis.setInterval = setInterval;
    other.describe("reconnecting");
    remind();
    const activities = stage.log.records.map(({ fields }) => fields?.["activity"]);
    assert.deepEqual(activities, ["", "reconnecting"]);
    other.release();
    await settled;
  });
});

Deno.test("one that is to end says so at once, and nothing else after that; another one sees it", async () => {
  await Stage.with(async (stage) => {
    await stage.leadership.claim().settled;
    stage.leadership.describe("serving");
    assert(!stage.leadership.activeEnds, "it is the active one itself");
    stage.stop.abort();
    assert.equal(stage.holder()[2], "ending");
    stage.leadership.describe("synchronizing with the runtime");
    assert.equal(stage.holder()[2], "ending");
  });
  await Stage.with(async (stage) => {
    assert(!stage.leadership.activeEnds);
    const other = await stage.take();
    const { settled } = stage.leadership.claim();
    other.describe("serving");
    assert(!stage.leadership.activeEnds);
    other.describe("ending");
    assert(stage.leadership.activeEnds);
    other.release();
    await settled;
    assert(!stage.leadership.activeEnds);
  });
});

Deno.test("a lock that can't be used any more while another has it is reported by the next claim", async () => {
  await Stage.with(async (stage) => {
    const other = await stage.take();
    const { contested, settled } = stage.leadership.claim();
    assert(contested);
    Deno.removeSync(`${stage.runDir}/owner.lock`);
    Deno.mkdirSync(`${stage.runDir}/owner.lock`);
    other.release();
    await assert.rejects(settled, /owner\.lock/);
    assert.throws(() => stage.leadership.claim(), /owner\.lock/);
  });
});
