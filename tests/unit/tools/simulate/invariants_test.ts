/** That each invariant can be broken: agents and books that are wrong on purpose are found. */
import assert from "node:assert/strict";
import { step } from "../../../../src/agent/step.ts";
import { CpuSet } from "../../../../src/cpu/cpu_set.ts";
import type { Mangle } from "../../../../tools/simulate/conversation.ts";
import { setOf } from "../../../../tools/simulate/cpus.ts";
import type { Step } from "../../../../tools/simulate/instance.ts";
import {
  exclusiveIsWhole,
  exclusivesAreDisjoint,
  pinnedIsExact,
  queuesAreBounded,
  recordIsKnown,
  reservedIsNotExclusive,
  setsAreNotEmpty,
} from "../../../../tools/simulate/invariants.ts";
import { podsAreWithinLimits } from "../../../../tools/simulate/invariants_pods.ts";
import { refusalProblem } from "../../../../tools/simulate/invariants_answers.ts";
import { exclusive, pinned, SHARED, Stage } from "../../../../tools/simulate/stage.ts";
import type { Placed, View } from "../../../../tools/simulate/view.ts";
import type { World } from "../../../../tools/simulate/world.ts";

/** What comes of the events of `play`, with an agent whose answers are changed on their way. */
function mangled(mangle: Mangle, play: (stage: Stage) => string | undefined): string {
  return play(Stage.serving({}, { mangle })) ?? "nothing was noticed";
}

function sharedThenExclusive(stage: Stage): string | undefined {
  return stage.run("s", SHARED) ?? stage.run("e", exclusive(1));
}

Deno.test("a missing update is found, at once or at rest", () => {
  const dropped: Mangle = (_, others) => others.slice(1);
  assert.match(
    mangled(dropped, sharedThenExclusive),
    /the agent has the runtime's record .* right: s: 0,2-3/,
  );
});

Deno.test("an update with CPUs of another container is found", () => {
  const widened: Mangle = (_, others) => others.map(({ id }) => ({ id, resources: { cpus: "0-3" } }));
  assert.match(
    mangled(widened, sharedThenExclusive),
    /s, which is shared, is sent 0-3, of which some is claimed/,
  );
});

Deno.test("two updates of one container in an answer are found", () => {
  assert.match(mangled((_, others) => [...others, ...others], sharedThenExclusive), /s is updated twice/);
});

Deno.test("an update of the container that is being created is found", () => {
  const own: Mangle = (method, others) =>
    method === "CreateContainer" ? [...others, { id: "s", resources: { cpus: "0" } }] : others;
  assert.match(mangled(own, sharedThenExclusive), /s is updated while it is created/);
});

