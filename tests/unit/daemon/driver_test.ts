/** What the driver does beside carrying out outputs: an orderly stop, and warnings of slow replies. */
import assert from "node:assert/strict";
import { CpuSet } from "../../../src/cpu/cpu_set.ts";
import type { Listing } from "../../../src/agent/early.ts";
import { newAgent } from "../../../src/agent/step.ts";
import { Driver, type Queries } from "../../../src/daemon/driver.ts";
import { activityOf } from "../../../src/daemon/readiness.ts";
import type { ByteStream } from "../../../src/platform/socket.ts";
import type { CpusetPort } from "../../../src/cgroup/port.ts";
import type { SessionEvent } from "../../../src/wire/session.ts";
import { FakeKernel } from "../../kit/fake_kernel.ts";
import { DEFAULT_SETTINGS } from "../../kit/policy.ts";
import { topologyOf, twoCpuVm } from "../../kit/sysfs.ts";
import { subject } from "../../kit/link.ts";
import { containerOf, livingOf, podOf } from "../../kit/messages.ts";
import { type Method, type Request, RuntimeEnd } from "../../kit/runtime_end.ts";
import { Records } from "../../kit/daemon_stage.ts";
import { turn } from "../../kit/turn.ts";

const TOPOLOGY = topologyOf(twoCpuVm);

/** The runtime's end of a connection, at which each write is held until it is released. */
class Peer implements ByteStream {
  readonly session = new RuntimeEnd();
  /** While false, writes are held. */
  reads = true;
  isClosed = false;
  #sent: Uint8Array[] = [];
  #reading: PromiseWithResolvers<Uint8Array | undefined> | undefined;
  #writing: (PromiseWithResolvers<void> & { bytes: Uint8Array }) | undefined;
  #changed = Promise.withResolvers<void>();

  read(): Promise<Uint8Array | undefined> {
    if (this.isClosed) return Promise.resolve(undefined);
    const next = this.#sent.shift();
    if (next !== undefined) return Promise.resolve(next);
    this.#reading = Promise.withResolvers();
    this.#note();
    return this.#reading.promise;
  }

  write(bytes: Uint8Array): Promise<void> {
    this.#writing = { ...Promise.withResolvers<void>(), bytes };
    const { promise } = this.#writing;
    this.#note();
    if (this.reads) this.release();
    return promise;
  }

  close(): void {
    this.isClosed = true;
    this.#reading?.resolve(undefined);
    this.#writing?.reject(new Error("closed"));
    this.#note();
  }

