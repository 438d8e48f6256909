/** The CPUs that the containers of a pod share: what its certain claims leave of its limit, in whatever order they come. */
import assert from "node:assert/strict";
import { checkPools } from "../../../src/ledger/holdings.ts";
import { CpuSet } from "../../../src/cpu/cpu_set.ts";
import type { Claim, ContainerRef, ExclusiveClaim } from "../../../src/ledger/claim.ts";
import { foundByRecord } from "../../../src/ledger/delivery.ts";
import { Ledger } from "../../../src/ledger/ledger.ts";
import { leftBehind } from "../../../src/ledger/leftover.ts";
import { admit } from "../../../src/ledger/plan.ts";
import { withPodLimit } from "../../../src/ledger/pod_set.ts";
import { recover } from "../../../src/ledger/recover.ts";
import { release, releaseForGood } from "../../../src/ledger/release.ts";
import { applyTopology } from "../../../src/ledger/topology_change.ts";
import { DEFAULT_POLICY } from "../../kit/policy.ts";
import { bigNode, topologyOf } from "../../kit/sysfs.ts";
import { cpus, exclusive, pinned, ref } from "../../kit/books.ts";

const MACHINE = { ...bigNode, sockets: 1, nodesPerSocket: 1 };
const TOPOLOGY = topologyOf(MACHINE);
const EMPTY = Ledger.empty(TOPOLOGY, DEFAULT_POLICY);

const own = (count: number): ExclusiveClaim => ({ ...exclusive(count) as ExclusiveClaim, podLimit: 8 });
const CLAIMS = {
  main: own(6),
  sidecar: { ...own(8), ofPod: true },
  agent: { ...own(8), ofPod: true },
  small: { kind: "shared", forbidden: CpuSet.empty, ofPod: true },
} as const satisfies Record<string, Claim>;
type Name = keyof typeof CLAIMS;

const inPod = (name: string): ContainerRef => ({ ...ref(name), name, podUid: "pod" });

function with_(ledger: Ledger, name: string, claim: Claim, container = inPod(name)): Ledger {
  const plan = admit(ledger, { container, claim });
  assert(plan.kind === "plan", plan.kind === "refusal" ? plan.message : "");
  checkPools(plan.next);
  return plan.next;
}

const all = (names: readonly Name[], ledger = EMPTY) =>
  names.reduce((next, name) => with_(next, name, CLAIMS[name]), ledger);
const grantOf = (ledger: Ledger, name: string) => ledger.assignments.get(name)?.grant ?? CpuSet.empty;
const degraded = (ledger: Ledger) => ledger.degraded.map(({ container }) => container.name);

function orders<T>(of: readonly T[]): T[][] {
  return of.length < 2
    ? [[...of]]
    : of.flatMap((first) => orders(of.filter((each) => each !== first)).map((rest) => [first, ...rest]));
}

for (const order of orders(["main", "sidecar", "agent", "small"] as const)) {
  Deno.test(`a pod of 8 CPUs whose main has 6 leaves 2 for all others: ${order.join(", ")}`, () => {
    const ledger = all(order, with_(EMPTY, "other", exclusive(2), ref("other")));
    const set = grantOf(ledger, "sidecar");
    assert.deepEqual([grantOf(ledger, "main").size, set.size, degraded(ledger)], [6, 2, []]);
    for (const name of ["agent", "small"]) assert(grantOf(ledger, name).equals(set), name);
    assert.equal(ledger.exclusive.size, 10, "nobody else has a CPU of them");
    const grown = releaseForGood(ledger, "main");
    checkPools(grown);
    assert.deepEqual(["sidecar", "agent", "small"].map((name) => grantOf(grown, name).size), [8, 8, 8]);
    const dissolved = release(release(ledger, "sidecar"), "agent");
    checkPools(dissolved);
    assert(dissolved.heldClaims.some(({ grant }) => grant.equals(set)), "of the last one it is held");
    assert(grantOf(dissolved, "small").isEmpty, "without one that has the pod's figures it is in the pool");
    const back = with_(dissolved, "again", CLAIMS.agent, { ...inPod("agent"), id: "again" });
    for (const name of ["again", "small"]) assert(grantOf(back, name).equals(set), name);
  });
}

Deno.test("an app container with its pod's limit has all of it after init containers whose held CPUs are all of it too", () => {
  const limited = (count: number): ExclusiveClaim => ({ ...exclusive(count) as ExclusiveClaim, podLimit: 2 });
  const first = release(with_(EMPTY, "first", { ...limited(2), ofPod: true }), "first");
  const second = release(with_(first, "second", limited(1)), "second");
  assert.deepEqual(second.heldClaims.map(({ grant }) => grant.size), [1, 1]);
  const ledger = with_(second, "main", { ...limited(2), ofPod: true });
  assert.deepEqual([grantOf(ledger, "main").size, ledger.exclusive.size, degraded(ledger)], [2, 2, []]);
});

