/** The QoS classes' cgroups in the simulation: the kernel's rules, what befalls them, and that a broken fence is found. */
import assert from "node:assert/strict";
import { step } from "../../../../src/agent/step.ts";
import { CpuSet } from "../../../../src/cpu/cpu_set.ts";
import type { ContainerRef } from "../../../../src/ledger/claim.ts";
import { classPath, classPaths, containerPath, podPath } from "../../../../tools/simulate/cgroup_paths.ts";
import { setOf } from "../../../../tools/simulate/cpus.ts";
import { SimCpusets, TreeFaults, UNWATCHED } from "../../../../tools/simulate/cpusets.ts";
import type { SimEvent } from "../../../../tools/simulate/events.ts";
import type { Step } from "../../../../tools/simulate/instance.ts";
import { Kernel } from "../../../../tools/simulate/kernel.ts";
import type { PodSpec } from "../../../../tools/simulate/pods.ts";
import { exclusive, SHARED, Stage, STEPS } from "../../../../tools/simulate/stage.ts";

const CLASS = "/kubepods/besteffort";
const SLICE = "/kubepods.slice/kubepods-besteffort.slice";
const BURSTABLE: PodSpec = { ...SHARED, qos: "burstable" };

function fenced(change: Step = step, scenario: ConstructorParameters<typeof Stage>[0] = {}): Stage {
  return Stage.serving({ mode: "kernel", fence: "auto", ...scenario }, { step: change });
}

Deno.test("cgroup v2: what is below a class has what both name; where that is nothing, all of the class", () => {
  const kernel = new Kernel(2, setOf("0-3"), [CLASS]);
  kernel.create("c", setOf("2-3"), CLASS);
  const runs = (cpus: string) => (kernel.write(CLASS, setOf(cpus)), `${kernel.effective("c")}`);
  assert.deepEqual([runs("0-2"), runs("0-1"), runs("0-3")], ["2", "0-1", "2-3"]);
  assert.equal(kernel.write(CLASS, CpuSet.empty), "ENOSPC");
  kernel.create("inherits", CpuSet.empty, CLASS);
  kernel.write(CLASS, setOf("1"));
  assert.deepEqual([`${kernel.effective("inherits")}`, kernel.classOf("inherits")], ["1", CLASS]);
  kernel.hotplug(1, false);
  assert.equal(`${kernel.effective("inherits")}`, "0,2-3", "all of the class is offline");
  for (const id of ["c", "inherits"]) kernel.remove(id);
  assert.equal(kernel.write(CLASS, CpuSet.empty), undefined, "nothing is in it any more");
});

Deno.test("cgroup v1: a class has all that is in it, and a new container has all of its class", () => {
  const kernel = new Kernel(1, setOf("0-3"), [CLASS]);
  assert.equal(kernel.write(CLASS, setOf("0-2")), undefined);
  kernel.create("c", CpuSet.empty, CLASS);
  assert.equal(`${kernel.written("c")}`, "0-2");
  assert.deepEqual([kernel.write(CLASS, setOf("0-1")), kernel.write("c", setOf("3"))], ["EBUSY", "EACCES"]);
});

Deno.test("classes, pods and containers have the paths of their driver", () => {
  assert.deepEqual(classPaths("systemd"), ["/kubepods.slice/kubepods-burstable.slice", SLICE]);
  assert.equal(classPath("cgroupfs", "guaranteed"), "/kubepods");
  assert.equal(podPath("systemd", "besteffort", 7), `${SLICE}/kubepods-besteffort-pod7.slice`);
  assert.equal(podPath("cgroupfs", "guaranteed", 7), "/kubepods/pod7");
  assert.equal(
    containerPath("systemd", "besteffort", 7, "c"),
    "kubepods-besteffort-pod7.slice:cri-containerd:c",
  );
});

Deno.test("a reading tells what of a set is in force, and that a cgroup follows the one above", () => {
  const kernel = new Kernel(2, setOf("0-3"), [CLASS]);
  const cpusets = new SimCpusets(kernel, new TreeFaults(), UNWATCHED);
  kernel.create("c", setOf("1-3"), CLASS);
  const own = { id: "c", cgroup: { path: `${CLASS}/pod1/c`, parent: "", pid: 0 } } as ContainerRef;
  const read = (cpus: string) => (kernel.write(CLASS, setOf(cpus)), cpusets.read(own));
  assert.deepEqual(read("0-1"), { kind: "values", cpus: setOf("1-3"), effective: setOf("1") });
  assert.deepEqual(read("0"), { kind: "values", cpus: setOf("0"), isInherited: true, isVoid: true });
  assert.deepEqual(
    cpusets.read({ ...own, id: CLASS, isGroup: true, cgroup: { path: CLASS, parent: "", pid: 0 } }),
    { kind: "values", cpus: setOf("0") },
  );
});

