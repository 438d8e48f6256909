import assert from "node:assert/strict";
import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { viewOf } from "../../../src/agent/view.ts";
import { ConfigureRequestSchema, Event, SynchronizeRequestSchema } from "../../../src/nri/gen/nri_pb.ts";
import { CORES_IDS } from "../../../src/nri/annotations.ts";
import { AssertionError } from "../../../src/assert.ts";
import { answerAfterBug } from "../../../src/agent/serve.ts";
import { Code } from "../../../src/wire/ttrpc.ts";
import { Link, subject } from "../../kit/link.ts";
import type { Wanted } from "../../kit/messages.ts";
import { decode, encode, type Method } from "../../kit/runtime_end.ts";

const web: Wanted = { name: "web" };
const db: Wanted = { name: "db", cpus: 1 };
const pin: Wanted = { name: "pin", annotations: { [CORES_IDS]: "1" } };

Deno.test("it registers with its name and index, and asks only for the events it uses", () => {
  const link = new Link();
  assert.deepEqual(link.register(), { name: "weka-cpuset", index: "99" });
  const bits = [
    Event.RUN_POD_SANDBOX,
    Event.STOP_POD_SANDBOX,
    Event.CREATE_CONTAINER,
    Event.START_CONTAINER,
    Event.POST_START_CONTAINER,
    Event.POST_UPDATE_CONTAINER,
    Event.UPDATE_CONTAINER,
    Event.STOP_CONTAINER,
    Event.REMOVE_CONTAINER,
  ];
  assert.equal(link.configure(), bits.reduce((mask, bit) => mask | (1 << (bit - 1)), 0));
});

Deno.test("a refused registration closes the connection with the runtime's reason", () => {
  const link = new Link();
  link.connect();
  const event = link.runtime.next();
  assert(event?.kind === "called");
  link.toAgent(link.runtime.refuse(event.stream, { code: Code.INVALID_ARGUMENT, message: "index in use" }));
  assert(link.closed);
  assert.deepEqual(link.logged("error"), [
    "the connection is closed: the runtime refused to register the plugin 99-weka-cpuset: index in use",
  ]);
});

Deno.test("a runtime that never configures the plugin is disconnected after ten seconds", () => {
  const link = new Link();
  link.register();
  link.feed({ kind: "tick", now: 9_999 });
  assert(!link.closed);
  link.feed({ kind: "tick", now: 10_000 });
  assert(link.closed);
});

Deno.test("once configured it stays connected without a bound", () => {
  const link = Link.serving();
  link.feed({ kind: "tick", now: 1e9 });
  assert(!link.closed);
});

Deno.test("an event before the Configure is out of order", () => {
  const link = new Link();
  link.register();
  assert.match(link.refusal(web), /^CreateContainer out of order: the plugin is registering$/);
});

Deno.test("a connection that ends in the middle of a message is logged as broken, one that ends after it isn't", () => {
  const link = Link.serving([web]);
  link.toAgent(Uint8Array.of(0, 0, 0, 1, 0));
  link.feed({ kind: "disconnected" });
  assert.match(
    link.logged("warn").at(-1) ?? "",
    /^the connection ended: the runtime broke the protocol \(truncated\)/,
  );
  const clean = Link.serving([web]);
  clean.feed({ kind: "disconnected" });
  assert.deepEqual(clean.logged("warn", "error"), []);
});

Deno.test("both forms of an event do the same", () => {
  for (const method of ["RemoveContainer", "StateChange"] as const) {
    const link = Link.serving([{ ...db, record: "1" }]);
    const event = method === "StateChange" ? { event: Event.REMOVE_CONTAINER } : {};
    link.ask(method, { ...event, ...subject(db) });
    assert.deepEqual(viewOf(link.agent.state).held.map(({ grant }) => `${grant}`), ["1"], method);
  }
});

const NOTIFICATIONS: readonly Method[] = [
  "UpdatePodSandbox",
  "PostUpdatePodSandbox",
  "RemovePodSandbox",
  "PostCreateContainer",
  "ValidateContainerAdjustment",
  "Shutdown",
];
const HANDLED = [
  Event.RUN_POD_SANDBOX,
  Event.STOP_POD_SANDBOX,
  Event.START_CONTAINER,
  Event.POST_START_CONTAINER,
  Event.POST_UPDATE_CONTAINER,
  Event.REMOVE_CONTAINER,
];

Deno.test("every other call of the protocol gets an empty answer, in both forms", () => {
  const link = Link.serving([web]);
  for (const method of NOTIFICATIONS) link.ask(method, { pod: subject(web).pod });
  for (let event = 0; event <= 14; event++) {
    if (!HANDLED.includes(event)) link.ask("StateChange", { event, ...subject(web) });
  }
  assert.equal(link.agent.state.ledger.assignments.size, 1);
});