  /** Releases the write that is held. */
  release(): void {
    if (this.#writing === undefined) return;
    const { bytes, resolve } = this.#writing;
    this.#writing = undefined;
    this.session.receive(bytes);
    resolve();
  }

  /** Resolves when a write is held. */
  async writing(): Promise<void> {
    while (this.#writing === undefined) await this.#changed.promise;
  }

  /** Resolves when the agent reads. */
  async reading(): Promise<void> {
    while (this.#reading === undefined) await this.#changed.promise;
  }

  async closed(): Promise<void> {
    while (!this.isClosed) await this.#changed.promise;
  }

  calls<M extends Method>(method: M, request: Request<M>): void {
    this.#hand(this.session.request(method, request));
  }

  /** Accepts the registration, and configures the plugin. */
  async configures(): Promise<void> {
    this.#hand(this.session.accept(await this.next()).bytes);
    this.calls("Configure", { requestTimeout: 400n });
    await this.next();
  }

  /** The next event of the agent. */
  async next(): Promise<SessionEvent> {
    for (;;) {
      const event = this.session.next();
      if (event !== undefined) return event;
      await this.#changed.promise;
    }
  }

  #hand(bytes: Uint8Array): void {
    if (this.#reading === undefined) this.#sent.push(bytes);
    else this.#reading.resolve(bytes);
    this.#reading = undefined;
  }

  #note(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}

interface Stage {
  readonly driver: Driver;
  readonly peer: Peer;
  readonly log: Records;
  readonly stop: AbortController;
  /** What it said that it does, one after the other. */
  readonly said: string[];
  /** Resolves when the conversation is over. */
  readonly over: Promise<boolean>;
}

const NO_QUERIES: Queries = {
  list: () => Promise.resolve(undefined),
  count: () => Promise.resolve(livingOf([])),
  scan: () => assert.fail("not expected"),
  apply: () => Promise.resolve(),
  configure: () => assert.fail("not expected"),
};

const EXCLUSIVE = subject({ name: "x", cpus: 1 });

/** A configured agent, and a peer that takes what it writes. */
async function configured(
  play: (stage: Stage) => Promise<void>,
  queries: Partial<Queries> = {},
  growDelay = 0,
  cpusets?: CpusetPort,
): Promise<void> {
  const [log, stop, peer] = [new Records(), new AbortController(), new Peer()];
  const identity = { name: "weka-cpuset", index: "99" };
  const agent = newAgent({
    identity,
    topology: TOPOLOGY,
    ...DEFAULT_SETTINGS,
    growDelayMs: growDelay,
    cpusets,
    standby: false,
  });
  const driver = new Driver(agent, { ...NO_QUERIES, ...queries }, log, stop.signal);
  const said: string[] = [];
  const over = driver.serve(peer, TOPOLOGY, (state) => {
    if (activityOf(state) !== said.at(-1)) said.push(activityOf(state));
  });
  await peer.configures();
  try {
    await play({ driver, peer, log, stop, said, over });
  } finally {
    peer.close();
    await over;
    driver.close();
  }
}

/** The same, serving a shared and an exclusive container. */
async function serving(play: (stage: Stage) => Promise<void>, ...rest: Rest): Promise<void> {
  await configured(async (stage) => {
    const running = [{ name: "s", record: "0" }, { name: "x", cpus: 1, record: "1" }];
    stage.peer.calls("Synchronize", { pods: running.map(podOf), containers: running.map(containerOf) });
    await stage.peer.next();
    await play(stage);
  }, ...rest);
}

type Rest = [queries?: Partial<Queries>, growDelay?: number, cpusets?: CpusetPort];

Deno.test("stopping closes the connection at once when no request is in hand", async () => {
  await serving(async ({ peer, stop, over }) => {
    await peer.reading();
    stop.abort();
    assert(peer.isClosed);
    assert(await over, "the agent was serving");
  });
});

Deno.test("stopping lets the runtime read a reply that is being written", async () => {
  await serving(async ({ peer, stop, over }) => {
    peer.reads = false;
    peer.calls("StopContainer", EXCLUSIVE);
    await peer.writing();
    stop.abort();
    assert(!peer.isClosed);
    peer.release();
    assert.equal((await peer.next()).kind, "answered");
    await over;
    assert(peer.isClosed);
  });
});

Deno.test("stopping waits a bounded time for a runtime that doesn't read", async () => {
  await serving(async ({ peer, stop, over }) => {
    peer.reads = false;
    peer.calls("StopContainer", EXCLUSIVE);
    await peer.writing();
    stop.abort();
    await peer.closed();
    await over;
  });
});

Deno.test("stopping finishes the update under way, with the runtime's requests about it, and begins no other", async () => {
  const asked = Promise.withResolvers<void>();
  const done = Promise.withResolvers<void>();
  let times = 0;
  const apply = () => {
    times++;
    asked.resolve();
    return done.promise;
  };
  await serving(
    async ({ driver, peer, stop, over }) => {
      peer.calls("StopPodSandbox", { pod: EXCLUSIVE.pod });
      await peer.next();
      driver.feed({ kind: "tick", now: performance.now() + 10_000 });
      await asked.promise;
      stop.abort();
      assert(!peer.isClosed);
      // The runtime asks its plugins about the very update; whatever it asks is answered.
      peer.calls("StopContainer", EXCLUSIVE);
      assert.equal((await peer.next()).kind, "answered");
      done.resolve(); // and something is left, since whoever applies has seen the stop
      await over;
      assert.equal(times, 1);
    },
    { apply },
    1000,
  );
});

Deno.test("stopping lets a start be answered that waits for the kernel to have its CPUs", async () => {
  const kernel = new FakeKernel();
  kernel.writable = false;
  kernel.appear("id-x", "0-1");
  await serving(
    async ({ peer, stop, over }) => {
      peer.calls("StartContainer", EXCLUSIVE);
      await peer.reading();
      stop.abort();
      assert(!peer.isClosed);
      kernel.appear("id-x", "1");
      const answer = await peer.next();
      assert(answer.kind === "answered" && answer.status.code === 0);
      await over;
    },
    {},
    0,
    kernel,
  );
});

Deno.test("stopping ends in spite of an update that hangs", async () => {
  const asked = Promise.withResolvers<void>();
  const apply = () => (asked.resolve(), new Promise<void>(() => {}));
  await serving(
    async ({ driver, peer, stop, over }) => {
      peer.calls("StopPodSandbox", { pod: EXCLUSIVE.pod });
      await peer.next();
      driver.feed({ kind: "tick", now: performance.now() + 10_000 });
      await asked.promise;
      stop.abort();
      await over;
    },
    { apply },
    1000,
  );
});

Deno.test("a reply that the runtime reads late is warned of beyond half of its request timeout", async () => {
  await serving(async ({ peer, log }) => {
    const real = performance.now;
    let late = 0;
    performance.now = () => real.call(performance) + late;
    try {
      peer.reads = false;
      peer.calls("StopContainer", EXCLUSIVE);
      await peer.writing();
      late = 250;
      peer.release();
      await log.until("slow reply");
    } finally {
      performance.now = real;
    }
    const slow = log.records.filter(({ message }) => message.startsWith("slow reply"));
    assert.equal(slow.length, 1, "Configure and Synchronize were in time");
    const { durationMs, call, timeoutMs } = slow[0]?.fields ?? {};
    assert(Number(durationMs) >= 250);
    assert.deepEqual([call, timeoutMs], ["StopContainer", 400]);
  });
});

Deno.test("a closed driver doesn't react to the stop signal, and has no timer left", async () => {
  await serving(async ({ driver, peer, stop }) => {
    await peer.reading();
    driver.close();
    stop.abort();
    assert(!peer.isClosed);
  });
});

Deno.test("a reply that can't be sent keeps none of its step's log records back", async () => {
  await serving(async ({ peer, log, over }) => {
    peer.reads = false;
    peer.calls("StopContainer", EXCLUSIVE);
    await peer.writing();
    peer.close();
    await over;
    assert(log.has("container ended, its CPUs are held for its pod"));
  });
});

Deno.test("what a lost connection left to be applied isn't asked of the runtime while it is needed for the next", async () => {
  const asked = Promise.withResolvers<Parameters<Queries["apply"]>[0]>();
  const done = Promise.withResolvers<void>();
  const apply: Queries["apply"] = (next) => (asked.resolve(next), done.promise);
  await serving(
    async ({ driver, peer, over }) => {
      peer.calls("StopPodSandbox", { pod: EXCLUSIVE.pod });
      await peer.next();
      driver.feed({ kind: "tick", now: performance.now() + 10_000 });
      const next = await asked.promise;
      peer.close();
      await over;
      assert.equal(next(), undefined);
      done.resolve();
    },
    { apply },
    1000,
  );
});

Deno.test("an update that the runtime couldn't apply, though its call was answered, is asked for again", async () => {
  const rounds = [
    Promise.withResolvers<Parameters<Queries["apply"]>>(),
    Promise.withResolvers<Parameters<Queries["apply"]>>(),
  ];
  const done = Promise.withResolvers<void>();
  let round = 0;
  const apply: Queries["apply"] = (...given) => (rounds[round++]?.resolve(given), done.promise);
  await serving(
    async ({ driver, peer }) => {
      peer.calls("StopPodSandbox", { pod: EXCLUSIVE.pod });
      await peer.next();
      driver.feed({ kind: "tick", now: performance.now() + 10_000 });
      const [next, failed] = await rounds[0]!.promise;
      const growth = { id: "id-s", cpus: CpuSet.of(0, 1) };
      assert.deepEqual(next(), growth);
      peer.calls("UpdateContainer", { ...subject({ name: "s" }), linuxResources: { cpu: { cpus: "0-1" } } });
      await peer.next();
      assert.equal(next(), undefined);
      failed("id-s");
      done.resolve();
      await done.promise;
      driver.feed({ kind: "tick", now: performance.now() + 20_000 });
      assert.deepEqual((await rounds[1]!.promise)[0](), growth);
    },
    { apply },
    1000,
  );
});

/** One of them is unknown, for which the agent asks for a list when it is told twice. */
const LIVING = livingOf(["id-s", "id-x", "id-new"]);

/** Listings that end when the test says so. */
class Listings {
  readonly #under: PromiseWithResolvers<Listing | undefined>[] = [];
  readonly #wanted: (() => boolean)[] = [];
  begun = 0;

  readonly list: Queries["list"] = (wanted) => {
    this.begun++;
    this.#wanted.push(wanted);
    this.#under.push(Promise.withResolvers());
    return this.#under.at(-1)?.promise ?? assert.fail();
  };

  get isWanted(): boolean {
    return this.#wanted.at(-1)?.() ?? false;
  }

  /** Ends the one under way; without a list, as when it isn't wanted any more. */
  async end(listing?: Listing): Promise<void> {
    this.#under.at(-1)?.resolve(listing);
    await turn();
  }
}

Deno.test("one listing is under way at a time, however often it is asked for", async () => {
  const listings = new Listings();
  await serving(async ({ driver }) => {
    for (let i = 0; i < 5; i++) driver.feed({ kind: "counted", living: LIVING });
    assert.equal(listings.begun, 1);
    await listings.end();
    assert.equal(listings.begun, 1);
    driver.feed({ kind: "counted", living: LIVING });
    assert.equal(listings.begun, 2);
    await listings.end();
  }, { list: listings.list });
});

Deno.test("a listing of a lost connection isn't wanted any more, and the one for the next connection follows it", async () => {
  const listings = new Listings();
  await serving(async ({ driver, peer, over }) => {
    for (let i = 0; i < 2; i++) driver.feed({ kind: "counted", living: LIVING });
    assert(listings.isWanted);
    peer.close();
    await over;
    assert(!listings.isWanted);
    const next = new Peer();
    const served = driver.serve(next, TOPOLOGY);
    await next.configures();
    next.calls("StopContainer", EXCLUSIVE); // an event without a Synchronize
    await next.next();
    assert.equal(listings.begun, 1);
    await listings.end();
    assert.equal(listings.begun, 2);
    assert(listings.isWanted);
    next.close();
    await served;
    await listings.end();
    assert.equal(listings.begun, 2);
  }, { list: listings.list });
});

Deno.test("a listing that was begun before a release isn't what a resumed agent is rebuilt from", async () => {
  const listings = new Listings();
  const apply: Queries["apply"] = async (next) => {
    while (next() !== undefined) await turn();
  };
  const known = ({ state }: Driver["agent"]) => [state.phase, ...state.ledger.assignments.keys()];
  await serving(async ({ driver }) => {
    for (let i = 0; i < 2; i++) driver.feed({ kind: "counted", living: LIVING });
    driver.feed({ kind: "released", now: 0 });
    driver.feed({ kind: "resumed", now: 0 });
    await turn();
    assert.deepEqual([listings.begun, listings.isWanted], [1, false]);
    await listings.end({ pods: [], containers: [] });
    assert.deepEqual([listings.begun, listings.isWanted, known(driver.agent)], [2, true, ["configured"]]);
    const running = [{ name: "s", record: "0" }];
    await listings.end({ pods: running.map(podOf), containers: running.map(containerOf) });
    assert.deepEqual([listings.begun, known(driver.agent)], [2, ["serving", "id-s"]]);
  }, { list: listings.list, apply });
});

Deno.test("claims are looked for among the CPUs that are online by then", async () => {
  const scanned: string[] = [];
  const scan: Queries["scan"] = (online) => (scanned.push(`${online}`), CpuSet.empty);
  await configured(async ({ driver }) => {
    const now = performance.now();
    driver.feed({
      kind: "topology",
      now,
      topology: topologyOf({ ...twoCpuVm, offline: "1" }),
      offlineRemoved: false,
    });
    for (const later of [1000, 12_000]) driver.feed({ kind: "tick", now: now + later });
    await Promise.resolve();
    assert.deepEqual(scanned, ["0"]);
  }, { scan });
});

Deno.test("whoever stands by is told of each change: who becomes active once it is connected, and who goes passive", async () => {
  await serving(({ driver, said }) => {
    const now = performance.now();
    driver.feed({ kind: "demoted" });
    driver.feed({ kind: "promoted", now });
    driver.feed({ kind: "listed", listing: { pods: [], containers: [] } });
    driver.feed({ kind: "released", now });
    const [registering, synchronizing] = ["registering with the runtime", "synchronizing with the runtime"];
    const before = [registering, synchronizing, "serving"];
    assert.deepEqual(said, [...before, "standing by", synchronizing, "serving", "passive"]);
    return Promise.resolve();
  }, { list: () => Promise.resolve(undefined) });
});