Deno.test("systemd empties a class whose last pod goes, and the next pod's sandbox finds its fence again", () => {
  const stage = fenced(step, { driver: "systemd", reconcileEvery: 0 });
  stage.run("s", SHARED);
  stage.run("e", exclusive(1));
  assert.equal(stage.kernel(SLICE), "0,2-3");
  assert.equal(stage.play({ kind: "removePod", pod: 1 }), undefined);
  assert.deepEqual([stage.kernel(SLICE), stage.world.windows.opening(SLICE)], ["", "emptied"]);
  assert.equal(stage.play({ kind: "pod", pod: 9, spec: SHARED }), undefined);
  assert.deepEqual([stage.kernel(SLICE), stage.world.windows.has(SLICE)], ["0,2-3", false]);
});

/** With the fence written, the agent goes, and then a container comes. */
function unattended(stage: Stage, ...before: readonly SimEvent[]): string | undefined {
  stage.run("s", SHARED);
  stage.run("e", exclusive(1));
  const going = stage.play({ kind: "restartAgent" }, ...before, { kind: "pod", pod: 8, spec: SHARED });
  return going ?? stage.play(
    { kind: "create", pod: 8, slot: 0, id: "late" },
    ...STEPS.map((kind) => ({ kind, id: "late" })),
  );
}

Deno.test("while no agent runs the class keeps a container off exclusive CPUs that starts", () => {
  const stage = fenced();
  assert.equal(unattended(stage), undefined);
  assert.deepEqual([stage.kernel("late"), `${stage.world.kernel.effective("late")}`], ["", "0,2-3"]);
});

Deno.test("one that runs there all the same is found, unless another program has written its class", () => {
  const bare = fenced();
  bare.run("s", SHARED);
  bare.run("e", exclusive(1));
  bare.play({ kind: "restartAgent" });
  bare.world.kernel.write(CLASS, setOf("0-3"));
  assert.match(
    bare.play({ kind: "pod", pod: 8, spec: SHARED }, { kind: "create", pod: 8, slot: 0, id: "late" }) ??
      bare.play(...STEPS.map((kind) => ({ kind, id: "late" }))) ?? "",
    /while no agent runs, no container of a fenced class .*: late runs on 0-3, e on 1/,
  );
  assert.equal(unattended(fenced(), { kind: "classTampered", id: CLASS, cpus: "0-3" }), undefined);
});

Deno.test("while all CPUs of a class are offline what starts in it is exempted", () => {
  const off = [0, 2, 3].map((cpu) => ({ kind: "hotplug", cpu, on: false }) as const);
  assert.equal(unattended(fenced(), ...off), undefined);
});

Deno.test("a class that isn't written is found with the reply that promises exclusive CPUs", () => {
  const stage = fenced((agent, input) => {
    const { cpusets } = agent.state;
    if (cpusets === undefined) return step(agent, input);
    const without: typeof cpusets = {
      version: 2,
      writable: true,
      read: (container) => cpusets.read(container),
      population: (container) => cpusets.population(container),
      write: (writes, ms) => cpusets.write(writes.filter(({ container }) => !container.isGroup), ms),
    };
    const next = step({ ...agent, state: { ...agent.state, cpusets: without } }, input);
    return { ...next, agent: { ...next.agent, state: { ...next.agent.state, cpusets } } };
  });
  stage.run("s", BURSTABLE);
  assert.match(
    stage.create("e", exclusive(1)) ?? "",
    /no class that is fenced has CPUs .*: \/kubepods\/burstable has 0-3, e 1/,
  );
});

Deno.test("a class that another program has written is exempted until a comparison was due", () => {
  const sleeping: Step = (agent, input) =>
    input.kind === "tick" ? { agent, outputs: [] } : step(agent, input);
  const stage = fenced(sleeping, { reconcileEvery: 1000 });
  stage.run("s", SHARED);
  stage.run("e", exclusive(1));
  const wait = { kind: "tick", ms: 1500 } as const;
  assert.equal(stage.play({ kind: "classTampered", id: CLASS, cpus: "0-3" }, wait), undefined);
  assert.match(stage.play(wait, wait) ?? "", /s runs on 0-3, e has 1/);
});