Deno.test("on a node without another CPU the set makes room for what is certain, and has none where that is all", () => {
  const full = all(["sidecar"], with_(EMPTY, "rest", exclusive(7), ref("rest")));
  const ledger = all(["main"], full);
  assert.deepEqual([grantOf(ledger, "main").size, grantOf(ledger, "sidecar").size], [6, 2]);
  const none = with_(ledger, "second", own(2));
  assert.deepEqual([grantOf(none, "second").size, degraded(none)], [2, ["sidecar"]]);
  assert.match(
    `${none.degraded[0]?.degraded}`,
    /its pod's limit is 8, and its other containers have 8 of them/,
  );
  const more = with_(none, "third", own(1));
  assert.deepEqual(
    degraded(more),
    ["sidecar", "third"],
    "a certain claim beyond the limit is served no more than before",
  );
  const back = releaseForGood(releaseForGood(more, "third"), "second");
  assert.deepEqual([grantOf(back, "sidecar").size, degraded(back)], [2, []]);
});

Deno.test("what is held for an ended container is none of the set, until another one with the pod's figures is created", () => {
  const before = all(["main", "sidecar", "small"]);
  const main = grantOf(before, "main");
  const ended = release(before, "main");
  checkPools(ended);
  assert.deepEqual([grantOf(ended, "sidecar").size, degraded(ended)], [2, []]);
  const again = with_(ended, "again", CLAIMS.main, { ...inPod("main"), id: "again" });
  assert(
    grantOf(again, "again").equals(main) && grantOf(again, "sidecar").equals(grantOf(before, "sidecar")),
  );
  const next = all(["agent"], ended);
  assert.deepEqual([grantOf(next, "agent").size, grantOf(next, "small").size], [8, 8]);
  // As after an init container: nobody has had the set before.
  const first = all(["sidecar"], release(all(["main"]), "main"));
  assert(grantOf(first, "sidecar").size === 8 && main.isSubsetOf(grantOf(first, "sidecar")));
  const beyond = all(["sidecar"], release(with_(EMPTY, "resized", exclusive(10)), "resized"));
  assert.deepEqual([grantOf(beyond, "sidecar").size, beyond.exclusive.size], [8, 8], "its pod has no more");
  const own_ = with_(ended, "own", own(4));
  assert(grantOf(own_, "own").isSubsetOf(main), "what is held comes before what others share");
  assert.equal(grantOf(own_, "sidecar").size, 2);
});

Deno.test("what is held gives way where the pod's limit, or a pinned container, leaves too little; the set grows by it", () => {
  const ended = release(all(["main", "sidecar"]), "main");
  const smaller = withPodLimit(ended, { podUid: "pod" }, 6);
  checkPools(smaller);
  assert.deepEqual([grantOf(smaller, "sidecar").size, smaller.heldClaims.length], [6, 0]);
  const held = ended.heldClaims[0]?.grant ?? CpuSet.empty;
  const pin = with_(ended, "pin", pinned(`${held}`), ref("pin"));
  assert(!grantOf(pin, "sidecar").intersects(held) && grantOf(pin, "sidecar").size === 8, `${pin.exclusive}`);
});

Deno.test("a restart holds what a pod's ended container had, before what the others share", () => {
  const before = all(["main", "sidecar"]);
  const ended = before.assignments.get("main");
  assert(ended !== undefined);
  const listed = [found("sidecar", CLAIMS.sidecar, `${grantOf(before, "sidecar")}`, 1)];
  const after = recover(TOPOLOGY, DEFAULT_POLICY, listed, undefined, [ended]);
  checkPools(after);
  assert.deepEqual([grantOf(after, "sidecar").size, after.heldClaims.map(({ grant }) => `${grant}`)], [
    2,
    [`${ended.grant}`],
  ]);
});

Deno.test("what an ended container leaves behind on the set doesn't change the pod's limit", () => {
  const before = all(["main", "sidecar", "agent"]);
  const left = before.update("sidecar", (each) => leftBehind(each, 1));
  checkPools(left);
  const more = with_(left, "more", own(1));
  assert.deepEqual([grantOf(more, "agent").size, grantOf(more, "sidecar").size], [1, 1]);
  assert(grantOf(release(more, "sidecar"), "agent").equals(grantOf(more, "agent")));
});

Deno.test("a container that forbids CPUs of the set isn't on it", () => {
  const ledger = all(["sidecar"]);
  const picky = with_(ledger, "picky", { ...CLAIMS.agent, forbidden: grantOf(ledger, "sidecar") });
  assert(grantOf(picky, "picky").isEmpty);
  assert.match(
    `${picky.degraded[0]?.degraded}`,
    /forbids .* of the CPUs .* that the containers of its pod share/,
  );
  const small = with_(ledger, "small", { ...CLAIMS.small, forbidden: grantOf(ledger, "sidecar") });
  assert(grantOf(small, "small").isEmpty && small.degraded.length === 0);
});

