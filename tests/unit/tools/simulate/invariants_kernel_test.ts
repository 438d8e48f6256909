/** That what must hold kernel first can be broken: an agent whose kernel lies to it, or that is wrong by itself. */
import assert from "node:assert/strict";
import { type Agent, step } from "../../../../src/agent/step.ts";
import { CpuSet } from "../../../../src/cpu/cpu_set.ts";
import { isStarting, unreadable, updateSent } from "../../../../src/ledger/delivery.ts";
import type { CpusetPort, CpusetWrite } from "../../../../src/cgroup/port.ts";
import { setOf } from "../../../../tools/simulate/cpus.ts";
import type { Step } from "../../../../tools/simulate/instance.ts";
import { exclusive, pinned, SHARED, Stage } from "../../../../tools/simulate/stage.ts";

/** A node on which the agent writes the kernel, and nobody but who is asked for compares. */
function stageWith(change: Step = step, reconcileEvery = 0): Stage {
  return Stage.serving({ mode: "kernel", reconcileEvery }, { step: change });
}

/** An agent that is given another kernel than there is. */
function lied(lie: (real: CpusetPort) => Partial<CpusetPort>): Step {
  return (agent, input) => {
    const { cpusets } = agent.state;
    if (cpusets === undefined) return step(agent, input);
    const { version, writable } = cpusets;
    const read: CpusetPort["read"] = (container) => cpusets.read(container);
    const population: CpusetPort["population"] = (container) => cpusets.population(container);
    const write: CpusetPort["write"] = (writes, deadlineMs) => cpusets.write(writes, deadlineMs);
    const next = step(
      withKernel(agent, { version, writable, read, population, write, ...lie(cpusets) }),
      input,
    );
    return { ...next, agent: withKernel(next.agent, cpusets) };
  };
}

function withKernel(agent: Agent, cpusets: CpusetPort): Agent {
  return { ...agent, state: { ...agent.state, cpusets } };
}

Deno.test("an agent that does what it should passes", () => {
  const stage = stageWith();
  const problem = stage.run("s", SHARED) ?? stage.run("e", exclusive(1)) ?? stage.run("p", pinned("1")) ??
    stage.play({ kind: "quiet" });
  assert.equal(problem, undefined);
  assert.deepEqual(["s", "e", "p"].map((id) => stage.kernel(id)), ["0,3", "2", "1"]);
});

Deno.test("a container on another's CPUs in the kernel is found, whatever has put it there", () => {
  const stage = stageWith();
  stage.run("s", SHARED);
  stage.run("e", exclusive(1));
  stage.world.kernel.write("s", setOf("0-3"));
  assert.match(
    stage.play({ kind: "tick", ms: 0 }) ?? "",
    /in the kernel: s runs on 0-3, e has 1/,
  );
});

Deno.test("a set in the kernel that the agent has wrong is found", () => {
  const stage = stageWith();
  stage.run("s", SHARED);
  stage.world.kernel.write("s", setOf("0-1"));
  assert.match(
    stage.play({ kind: "tick", ms: 0 }) ?? "",
    /has the kernel's set .*: s: 0-3, really 0-1/,
  );
});

Deno.test("an agent that takes a grant for confirmed that isn't all in force is found, running and at its start", () => {
  const narrowed = { kind: "podNarrowed", id: "e", cpus: "2-3" } as const;
  const passes = { kind: "tick", ms: 1200 } as const;
  for (const [change, problem] of [[step, ""], [lied(() => ({})), "e has 1-2 and runs on 2"]] as const) {
    const stage = stageWith(change, 1000);
    stage.run("e", exclusive(2));
    assert.match(
      stage.play(narrowed, passes, passes, passes) ?? "",
      problem === "" ? /^$/ : new RegExp(problem),
    );
    if (problem === "") assert.equal(stage.kernel("e"), "2-3");
  }
  const stage = stageWith(lied(() => ({})));
  stage.run("e", exclusive(2), "runc");
  assert.match(stage.play(narrowed, { kind: "start", id: "e" }) ?? "", /e may start on 2 instead of 1-2/);
});