Deno.test("an update without CPUs, and one of more than CPUs, are found", () => {
  const empty: Mangle = (_, others) => others.map(({ id }) => ({ id, resources: {} }));
  assert.match(mangled(empty, sharedThenExclusive), /an update of s without CPUs/);
  const more: Mangle = (_, others) => others.map(({ id }) => ({ id, resources: { cpus: "0", shares: 2 } }));
  assert.match(mangled(more, sharedThenExclusive), /isn't about CPUs alone/);
});

Deno.test("an update of what is so already is found", () => {
  let creations = 0;
  const again: Mangle = (method, others) =>
    method === "CreateContainer" && ++creations > 1 ? [{ id: "p", resources: { cpus: "3" } }] : others;
  const problem = mangled(again, (stage) => stage.run("p", pinned("3")) ?? stage.run("q", pinned("3")));
  assert.match(problem, /p has 3 already/);
});

Deno.test("an answer with CPUs that aren't the container's is found", () => {
  const granted: Mangle = (method, others) =>
    method === "StopContainer" ? [{ id: "e", resources: { cpus: "2" } }] : others;
  const problem = mangled(
    granted,
    (stage) =>
      stage.run("s", SHARED) ?? stage.run("e", exclusive(1)) ?? stage.play({ kind: "stop", id: "s" }),
  );
  assert.match(problem, /StopContainer: e is sent 2, not 1/);
});

Deno.test("an agent that loses an exempt container is found", () => {
  const forgetful: Step = (agent, input) => {
    const next = step(agent, input);
    if (input.kind !== "tick") return next;
    const { state } = next.agent;
    return { ...next, agent: { ...next.agent, state: { ...state, ledger: state.ledger.without("e") } } };
  };
  const stage = Stage.serving({}, { step: forgetful });
  stage.run("e", SHARED);
  stage.world.exemptions.give("e", "failed");
  assert.match(
    stage.play({ kind: "tick", ms: 1000 }) ?? "",
    /the agent knows every container that was reported to it: e/,
  );
});

/** An agent of which something is changed after each step. */
function broken(change: Step): string {
  const stage = Stage.serving({}, { step: change });
  return sharedThenExclusive(stage) ?? stage.play({ kind: "quiet" }) ?? "nothing was noticed";
}

Deno.test("an agent that throws, logs a bug or closes the connection is found", () => {
  const when = (agent: Parameters<Step>[0]) => agent.state.phase === "serving";
  const throwing: Step = (agent, input) => {
    if (when(agent)) throw new Error("oh");
    return step(agent, input);
  };
  assert.match(broken(throwing), /the agent throws: Error: oh/);
  const record = { level: "error", message: "bug while answering" } as const;
  const logging: Step = (agent, input) => {
    const next = step(agent, input);
    return when(agent) ? { ...next, outputs: [...next.outputs, { kind: "log", record }] } : next;
  };
  assert.match(broken(logging), /the agent logs a bug/);
  const closing: Step = (agent, input) => {
    const next = step(agent, input);
    return when(agent) ? { ...next, outputs: [...next.outputs, { kind: "close" }] } : next;
  };
  assert.match(broken(closing), /the agent closes the connection/);
});

Deno.test("an agent that forgets a container is found", () => {
  const forgetful: Step = (agent, input) => {
    const next = step(agent, input);
    const { state } = next.agent;
    return { ...next, agent: { ...next.agent, state: { ...state, ledger: state.ledger.without("s") } } };
  };
  assert.match(broken(forgetful), /the agent knows every container that was reported to it: s/);
});

Deno.test("an agent that ignores ends is found at rest", () => {
  const stage = Stage.serving({}, {
    step: (agent, input) => {
      const next = step(agent, input);
      const lost = agent.state.ledger.assignments.get("e");
      const gone = lost !== undefined && !next.agent.state.ledger.assignments.has("e");
      return gone
        ? { ...next, agent: { ...next.agent, state: { ...next.agent.state, ledger: agent.state.ledger } } }
        : next;
    },
  });
  stage.run("e", exclusive(1));
  stage.play({ kind: "removePod", pod: 1 });
  assert.match(stage.play({ kind: "quiet" }) ?? "", /e is in the ledger and doesn't live/);
});

Deno.test("a refusal of what fits is found, and one that names no container; not one of what doesn't fit", () => {
  const stage = Stage.serving();
  stage.run("e", exclusive(3));
  stage.create("f", exclusive(1));
  const f = stage.world.runtime.containers.get("f");
  assert(f);
  assert.equal(refusalProblem(stage.world, f, "cpuset: pod ns/p2 container a: no"), undefined);
  assert.match(refusalProblem(stage.world, f, "no") ?? "", /doesn't name its container/);
  stage.play({ kind: "removePod", pod: 1 });
  const problem = refusalProblem(stage.world, f, "cpuset: pod ns/p2 container a: no");
  assert.match(problem ?? "", /f is refused, although it fits/);
});

const PLACED: Placed = {
  id: "e",
  name: "c",
  podUid: "u1",
  claim: { kind: "exclusive", count: 1, forbidden: CpuSet.empty, movable: true, placement: "packed" },
  grant: setOf("1"),
  fence: undefined,
  desired: setOf("1"),
  record: setOf("1"),
  unacknowledged: undefined,
  kernel: undefined,
  mayRunOn: setOf("1"),
  hasWriteFailure: false,
  starting: false,
  degraded: undefined,
  affinity: "unknown",
};

/** A world in which the agent's ledger holds just these. */
function holding(...placed: readonly Partial<Placed>[]): World {
  const stage = Stage.serving();
  stage.run("e", exclusive(1));
  const all = placed.map((each, at): Placed => ({ ...PLACED, id: at === 0 ? "e" : `e${at}`, ...each }));
  const view: View = {
    placed: new Map(all.map((each) => [each.id, each])),
    held: [],
    leftovers: [],
    groups: new Map(),
    online: setOf("0-3"),
    pool: setOf("0"),
    claimed: setOf("1-3"),
    pinned: CpuSet.empty,
    hasWriteFailure: false,
  };
  return Object.create(stage.world, { inCharge: { value: view } });
}

Deno.test("a ledger that is right passes every check", () => {
  const world = holding({});
  for (
    const check of [exclusivesAreDisjoint, pinnedIsExact, exclusiveIsWhole, setsAreNotEmpty, recordIsKnown]
  ) {
    assert.equal(check(world), undefined, check.name);
  }
});

Deno.test("two exclusive owners, and one that is pinned too, are found", () => {
  assert.match(exclusivesAreDisjoint(holding({}, {})) ?? "", /e1 on 1/);
  const claim = { kind: "pinned", cpus: setOf("1") } as const;
  assert.match(exclusivesAreDisjoint(holding({}, { claim })) ?? "", /1 pinned too/);
});

Deno.test("a reserved CPU that is exclusive is found", () => {
  const world = holding({});
  const settings = { ...world.settings, policy: { ...world.settings.policy, systemReserved: setOf("1") } };
  assert.match(
    reservedIsNotExclusive(Object.create(world, { settings: { value: settings } })) ?? "",
    /e \(exclusive\)/,
  );
});

Deno.test("a pinned container on other CPUs than it names is found, and one without any that isn't degraded", () => {
  const claim = { kind: "pinned", cpus: setOf("1-2") } as const;
  assert.match(pinnedIsExact(holding({ claim })) ?? "", /has grant 1/);
  assert.match(pinnedIsExact(holding({ claim, grant: CpuSet.empty })) ?? "", /has grant/);
  assert.equal(pinnedIsExact(holding({ claim, grant: CpuSet.empty, degraded: "no room" })), undefined);
});

Deno.test("an exclusive container with too few or too many CPUs is found", () => {
  assert.match(exclusiveIsWhole(holding({ grant: setOf("1-2") })) ?? "", /has grant 1-2/);
  assert.match(exclusiveIsWhole(holding({ grant: CpuSet.empty })) ?? "", /has grant/);
});

Deno.test("a container that should run nowhere is found, and so is a wrong record", () => {
  assert.match(setsAreNotEmpty(holding({ desired: CpuSet.empty })) ?? "", /should run on/);
  assert.match(recordIsKnown(holding({ record: setOf("2") })) ?? "", /e: 2, really 1/);
});

Deno.test("what is kept while serving is found", () => {
  const stage = Stage.serving();
  const owner = stage.world.owner;
  assert(owner);
  const early = new Map([["x", undefined]]);
  owner.agent = { ...owner.agent, state: { ...owner.agent.state, early } };
  assert.match(queuesAreBounded(stage.world) ?? "", /1 early and 0 parts are kept while serving/);
});

Deno.test("those that share CPUs of their pod have the same, which nobody else has; and no more than its limit", () => {
  const ofPod = { ...PLACED.claim, count: 4, ofPod: true } as Placed["claim"];
  const one = { claim: ofPod, pod: "p", grant: setOf("1-2") };
  assert.equal(exclusivesAreDisjoint(holding(one, one)), undefined);
  assert.match(exclusivesAreDisjoint(holding(one, { ...one, podUid: "q" })) ?? "", /on 1-2/);
  assert.match(exclusivesAreDisjoint(holding(one, { grant: setOf("2") })) ?? "", /on 1-2/);
  assert.match(podsAreWithinLimits(holding(one, { ...one, grant: setOf("3") })) ?? "", /e has 1-2, e1 3/);
  const world = holding({ claim: { ...ofPod, count: 1 } as Placed["claim"], grant: setOf("1-2") });
  const pod = world.runtime.containers.get("e")?.pod;
  Object.assign(pod ?? {}, { spec: { ...pod?.spec, limit: 1 }, limit: 1 });
  assert.match(podsAreWithinLimits(world) ?? "", /has 2 CPUs, its limit is 1/);
});

/** A stage with one container in the pool and one with a CPU of its own, whose agent was released. */
function released(change: Step): Stage {
  const stage = Stage.serving({}, { step: change });
  assert.equal(sharedThenExclusive(stage) ?? stage.play({ kind: "released" }), undefined);
  return stage;
}

Deno.test("a released agent that keeps CPUs from a container is found at rest", () => {
  const keeping: Step = (agent, input) => {
    const next = step(agent, input);
    return { ...next, outputs: next.outputs.filter(({ kind }) => kind !== "apply") };
  };
  assert.match(released(keeping).play({ kind: "quiet" }) ?? "", /hasn't got all CPUs from an agent that was/);
  assert.equal(released(step).play({ kind: "quiet" }), undefined);
});

Deno.test("a released agent that places or refuses is found", () => {
  const placing: Step = (agent, input) => {
    const { passive, ...state } = agent.state;
    if (passive === undefined || input.kind !== "received") return step(agent, input);
    const next = step({ ...agent, state }, input);
    return { ...next, agent: { ...next.agent, state: { ...next.agent.state, passive } } };
  };
  assert.match(released(placing).create("f", exclusive(1)) ?? "", /an agent that was released places/);
  assert.match(released(placing).create("f", pinned("9")) ?? "", /an agent that was released refuses/);
});