Deno.test("a pinned claim moves the set as one, and back where it comes to nothing", () => {
  const ledger = all(["main", "sidecar", "agent", "small"]);
  const before = grantOf(ledger, "agent");
  const pin = with_(ledger, "pin", pinned(`${before}`), ref("pin"));
  const now = grantOf(pin, "agent");
  assert(!now.intersects(before) && now.size === 2);
  for (const name of ["sidecar", "small"]) assert(grantOf(pin, name).equals(now), name);
  const undone = release(pin, "pin");
  checkPools(undone);
  assert(grantOf(undone, "small").equals(before));
  const fixed = admit(all(["sidecar"], with_(EMPTY, "agent", { ...CLAIMS.agent, movable: false })), {
    container: ref("pin"),
    claim: pinned("1"),
  });
  assert(fixed.kind === "refusal" && /may not be moved/.test(fixed.message), "none of them may be moved");
});

Deno.test("after a CPU has gone offline those that share are placed anew as one", () => {
  const before = all(["main", "sidecar", "small"]);
  const [gone] = grantOf(before, "sidecar");
  const topology = topologyOf({ ...MACHINE, offline: `${gone}` });
  const ledger = applyTopology(before, { topology, policy: DEFAULT_POLICY });
  checkPools(ledger);
  const set = grantOf(ledger, "sidecar");
  assert(set.size === 2 && !set.has(gone ?? -1) && grantOf(ledger, "small").equals(set));
  assert(grantOf(ledger, "main").equals(grantOf(before, "main")));
  const held = applyTopology(release(before, "main"), { topology, policy: DEFAULT_POLICY });
  assert.equal(grantOf(held, "sidecar").size, 2);
  assert.deepEqual(held.heldClaims.map(({ grant }) => `${grant}`), [`${grantOf(before, "main")}`]);
});

function found(name: string, claim: Claim, record: string, age: number) {
  const mayRunOn = foundByRecord(cpus(record), true);
  return { container: inPod(name), claim, ...mayRunOn, createdAt: BigInt(age) };
}

Deno.test("a restart finds those that share where they are, and puts right what came without an agent", () => {
  const before = all(["main", "sidecar", "agent", "small"]);
  const listed = (["agent", "main", "sidecar", "small"] as const).map((name, age) =>
    found(name, CLAIMS[name], `${grantOf(before, name)}`, age)
  );
  const after = recover(TOPOLOGY, DEFAULT_POLICY, listed);
  checkPools(after);
  for (const { container: { name } } of listed) {
    assert(grantOf(after, name).equals(grantOf(before, name)), name);
  }
  const cpuLimit = { cpus: TOPOLOGY.online.difference(grantOf(before, "sidecar")), why: "kept from it" };
  const narrowed = recover(TOPOLOGY, DEFAULT_POLICY, [
    found("sidecar", { ...CLAIMS.sidecar, limit: cpuLimit }, `${grantOf(before, "sidecar")}`, 1),
    found("agent", CLAIMS.agent, `${grantOf(before, "agent")}`, 2),
  ]);
  assert(grantOf(narrowed, "agent").isSubsetOf(cpuLimit.cpus), "where one of them can't be none of them is");
  const late = recover(TOPOLOGY, DEFAULT_POLICY, [
    found("sidecar", CLAIMS.sidecar, "1-4,9-12", 1),
    found("main", CLAIMS.main, "0-15", 2),
  ]);
  checkPools(late);
  assert.deepEqual([grantOf(late, "main").size, grantOf(late, "sidecar").size], [6, 2]);
});

Deno.test("one that has grown to what its pod had when it was created keeps its CPUs over a restart", () => {
  const grown = { ...exclusive(6) as ExclusiveClaim, podLimit: 6, ofPod: true } as const;
  const ledger = recover(TOPOLOGY, DEFAULT_POLICY, [
    found("a", grown, "1-3,9-11", 1),
    found("b", { ...exclusive(2) as ExclusiveClaim, podLimit: 6 }, "4,12", 2),
  ]);
  assert.deepEqual([`${grantOf(ledger, "a")}`, `${grantOf(ledger, "b")}`], ["1-3,9-11", "4,12"]);
});

Deno.test("a new limit of the pod is what its certain claims and the set share", () => {
  const ledger = all(["main", "sidecar"]);
  const sizes = [10, 8, 7].map((limit) =>
    grantOf(withPodLimit(ledger, { podUid: "pod" }, limit), "sidecar").size
  );
  assert.deepEqual(sizes, [4, 2, 1]);
  const alone = with_(EMPTY, "alone", { ...own(6), podLimit: 8 });
  const owner = withPodLimit(alone, { podUid: "pod" }, 6);
  assert.deepEqual(
    [grantOf(with_(owner, "main", own(4)), "alone").size],
    [2],
    "it has had the pod's figures all along",
  );
});

Deno.test("what the runtime says of a pod may be old: a new container's figures are compared with those of the others", () => {
  const resized = withPodLimit(all(["main", "sidecar"]), { podUid: "pod" }, 10);
  const same = with_(resized, "same", exclusive(10));
  assert(grantOf(same, "same").equals(grantOf(same, "sidecar")) && grantOf(same, "same").size === 4);
  const own = with_(resized, "own", { ...CLAIMS.agent, count: 3 });
  assert.deepEqual([grantOf(own, "own").size, grantOf(own, "sidecar").size], [3, 1], "3 of 10 are its own");
});
