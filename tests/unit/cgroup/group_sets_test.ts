/** The property AllowedCPUs goes with the file of a group that is one of systemd's units. */
import assert from "node:assert/strict";
import { GroupSets } from "../../../src/cgroup/group_sets.ts";
import { CpuSet } from "../../../src/cpu/cpu_set.ts";
import { libc } from "../../../src/platform/libc.ts";
import type { AllowedCpusResult, UnitProperties } from "../../../src/systemd/port.ts";

libc(); // loaded once for the life of the process, which Deno's leak check would blame on the first test

const SLICE = "/kubepods.slice/kubepods-burstable.slice";
const values = { kind: "values", cpus: CpuSet.range(0, 2) } as const;

class FakeUnits implements UnitProperties {
  answer: AllowedCpusResult = { kind: "done" };
  readonly set: string[] = [];

  setAllowedCpus(unit: string, cpus: CpuSet): AllowedCpusResult {
    this.set.push(`${unit}=${cpus}`);
    return this.answer;
  }

  unsetAllowedCpus(): never {
    throw new Error("no property is unset");
  }

  allowedCpus(): never {
    throw new Error("nothing is read of systemd");
  }
}

Deno.test("the property follows each write, and is set where a reading finds a set that it wasn't told", () => {
  const units = new FakeUnits();
  const sets = new GroupSets("/nowhere", units);
  assert.deepEqual(sets.withOwner(SLICE, values), values);
  sets.written(SLICE, CpuSet.of(1));
  sets.withOwner(SLICE, values);
  assert.deepEqual(units.set, ["kubepods-burstable.slice=0-2", "kubepods-burstable.slice=1"]);
});

Deno.test("a property that couldn't be set makes the set weak, and is tried again by each reading", () => {
  const units = new FakeUnits();
  units.answer = { kind: "failed", reason: "no answer" };
  const sets = new GroupSets("/nowhere", units);
  sets.written(SLICE, CpuSet.of(1));
  assert.deepEqual(sets.withOwner(SLICE, values), { ...values, weakness: "no answer" });
  units.answer = { kind: "done" };
  assert.deepEqual(sets.withOwner(SLICE, values), values);
  // As it should be, not as it was found.
  assert.deepEqual(units.set.map((each) => each.split("=")[1]), ["1", "1", "1"]);
});

Deno.test("CPUs that a property names are given up by it before the file is written, or the file isn't", () => {
  const directory = Deno.makeTempDirSync();
  const units = new FakeUnits();
  const sets = new GroupSets(directory, units);
  Deno.mkdirSync(`${directory}/a.slice`);
  sets.written("/a.slice", CpuSet.range(0, 2));
  assert.equal(sets.willBeWritten("/a.slice", CpuSet.range(1, 3)), undefined);
  assert.deepEqual(units.set, ["a.slice=0-2", "a.slice=1-2"]);
  units.answer = { kind: "failed", reason: "no answer" };
  assert.equal(sets.willBeWritten("/a.slice", CpuSet.of(1)), "no answer");
  assert.equal(sets.willBeWritten("/a.slice", CpuSet.range(1, 3)), undefined, "nothing is given up");
  Deno.removeSync(directory, { recursive: true });
});

Deno.test("without systemd's bus a unit's set is weak; one that is no unit, or inherited, isn't", () => {
  const sets = new GroupSets("/nowhere", undefined);
  const reading = sets.withOwner(SLICE, values);
  assert(reading.kind === "values" && /systemd isn't asked/.test(reading.weakness ?? ""));
  assert.deepEqual(sets.withOwner("/kubepods/burstable", values), values);
  assert.deepEqual(sets.withOwner(SLICE, { ...values, isInherited: true }), { ...values, isInherited: true });
});
