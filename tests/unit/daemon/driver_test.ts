/** What the driver does beside carrying out `step`: leaving in good order, waking, watching the time. */
import assert from "node:assert/strict";
import { newAgent } from "../../../src/agent/step.ts";
import { type Answers, Driver } from "../../../src/daemon/driver.ts";
import type { Connection } from "../../../src/platform/socket.ts";
import type { Cpusets } from "../../../src/cgroup/port.ts";
import type { SessionEvent } from "../../../src/wire/session.ts";
import { FakeKernel } from "../../kit/fake_kernel.ts";
import { DEFAULT_SETTINGS } from "../../kit/policy.ts";
import { topologyOf, twoCpuVm } from "../../kit/sysfs.ts";
import { subject } from "../../kit/link.ts";
import { containerOf, podOf } from "../../kit/messages.ts";
import { type Method, type Request, RuntimeEnd } from "../../kit/runtime_end.ts";
import { Records } from "../../kit/daemon_stage.ts";

const TOPOLOGY = topologyOf(twoCpuVm);

/** A runtime's end, at which every write waits until it is let go. */
class Peer implements Connection {
  readonly session = new RuntimeEnd();
  /** While false, writes wait. */
  reads = true;
  isClosed = false;
  #said: Uint8Array[] = [];
  #hearing: PromiseWithResolvers<Uint8Array | undefined> | undefined;
  #writing: (PromiseWithResolvers<void> & { bytes: Uint8Array }) | undefined;
  #changed = Promise.withResolvers<void>();

  read(): Promise<Uint8Array | undefined> {
    if (this.isClosed) return Promise.resolve(undefined);
    const next = this.#said.shift();
    if (next !== undefined) return Promise.resolve(next);
    this.#hearing = Promise.withResolvers();
    this.#note();
    return this.#hearing.promise;
  }

  write(bytes: Uint8Array): Promise<void> {
    this.#writing = { ...Promise.withResolvers<void>(), bytes };
    const { promise } = this.#writing;
    this.#note();
    if (this.reads) this.takes();
    return promise;
  }

  close(): void {
    this.isClosed = true;
    this.#hearing?.resolve(undefined);
    this.#writing?.reject(new Error("closed"));
    this.#note();
  }

  /** Takes what is being written. */
  takes(): void {
    if (this.#writing === undefined) return;
    const { bytes, resolve } = this.#writing;
    this.#writing = undefined;
    this.session.receive(bytes);
    resolve();
  }

  /** Resolves when the agent has begun to write what waits to be taken. */
  async writing(): Promise<void> {
    while (this.#writing === undefined) await this.#changed.promise;
  }

  /** Resolves when the agent waits for the runtime to say something. */
  async waitedFor(): Promise<void> {
    while (this.#hearing === undefined) await this.#changed.promise;
  }

  async closed(): Promise<void> {
    while (!this.isClosed) await this.#changed.promise;
  }

  calls<M extends Method>(method: M, request: Request<M>): void {
    this.#hand(this.session.request(method, request));
  }

  /** Takes the registration and accepts it. */
  async accepts(): Promise<void> {
    this.#hand(this.session.accept(await this.next()).bytes);
  }

  /** The agent's next call or answer. */
  async next(): Promise<SessionEvent> {
    for (;;) {
      const event = this.session.next();
      if (event !== undefined) return event;
      await this.#changed.promise;
    }
  }

  #hand(bytes: Uint8Array): void {
    if (this.#hearing === undefined) this.#said.push(bytes);
    else this.#hearing.resolve(bytes);
    this.#hearing = undefined;
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
  /** Resolves when the conversation is over. */
  readonly over: Promise<boolean>;
}

const NO_ANSWERS: Answers = {
  list: () => Promise.resolve(undefined),
  count: () => Promise.resolve(new Set()),
  scan: () => assert.fail("nobody asks for that"),
  apply: () => Promise.resolve(),
  configure: () => assert.fail("nobody asks for that"),
};

const EXCLUSIVE = subject({ name: "x", cpus: 1 });

/** An agent that serves a shared and an exclusive container, and a peer that takes what it writes. */
async function serving(
  play: (stage: Stage) => Promise<void>,
  answers: Partial<Answers> = {},
  growDelay = 0,
  cpusets?: Cpusets,
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
  const driver = new Driver(agent, { ...NO_ANSWERS, ...answers }, log, stop.signal);
  const over = driver.converse(peer, TOPOLOGY);
  await peer.accepts();
  peer.calls("Configure", { requestTimeout: 400n });
  await peer.next();
  const running = [{ name: "s", record: "0" }, { name: "x", cpus: 1, record: "1" }];
  peer.calls("Synchronize", { pods: running.map(podOf), containers: running.map(containerOf) });
  await peer.next();
  try {
    await play({ driver, peer, log, stop, over });
  } finally {
    peer.close();
    await over;
    driver.close();
  }
}

Deno.test("stopping closes the connection at once when nothing is in hand", async () => {
  await serving(async ({ peer, stop, over }) => {
    await peer.waitedFor();
    stop.abort();
    assert(peer.isClosed);
    assert(await over, "it had come to serving");
  });
});

Deno.test("stopping lets an answer that waits for the runtime to read it be read", async () => {
  await serving(async ({ peer, stop, over }) => {
    peer.reads = false;
    peer.calls("StopContainer", EXCLUSIVE);
    await peer.writing();
    stop.abort();
    assert(!peer.isClosed);
    peer.takes();
    assert.equal((await peer.next()).kind, "answered");
    await over;
    assert(peer.isClosed);
  });
});

Deno.test("stopping doesn't wait for ever for a runtime that reads no answer", async () => {
  await serving(async ({ peer, stop, over }) => {
    peer.reads = false;
    peer.calls("StopContainer", EXCLUSIVE);
    await peer.writing();
    stop.abort();
    await peer.closed();
    await over;
  });
});

Deno.test("stopping lets the update under way be finished, with what the runtime asks about it, and begins no other", async () => {
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
      peer.calls("StopContainer", EXCLUSIVE);
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
      await peer.waitedFor();
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

Deno.test("who stops while an update hangs is not kept by it", async () => {
  const asked = Promise.withResolvers<void>();
  const apply = () => (asked.resolve(), new Promise<void>(() => {}));
  await serving(
    async ({ driver, peer, stop, over }) => {
      peer.calls("StopContainer", EXCLUSIVE);
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

Deno.test("an answer that the runtime reads late is counted, and warned of beyond half of its own limit", async () => {
  await serving(async ({ driver, peer, log }) => {
    const before = driver.latency;
    assert.equal(before.answers.count, 2, "Configure and Synchronize");
    assert.equal(before.slow.count, 0);
    const real = performance.now;
    let late = 0;
    performance.now = () => real.call(performance) + late;
    try {
      peer.reads = false;
      peer.calls("StopContainer", EXCLUSIVE);
      await peer.writing();
      late = 250;
      peer.takes();
      await log.until("an answer took more than half of the time");
    } finally {
      performance.now = real;
    }
    const { answers, slow } = driver.latency;
    assert.equal(answers.count, 3);
    assert(answers.max >= 250 && slow.count === 1);
    const fields = log.records.find(({ message }) => message.startsWith("an answer took"))?.fields;
    assert.equal(fields?.["call"], "StopContainer");
    assert.equal(fields?.["timeoutMs"], 400);
  });
});

Deno.test("a driver that is closed hears of no stop any more, and leaves no timer", async () => {
  await serving(async ({ driver, peer, stop }) => {
    await peer.waitedFor();
    driver.close();
    stop.abort();
    assert(!peer.isClosed);
  });
});
