/** AllowedCPUs by way of a system bus, whatever that answers. */
import assert from "node:assert/strict";
import { CpuSet } from "../../../src/cpu/cpu_set.ts";
import { libc } from "../../../src/platform/libc.ts";
import { openSystemBus, type SystemBus } from "../../../src/systemd/system_bus.ts";
import { returnMessage, signalMessage } from "../../kit/bus_messages.ts";
import { concat, pattern } from "../../kit/bytes.ts";
import { FakeBus, type Rule } from "../../kit/fake_bus.ts";

libc(); // loaded outside of the tests, where it is no leak

const UNIT = "kubepods-burstable.slice";
const CPUS = CpuSet.of(0, 1, 9);
/** Milliseconds: for what is answered, and for what isn't. */
const AMPLE = 10_000;
const SHORT = 300;

/** Plays with a bus that follows `rules`; `later` moves the clock of the delays. */
async function withBus(
  rules: readonly Rule[],
  play: (bus: SystemBus, fake: FakeBus, later: (ms: number) => void) => Promise<void> | void,
): Promise<void> {
  await using fake = await FakeBus.start();
  await fake.rule(...rules);
  let now = 0;
  const bus = openSystemBus(fake.path, () => now);
  try {
    await play(bus, fake, (ms) => now += ms);
  } finally {
    bus.close();
  }
}

function assertSet(bus: SystemBus, cpus = CPUS): void {
  assert.deepEqual(bus.setAllowedCpus(UNIT, cpus, AMPLE), { kind: "done" });
  assert.deepEqual(bus.allowedCpus(UNIT, AMPLE), { kind: "values", cpus });
}

function assertFails(result: { kind: string; reason?: string }, reason: RegExp): void {
  assert.equal(result.kind, "failed");
  assert.match(result.reason ?? "", reason);
  assert.match(result.reason ?? "", /^\P{Cc}{20,600}$/u);
}

/** Makes the call that is named so. */
function ask(bus: SystemBus, on: Rule["on"], deadlineMs: number) {
  return on === "Get" ? bus.allowedCpus(UNIT, deadlineMs) : bus.setAllowedCpus(UNIT, CPUS, deadlineMs);
}

async function connections(fake: FakeBus): Promise<number> {
  return (await fake.log()).filter((line) => line.startsWith("connection")).length;
}

Deno.test("the property is set until the next boot, and read, all on one connection", async () => {
  await withBus([], async (bus, fake) => {
    assert.deepEqual(bus.setAllowedCpus(UNIT, CPUS, AMPLE), { kind: "done" });
    assert.deepEqual(bus.setAllowedCpus("init.scope", CpuSet.of(3), AMPLE), { kind: "done" });
    assert.deepEqual(bus.allowedCpus("init.scope", AMPLE), { kind: "values", cpus: CpuSet.of(3) });
    assert.deepEqual(bus.unsetAllowedCpus("init.scope", AMPLE), { kind: "done" });
    assert.deepEqual(bus.allowedCpus("init.scope", AMPLE), { kind: "values", cpus: CpuSet.empty });
    const unset = bus.allowedCpus("kubepods-besteffort.slice", AMPLE);
    assert.deepEqual(unset, { kind: "values", cpus: CpuSet.empty });
    const unit = "Get /org/freedesktop/systemd1/unit";
    const user = [...`${Deno.uid()}`].map((digit) => `3${digit}`).join("");
    assert.deepEqual(await fake.log(), [
      "connection 1",
      `AUTH \0AUTH EXTERNAL ${user}`,
      "Hello",
      `SetUnitProperties ${UNIT} 1 AllowedCPUs ay 0302`,
      "SetUnitProperties init.scope 1 AllowedCPUs ay 08",
      `${unit}/init_2escope org.freedesktop.systemd1.Scope AllowedCPUs`,
      "SetUnitProperties init.scope 1 AllowedCPUs ay",
      `${unit}/init_2escope org.freedesktop.systemd1.Scope AllowedCPUs`,
      `${unit}/kubepods_2dbesteffort_2eslice org.freedesktop.systemd1.Slice AllowedCPUs`,
    ]);
  });
});