Deno.test("writes that aren't made are found: a container starts on other CPUs", () => {
  const stage = stageWith(lied(() => ({ write: () => ({ kind: "done", tookMs: 0 }) })));
  stage.run("s", SHARED);
  const problem = stage.run("e", exclusive(1)) ?? "";
  assert.match(problem, /has the kernel's set .*: s: 0,2-3, really 0-3/);
});

Deno.test("an agent that takes a start's set for there without reading is found", () => {
  const believed = (cpus: string): Step =>
    lied(() => ({
      read: ({ isGroup }) => isGroup ? { kind: "absent" } : { kind: "values", cpus: setOf(cpus) },
      write: () => ({ kind: "done", tookMs: 0 }),
    }));
  const stage = stageWith(believed("1"));
  stage.run("e", exclusive(1), "runc");
  stage.world.kernel.write("e", setOf("0-3"));
  assert.match(stage.play({ kind: "start", id: "e" }) ?? "", /e may start on 0-3 instead of 1/);
});

Deno.test("an agent that doesn't see another container on a starting one's CPUs is found", () => {
  const stage = Stage.serving({ mode: "runtime" }, {
    step: lied(() => ({ read: ({ id }) => ({ kind: "values", cpus: setOf(id === "e" ? "1" : "0") }) })),
  });
  stage.run("s", SHARED);
  stage.run("e", exclusive(1), "runc");
  stage.world.kernel.write("s", setOf("0-3"));
  assert.match(stage.play({ kind: "start", id: "e" }) ?? "", /e may start on 1, where s is/);
});

Deno.test("an agent that falls back to runtime updates without need is found", () => {
  const stage = stageWith((agent, input) => {
    const next = step(agent, input);
    const { state } = next.agent;
    const ledger = state.ledger.update("s", (own) => isStarting(own) ? own : unreadable(own));
    return { ...next, agent: { ...next.agent, state: { ...state, ledger } } };
  });
  assert.match(stage.run("s", SHARED) ?? "", /no container is unverified that could be read and written: s/);
});

Deno.test("an agent that never writes what is pending is found", () => {
  const stage = stageWith((agent, input) => {
    const next = step(agent, input);
    return { ...next, outputs: next.outputs.filter(({ kind }) => kind !== "wake") };
  });
  stage.run("e", exclusive(1));
  stage.run("s", SHARED);
  assert.match(
    stage.play({ kind: "stopPod", pod: 1 }) ?? "",
    /the kernel has what the ledger has: s runs on 0,2-3 instead of 0-3/,
  );
});

Deno.test("a plan in which a container gets CPUs before another has vacated them is found", () => {
  const backwards = (real: CpusetPort) => ({
    write: (writes: readonly CpusetWrite[], deadlineMs: number) =>
      real.write(writes.toReversed(), deadlineMs),
  });
  const stage = stageWith(lied(backwards));
  stage.run("s", SHARED);
  stage.run("e", exclusive(1));
  assert.match(stage.create("p", pinned("1")) ?? "", /e was given 2 before s had vacated it/);
});

Deno.test("a write that fails and isn't rolled back is found", () => {
  const halfway = (real: CpusetPort): Partial<CpusetPort> => ({
    write(writes, deadlineMs) {
      const result = real.write(writes.slice(0, 1), deadlineMs);
      const container = writes[1]?.container.id;
      if (container === undefined) return result;
      return {
        ...{ kind: "failed", container, code: "EBUSY", reason: "it is broken" },
        ...{ notRolledBack: new Set(), tookMs: 0 },
      };
    },
  });
  const stage = stageWith(lied(halfway));
  stage.run("s", SHARED);
  stage.run("t", SHARED);
  const problem = stage.create("p", pinned("1")) ?? "";
  assert.match(problem, /a refused CreateContainer has changed s from 0-3 to 0,2-3/);
});

Deno.test("a refusal that changes the ledger is found", () => {
  const stage = stageWith((agent, input) => {
    const next = step(agent, input);
    const { state } = next.agent;
    const known = state.ledger.assignments.get("s");
    if (known === undefined || state.ledger.assignments.has("p")) return next;
    if (
      !next.outputs.some((output) => output.kind === "log" && output.record.message === "container refused")
    ) {
      return next;
    }
    const ledger = state.ledger.with(updateSent(known, CpuSet.of(0)));
    return { ...next, agent: { ...next.agent, state: { ...state, ledger } } };
  });
  stage.run("s", SHARED);
  const problem = stage.create("p", pinned("9")) ?? "";
  assert.match(problem, /a refused CreateContainer has changed the ledger's entry of s/);
});
