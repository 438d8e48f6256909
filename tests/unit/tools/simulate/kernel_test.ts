import assert from "node:assert/strict";
import { setOf } from "../../../../tools/simulate/cpus.ts";
import { Kernel } from "../../../../tools/simulate/kernel.ts";

function text(kernel: Kernel, id: string): { written: string; effective: string } {
  return { written: `${kernel.written(id)}`, effective: `${kernel.effective(id)}` };
}

Deno.test("cgroup v2: an offlined CPU stays written, doesn't count, and is there again when it comes back", () => {
  const kernel = new Kernel(2, setOf("0-3"));
  kernel.create("c", setOf("2-3"));
  kernel.hotplug(3, false);
  assert.deepEqual(text(kernel, "c"), { written: "2-3", effective: "2" });
  kernel.hotplug(3, true);
  assert.deepEqual(text(kernel, "c"), { written: "2-3", effective: "2-3" });
});

Deno.test("cgroup v1: an offlined CPU is removed from every set for good, and can't be written any more", () => {
  const kernel = new Kernel(1, setOf("0-3"));
  kernel.create("c", setOf("2-3"));
  kernel.hotplug(3, false);
  kernel.hotplug(3, true);
  assert.deepEqual(text(kernel, "c"), { written: "2", effective: "2" });
  assert.equal(kernel.write("c", setOf("2-3")), "EACCES");
  assert.equal(`${kernel.usable}`, "0-2", "the ancestors have forgotten it too");
});

Deno.test("a set that becomes empty falls back to what its parent has", () => {
  for (const version of [1, 2] as const) {
    const kernel = new Kernel(version, setOf("0-3"));
    kernel.create("c", setOf("3"));
    kernel.hotplug(3, false);
    assert.equal(text(kernel, "c").effective, "0-2", `v${version}`);
  }
});

Deno.test("there is nothing to write to before a cgroup is created, and no CPU that the machine can't have", () => {
  const kernel = new Kernel(2, setOf("0-3"));
  assert.equal(kernel.write("c", setOf("0")), "ENOENT");
  assert.equal(kernel.create("c", setOf("9")), "ERANGE");
  assert.equal(kernel.written("c"), undefined, "runc takes away what it couldn't set up");
});

Deno.test("the last CPU doesn't go", () => {
  const kernel = new Kernel(1, setOf("0-1"));
  kernel.hotplug(0, false);
  kernel.hotplug(1, false);
  assert.equal(`${kernel.online}`, "1");
});

Deno.test("another program's set on kubepods and its partition count by what is in force, as the one above does", () => {
  const kernel = new Kernel(2, setOf("0-7"));
  kernel.create("c", setOf("1-4"));
  kernel.narrow(setOf("2-5"));
  assert.deepEqual([`${kernel.usable}`, text(kernel, "c")], ["2-5", { written: "1-4", effective: "2-4" }]);
  kernel.take(setOf("4-6"));
  assert.deepEqual([`${kernel.usable}`, text(kernel, "c")], ["2-3", { written: "1-4", effective: "2-3" }]);
  kernel.narrow(setOf("5"));
  assert.equal(`${kernel.usable}`, "0-3,7", "nothing is left of its own set");
  for (const end of [() => kernel.take(setOf("")), () => kernel.narrow(setOf(""))]) end();
  assert.deepEqual(text(kernel, "c"), { written: "1-4", effective: "1-4" });
  kernel.limitPod("c", setOf("3"));
  assert.deepEqual(text(kernel, "c"), { written: "1-4", effective: "3" });
});

Deno.test("cgroup v1: what another program takes leaves every set, and comes back to none but kubepods and classes", () => {
  const kernel = new Kernel(1, setOf("0-3"));
  kernel.create("c", setOf("2-3"));
  kernel.take(setOf("3"));
  kernel.narrow(setOf("4"));
  kernel.take(setOf("0-3"));
  assert.deepEqual([`${kernel.usable}`, text(kernel, "c")], ["0-2", { written: "2", effective: "2" }]);
  kernel.take(setOf(""));
  assert.deepEqual([`${kernel.usable}`, text(kernel, "c")], ["0-3", { written: "2", effective: "2" }]);
});