Deno.test("answers that come in small pieces, or behind signals and other calls' answers, are the same", async () => {
  const before = concat(signalMessage(pattern(200_000)), returnMessage(4711));
  const rules: Rule[] = (["AUTH", "Hello", "SetUnitProperties", "Get"] as const).map((on) => ({
    on,
    piece: 7,
  }));
  await withBus([...rules, { on: "Get", before }], (bus) => {
    assertSet(bus);
    assert.deepEqual(bus.allowedCpus(UNIT, AMPLE), { kind: "values", cpus: CPUS });
  });
});

for (
  const [name, on, reason] of [
    [
      "org.freedesktop.DBus.Error.PropertyReadOnly",
      "SetUnitProperties",
      /knows no AllowedCPUs of .* \("so"\); it takes systemd 244/,
    ],
    [
      "org.freedesktop.DBus.Error.UnknownProperty",
      "Get",
      /knows no AllowedCPUs of .* \("so"\); it takes systemd 244/,
    ],
    ["org.freedesktop.DBus.Error.ServiceUnknown", "Get", /systemd isn't on the system bus \("so"\)/],
    [
      "org.freedesktop.systemd1.NoSuchUnit",
      "Get",
      /refused AllowedCPUs of kubepods-burstable\.slice \("org\..*NoSuchUnit"\): "so"/,
    ],
  ] as const
) {
  Deno.test(`the error ${name} is one sentence, and the connection stays`, async () => {
    await withBus([{ on, error: [name, "so"] }], async (bus, fake) => {
      assertFails(ask(bus, on, AMPLE), reason);
      assertSet(bus);
      assert.equal(await connections(fake), 1);
    });
  });
}

/** All that ends a connection: what the bus does, and what is said about it. */
const BROKEN: readonly [what: string, rule: Rule, reason: RegExp, deadlineMs?: number][] = [
  ["silence", { on: "SetUnitProperties", silent: true }, /with 300 ms for it: no answer came in time/, SHORT],
  ["silence while joining", { on: "AUTH", silent: true }, /no answer came in time/, SHORT],
  ["an end", { on: "Get", silent: true, close: true }, /the peer has closed|Connection reset/],
  ["garbage", { on: "Get", silent: true, before: pattern(100) }, /is malformed: it has neither byte order/],
  [
    "a line that isn't one",
    { on: "AUTH", silent: true, before: pattern(5000, 3) },
    /a line of the system bus has no end/,
  ],
  [
    "HTTP",
    { on: "AUTH", before: Uint8Array.from("HTTP\r\n", (c) => c.charCodeAt(0)) },
    /has "HTTP" for an answer to AUTH/,
  ],
  [
    "an answer that goes on",
    { on: "AUTH", after: Uint8Array.of(1) },
    /has bytes before it was let begin/,
  ],
  [
    "a rejection",
    { on: "AUTH", before: Uint8Array.from("REJECTED EXTERNAL\r\n", (c) => c.charCodeAt(0)) },
    /doesn't let this user in \("REJECTED EXTERNAL"\); run the agent as root/,
  ],
  [
    "a refused Hello",
    { on: "Hello", error: ["a.LimitsExceeded", ""] },
    /lets nobody join: a\.LimitsExceeded/,
  ],
  [
    "a huge answer",
    { on: "Get", silent: true, before: returnMessage(2, "s", pattern(70_000)) },
    /an answer on the system bus has 700\d\d bytes/,
  ],
];

for (const [what, rule, reason, deadlineMs = AMPLE] of BROKEN) {
  Deno.test(`${what} closes the connection; the next one is made after a delay, and works`, async () => {
    await withBus([rule], async (bus, fake, later) => {
      assertFails(ask(bus, rule.on, deadlineMs), reason);
      assertFails(ask(bus, rule.on, AMPLE), /^the next try is in \d+ ms, since asking systemd about/);
      assert.equal(await connections(fake), 1);
      later(125);
      assertSet(bus, CpuSet.of(2));
    });
  });
}

Deno.test("an answer that comes late isn't taken for the next one's", async () => {
  await withBus([{ on: "Get", hold: true }], async (bus, fake, later) => {
    assertFails(bus.allowedCpus(UNIT, SHORT), /no answer came in time/);
    later(125);
    assertSet(bus, CpuSet.of(5));
    assert.equal(await connections(fake), 2);
  });
});

Deno.test("a connection that has ended since its last answer is replaced, without a delay", async () => {
  await withBus([{ on: "SetUnitProperties", close: true }], async (bus, fake) => {
    assert.deepEqual(bus.setAllowedCpus(UNIT, CPUS, AMPLE), { kind: "done" });
    await fake.closed();
    assertSet(bus, CpuSet.of(5));
    assert.equal(await connections(fake), 1);
  });
});

Deno.test("a connection on which something came after its last answer is replaced, without a delay", async () => {
  await withBus([{ on: "SetUnitProperties", after: signalMessage() }], async (bus, fake) => {
    assert.deepEqual(bus.setAllowedCpus(UNIT, CPUS, AMPLE), { kind: "done" });
    assertSet(bus, CpuSet.of(5));
    assert.equal(await connections(fake), 2);
  });
});

Deno.test("the delay starts over after a success", async () => {
  const end = { silent: true, close: true };
  const rules: Rule[] = [{ on: "AUTH", ...end }, { on: "Hello", ...end }, { on: "Get", ...end }];
  await withBus(rules, (bus, _, later) => {
    for (const ms of [125, 250]) {
      assertFails(bus.setAllowedCpus(UNIT, CPUS, AMPLE), /the peer has closed|Connection reset/);
      later(ms);
    }
    assert.deepEqual(bus.setAllowedCpus(UNIT, CPUS, AMPLE), { kind: "done" });
    assertFails(bus.allowedCpus(UNIT, AMPLE), /the peer has closed|Connection reset/);
    later(125);
    assertSet(bus);
  });
});

Deno.test("the delay doubles up to five seconds", async () => {
  await withBus([], (_, fake) => {
    let now = 0;
    const path = `${fake.path}-later`;
    const bus = openSystemBus(path, () => now);
    const delays = Array.from({ length: 9 }, () => {
      assertFails(
        bus.allowedCpus(UNIT, AMPLE),
        /there is no system bus at .*; is dbus running, and its socket mounted\?/,
      );
      const { reason = "" } = bus.allowedCpus(UNIT, AMPLE) as { reason?: string };
      const delay = Number(/^the next try is in (\d+) ms/.exec(reason)?.[1]);
      now += delay;
      return delay;
    });
    const steps = [100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000];
    assert(
      delays.every((delay, at) => Math.abs(delay - (steps[at] ?? 0)) <= (steps[at] ?? 0) / 4),
      `${delays}`,
    );
    Deno.symlinkSync(fake.path, path);
    assertFails(bus.allowedCpus(UNIT, AMPLE), /is no socket; it should be the one of the system bus/);
    bus.close();
  });
});

Deno.test("no bus is asked for a unit that can't be one, nor to set no CPUs", async () => {
  await withBus([], async (bus, fake) => {
    assertFails(bus.allowedCpus("a.service", AMPLE), /"a.service" is no name of a slice or scope/);
    assertFails(bus.setAllowedCpus(UNIT, CpuSet.empty, AMPLE), /^no CPUs for kubepods-burstable.slice/);
    assert.equal(await connections(fake), 0);
  });
});

Deno.test("a socket that anybody may have put there isn't connected to", async () => {
  await withBus([], async (bus, fake, later) => {
    const folder = fake.path.replace(/\/bus$/, "");
    Deno.chmodSync(folder, 0o1777);
    assertFails(bus.allowedCpus(UNIT, AMPLE), /the directory .* is world-writable; remove that permission/);
    Deno.chmodSync(folder, 0o755);
    later(250);
    if (Deno.uid() === 0) {
      Deno.chownSync(fake.path, 65534, 65534);
      assertFails(
        bus.allowedCpus(UNIT, AMPLE),
        /belongs to user 65534; the socket of the system bus belongs to root/,
      );
      Deno.chownSync(fake.path, 0, 0);
    }
    later(500);
    assert.equal(await connections(fake), 0);
    assertSet(bus);
  });
});

Deno.test("a path that no socket's address can have is refused", async () => {
  await withBus([], (_, fake) => {
    const long = `${fake.path}-${"x".repeat(110)}`;
    Deno.renameSync(fake.path, long);
    assertFails(openSystemBus(long).allowedCpus(UNIT, AMPLE), /a unix socket has at most 107 bytes/);
  });
});