for (
  const [service, method] of [
    ["nri.pkg.api.v1alpha1.Plugin", "Future"],
    ["other.Plugin", "CreateContainer"],
    ["nri.pkg.api.v1alpha1.Plugin", "constructor"],
  ] as const
) {
  Deno.test(`the unknown call ${service}/${method} is answered unimplemented and the session goes on`, () => {
    const link = Link.serving();
    const event = link.call(method, new Uint8Array(), service);
    assert(event?.kind === "answered");
    assert.equal(event.status.code, Code.UNIMPLEMENTED);
    assert.deepEqual(link.update(web), []);
  });
}

for (const [what, payload] of [["garbage", [0xff, 0xff, 0xff]], ["no container", []]] as const) {
  Deno.test(`a CreateContainer with ${what} ends the session, with a sentence and the ledger kept`, () => {
    const link = Link.serving([{ ...db, record: "1" }]);
    const before = link.agent.state.ledger;
    assert.equal(link.call("CreateContainer", Uint8Array.from(payload)), undefined);
    assert(link.closed);
    assert.match(
      link.logged("error")[0] ?? "",
      /^the connection is closed: the runtime broke the protocol \(malformed\)/,
    );
    assert.equal(link.agent.state.ledger, before);
  });
}

Deno.test("however the bytes are cut, the conversation is the same", () => {
  const converse = (link: Link) => {
    link.register();
    link.configure();
    const answers: unknown[] = [link.synchronize([web, db]), link.create({ name: "s2" }), link.update(web)];
    return answers.concat(link.stop(db), link.create(pin), link.stop(pin));
  };
  const whole = converse(new Link());
  fc.assert(
    fc.property(fc.infiniteStream(fc.integer({ min: 1, max: 50 })), (sizes) => {
      const cut = function* (bytes: Uint8Array) {
        for (let at = 0, size; at < bytes.length; at += size) {
          size = sizes.next().value ?? 1;
          yield bytes.slice(at, at + size);
        }
      };
      assert.deepEqual(converse(new Link(undefined, {}, cut)), whole);
    }),
    { numRuns: 50 },
  );
});

Deno.test("random bytes end the session or wait for more, and never throw", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 64 }), { maxLength: 8 }), (chunks) => {
      const link = Link.serving([{ ...db, record: "1" }]);
      for (const bytes of chunks) link.feed({ kind: "received", now: 0, bytes });
      assert.equal(link.claimed, "1");
    }),
    { numRuns: 2000 },
  );
});

Deno.test("a bug while deciding is answered and logged; the ledger and the session are kept", () => {
  const link = Link.serving([web]);
  const { ledger, rules } = link.agent.state;
  const broken = {
    ...rules,
    get reservedNamespaces(): never {
      throw new AssertionError("nobody may own a CPU twice");
    },
  };
  link.agent = { ...link.agent, state: { ...link.agent.state, rules: broken } };
  assert.equal(link.refusal({ name: "s" }), "cpuset: internal error, see the agent's log");
  assert.match(
    link.logged("error")[0] ?? "",
    /^bug while answering CreateContainer, please report it: .*nobody may own a CPU twice/,
  );
  assert.equal(link.agent.state.ledger, ledger);
  link.agent = { ...link.agent, state: { ...link.agent.state, rules } };
  assert.deepEqual(link.synchronize([web]), [], "a Synchronize rebuilds from what is really there");
});

Deno.test("Configure and Synchronize get neutral answers after a bug, since an error there loses the plugin", () => {
  const configure = answerAfterBug({ kind: "Configure", request: create(ConfigureRequestSchema) }, false);
  assert(configure.kind === "answer");
  assert.notEqual(decode("Configure", configure.payload).events, 0, "0 would ask for every event");
  const request = create(SynchronizeRequestSchema, { more: true });
  const synchronize = answerAfterBug({ kind: "Synchronize", request, bytes: 2 }, false);
  assert(synchronize.kind === "answer");
  assert(decode("Synchronize", synchronize.payload).more);
});

Deno.test("a Synchronize without an end closes the connection: it isn't answered as if it were a bug", () => {
  const link = Link.configured();
  const payload = encode("Synchronize", { more: true, pods: Array(60_000).fill({}) });
  assert.equal(link.call("Synchronize", payload)?.kind, "answered");
  link.call("Synchronize", payload);
  assert(link.closed);
  assert.match(
    link.logged("error").join(),
    /^the connection is closed: the runtime broke the protocol \(overflow\): Synchronize has more than 65536/,
  );
});

Deno.test("parts of 64 MiB together, however few they name, close the connection and are released", () => {
  const link = Link.configured();
  // Field 99, a text, is none that we know: it is skipped, and counts.
  const unknown = Uint8Array.of(0x9a, 0x06, ...varint(2 ** 22 - 256));
  const payload = new Uint8Array([
    ...encode("Synchronize", { more: true }),
    ...unknown,
    ...new Uint8Array(2 ** 22 - 256),
  ]);
  let answered = 0;
  while (answered < 20 && link.call("Synchronize", payload)?.kind === "answered") answered++;
  assert.equal(answered, 16);
  assert.equal(link.agent.state.parts.length, 0);
  assert.match(link.logged("error").join(), /\(overflow\): Synchronize has more than 64 MiB/);
});

function varint(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(value >>> 7)];
}
