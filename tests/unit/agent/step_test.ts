import assert from "node:assert/strict";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { CpuSet } from "../../../src/cpu/cpu_set.ts";
import {
  ConfigureRequestSchema,
  ConfigureResponseSchema,
  ContainerRequestSchema,
  ContainerState,
  EmptySchema,
  Event,
  StateChangeEventSchema,
  SynchronizeRequestSchema,
  SynchronizeResponseSchema,
} from "../../../src/nri/gen/nri_pb.ts";
import { CORES_IDS, FORBID_CORE_IDS } from "../../../src/nri/annotations.ts";
import { AssertionError } from "../../../src/assert.ts";
import { answerAfterBug } from "../../../src/agent/serve.ts";
import { Code } from "../../../src/wire/ttrpc.ts";
import { bigNode } from "../../kit/sysfs.ts";
import { Link, subject } from "../../kit/link.ts";
import type { Wanted } from "../../kit/messages.ts";

const web: Wanted = { name: "web" };
const db: Wanted = { name: "db", cpus: 1 };
const pin: Wanted = { name: "pin", annotations: { [CORES_IDS]: "1" } };

Deno.test("it registers with its name and index, and asks only for the events it uses", () => {
  const link = new Link();
  assert.deepEqual(link.register(), { name: "weka-cpuset", index: "99" });
  const bits = [
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

Deno.test("a runtime that never configures the plugin is given up after ten seconds", () => {
  const link = new Link();
  link.register();
  link.feed({ kind: "tick", now: 9_999 });
  assert(!link.closed);
  link.feed({ kind: "tick", now: 10_000 });
  assert(link.closed);
});

Deno.test("once configured it waits for ever", () => {
  const link = Link.serving();
  link.feed({ kind: "tick", now: 1e9 });
  assert(!link.closed);
});

Deno.test("pinned, exclusive and shared containers, from creation to the end", () => {
  const link = Link.serving([], bigNode);
  const shared = { name: "s", annotations: { [FORBID_CORE_IDS]: "2" } };
  assert.deepEqual(link.create(shared), { cpus: "0-1,3-63", mems: "", updates: [] });
  const pinned = { name: "p", annotations: { [CORES_IDS]: "8,40" } };
  assert.deepEqual(link.create(pinned), { cpus: "8,40", mems: "1", updates: ["id-s=0-1,3-7,9-39,41-63"] });
  const { cpus, updates } = link.create({ name: "e", cpus: 2 });
  assert.equal(cpusOf(cpus).size, 2);
  assert.equal(updates.length, 1);
  assert.deepEqual(link.stop({ name: "e", cpus: 2 }), ["id-s=0-1,3-7,9-39,41-63"]);
  link.remove({ name: "e", cpus: 2 });
  assert.deepEqual(link.stop(pinned), ["id-s=0-1,3-63"]);
});

function cpusOf(text: string): CpuSet {
  const set = CpuSet.parse(text);
  assert(set instanceof CpuSet);
  return set;
}

Deno.test("a refusal carries the sentence, keeps the session and changes nothing", () => {
  const link = Link.serving([web]);
  link.create(db);
  const before = link.agent.state.ledger;
  assert.match(
    link.refusal({ name: "more", cpus: 1 }),
    /^cpuset: pod ns\/more container c: needs 1 exclusive CPU, 0 are free/,
  );
  assert.match(
    link.refusal({ ...pin, name: "bad", annotations: { [CORES_IDS]: "0-" } }),
    /is not a CPU list/,
  );
  assert.equal(link.agent.state.ledger, before);
  assert.deepEqual(link.stop(db), ["id-web=0-1"]);
});

Deno.test("a failed creation (stop and remove without a start) gives everything back", () => {
  const link = Link.serving([web]);
  assert.deepEqual(link.create(db).updates, ["id-web=0"]);
  assert.deepEqual(link.stop(db), ["id-web=0-1"]);
  link.remove(db);
  assert(link.agent.state.ledger.claimed.isEmpty);
});

Deno.test("stop and remove are idempotent, and unknown containers harmless", () => {
  const link = Link.serving([web, { ...db, record: "1" }]);
  link.stop(db);
  assert.deepEqual(link.stop(db), []);
  link.remove(db);
  link.remove(db);
  link.remove({ name: "nobody" });
  assert.deepEqual(link.logged("error"), []);
});

Deno.test("an update of a container answers with its present CPUs, its own last", () => {
  const link = Link.serving([web, { ...db, record: "1" }]);
  assert.deepEqual(link.update(db), ["id-db=1"]);
  assert.deepEqual(link.update(web), ["id-web=0"]);
  assert.deepEqual(link.update({ name: "nobody" }), []);
});

Deno.test("Synchronize corrects what was created while nobody watched, and leaves the rest", () => {
  const link = new Link();
  link.register();
  link.configure();
  const stopped = { name: "gone", cpus: 1, record: "1", state: ContainerState.CONTAINER_STOPPED };
  assert.deepEqual(link.synchronize([web, db, stopped]), ["id-db=1", "id-web=0"]);
});

Deno.test("a Synchronize in parts is taken as one, and pods may come in another part than their containers", () => {
  const link = new Link();
  link.register();
  link.configure();
  assert.deepEqual(link.synchronize([web], true), []);
  assert.deepEqual(link.synchronize([], true), []);
  assert.deepEqual(link.synchronize([db]), ["id-db=1", "id-web=0"]);
});

Deno.test("a running container with a bad annotation is shared and degraded, loudly", () => {
  const link = Link.serving([{ name: "bad", annotations: { [CORES_IDS]: "5-2" } }]);
  assert.equal(link.agent.state.ledger.assignments.get("id-bad")?.claim.kind, "shared");
  assert(
    link.logged("warn").some((m) =>
      m.startsWith("degraded to the shared pool: cpuset: pod ns/bad container c:")
    ),
  );
});

Deno.test("the memory of a running container is never moved, only reported", () => {
  const link = Link.serving([{ name: "p", annotations: { [CORES_IDS]: "8" }, record: "0-63" }], bigNode);
  assert(link.logged("warn").includes("memory nodes not set to 1, recreate the pod"));
});

Deno.test("before the Synchronize pinned and exclusive creations are refused, shared ones pass", () => {
  const link = new Link();
  link.register();
  link.configure();
  assert.deepEqual(link.create(web), { cpus: "", mems: "", updates: [] });
  assert.match(link.refusal(db), /not synchronized with the runtime yet/);
  assert.match(link.refusal(pin), /not synchronized with the runtime yet/);
  assert.deepEqual(link.stop(db), []);
});

Deno.test("an event before the Configure is out of order", () => {
  const link = new Link();
  link.register();
  assert.match(link.refusal(web), /^CreateContainer out of order: the plugin is registering$/);
});

Deno.test("after a lost connection it registers anew and rebuilds from what the runtime then says", () => {
  const link = Link.serving([web]);
  link.create(db);
  link.feed({ kind: "disconnected" });
  link.register();
  link.configure();
  assert.match(link.refusal({ name: "x", cpus: 1 }), /not synchronized/);
  assert.deepEqual(link.synchronize([{ ...web, record: "0-1" }]), []);
  assert(link.agent.state.ledger.claimed.isEmpty);
});

Deno.test("a connection that ends in the middle of a message is said so, one that ends after it isn't", () => {
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

Deno.test("a dry run answers everything as if nothing needed changing, and says what it would do", () => {
  const link = Link.serving([web], undefined, { dryRun: true });
  assert.deepEqual(link.create(db), { cpus: "", mems: "", updates: [] });
  assert.deepEqual(link.create({ name: "more", cpus: 1 }), { cpus: "", mems: "", updates: [] });
  assert.deepEqual(link.update(web), []);
  assert.deepEqual(link.stop(db), []);
  assert(link.logged("info").includes("would place exclusive"));
  assert(link.logged("warn").some((m) => m.startsWith("would refuse: cpuset: pod ns/more")));
});

Deno.test("both forms of an event do the same", () => {
  for (const method of ["RemoveContainer", "StateChange"]) {
    const link = Link.serving([{ ...db, record: "1" }]);
    const request = create(StateChangeEventSchema, { event: Event.REMOVE_CONTAINER, ...subject(db) });
    // The dedicated call has pod and container as fields 1 and 2, StateChange as 2 and 3.
    const bytes = toBinary(StateChangeEventSchema, request);
    if (method === "StateChange") link.call(method, bytes);
    else link.call(method, dedicated(db));
    assert(link.agent.state.ledger.claimed.isEmpty, method);
  }
});

function dedicated(wanted: Wanted): Uint8Array {
  return toBinary(ContainerRequestSchema, create(ContainerRequestSchema, subject(wanted)));
}

const NOTIFICATIONS = [
  "RunPodSandbox",
  "UpdatePodSandbox",
  "PostUpdatePodSandbox",
  "RemovePodSandbox",
  "PostCreateContainer",
  "ValidateContainerAdjustment",
];

Deno.test("every other call of the protocol gets an empty answer, in both forms", () => {
  const link = Link.serving([web]);
  for (const method of NOTIFICATIONS) link.ask(method, EmptySchema, {}, EmptySchema);
  for (let event = 0; event <= 14; event++) {
    const own = [
      Event.STOP_POD_SANDBOX,
      Event.START_CONTAINER,
      Event.POST_START_CONTAINER,
      Event.POST_UPDATE_CONTAINER,
      Event.REMOVE_CONTAINER,
    ];
    if (own.includes(event)) continue;
    link.ask("StateChange", StateChangeEventSchema, { event, ...subject(web) }, EmptySchema);
  }
  link.ask("Shutdown", EmptySchema, {}, EmptySchema);
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

Deno.test("however the bytes are cut, the story is the same", () => {
  const tell = (link: Link) => {
    link.register();
    link.configure();
    const told: unknown[] = [link.synchronize([web, db])];
    told.push(link.create({ name: "s2" }), link.update(web), link.stop(db), link.create(pin), link.stop(pin));
    return told;
  };
  const whole = tell(new Link());
  fc.assert(
    fc.property(fc.infiniteStream(fc.integer({ min: 1, max: 50 })), (sizes) => {
      const cut = function* (bytes: Uint8Array) {
        for (let at = 0; at < bytes.length;) {
          const size: number = sizes.next().value ?? 1;
          yield bytes.slice(at, at + size);
          at += size;
        }
      };
      assert.deepEqual(tell(new Link(undefined, {}, cut)), whole);
    }),
    { numRuns: 50 },
  );
});

Deno.test("random bytes end the session or wait for more, and never throw", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 64 }), { maxLength: 8 }), (chunks) => {
      const link = Link.serving([{ ...db, record: "1" }]);
      for (const bytes of chunks) link.feed({ kind: "received", now: 0, bytes });
      assert.equal(link.agent.state.ledger.claimed.toString(), "1");
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
  assert.notEqual(
    fromBinary(ConfigureResponseSchema, configure.payload).events,
    0,
    "0 would ask for every event",
  );
  const synchronize = answerAfterBug({
    kind: "Synchronize",
    request: create(SynchronizeRequestSchema, { more: true }),
    bytes: 2,
  }, false);
  assert(synchronize.kind === "answer");
  assert(fromBinary(SynchronizeResponseSchema, synchronize.payload).more);
});
