/** Runtimes that don't keep the processes of a container in its cgroup: what they are sent, and what is shown of them. */
import assert from "node:assert/strict";
import { FakeKernel } from "../../kit/fake_kernel.ts";
import { Link } from "../../kit/link.ts";
import type { Wanted } from "../../kit/messages.ts";
import { Event } from "../../../src/nri/gen/nri_pb.ts";
import { bigNode } from "../../kit/sysfs.ts";
import { sandboxingOf } from "../../../src/nri/rules.ts";
import { DEFAULT_SETTINGS } from "../../kit/policy.ts";

const web: Wanted = { name: "web" };
const db: Wanted = { name: "db", cpus: 4 };
const vm: Wanted = { name: "vm", handler: "kata-qemu" };
const vmOwn: Wanted = { name: "own", cpus: 2, handler: "kata" };
const sandboxed: Wanted = { name: "sand", cpus: 2, handler: "runsc" };

Deno.test("what a handler begins with says how it runs a pod", () => {
  const of = (handler?: string) => sandboxingOf(DEFAULT_SETTINGS.rules, handler);
  assert.deepEqual(["kata", "kata-qemu", "runsc", "gvisor-kvm"].map(of), ["vm", "vm", "sandbox", "sandbox"]);
  assert.deepEqual([undefined, "runc", "crun", "mykata"].map(of), [
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
});

Deno.test("a shared container in a virtual machine is never sent the pool; one with CPUs of its own gets these", () => {
  const link = Link.serving([], bigNode);
  assert.deepEqual(link.create(vm), { cpus: "", mems: "", updates: [] });
  link.create(web);
  assert.deepEqual(link.create(db).updates, ["id-web=0,3-32,35-63"]);
  assert.equal(link.create(vmOwn).cpus, "3,35");
  assert.deepEqual(link.update(vm), []);
  assert.deepEqual([...link.stop(db), ...link.applied()].filter((line) => line.startsWith("id-vm")), []);
  const { state, unverified } = link.container("id-vm") ?? {};
  assert.equal(state, "unverified");
  assert.equal(
    unverified,
    "its runtime (kata-qemu) takes a list of CPUs for the size of its virtual machine",
  );
  assert.equal(link.container("id-web")?.state, "assumed");
});

Deno.test("listed with CPUs in its record, it is left as it is, and starts keep off nobody for it", () => {
  const kernel = new FakeKernel(2);
  kernel.isPopulated = true;
  for (const id of ["id-vm", "id-web"]) kernel.appear(id, "0-63");
  const link = Link.serving([vm, web], bigNode, { cpusets: kernel, reconcileMs: 1000 });
  assert.equal(link.create(db, { runs: false }).cpus, "1-2,33-34");
  kernel.appear("id-db", "1-2,33-34");
  link.start(db);
  link.mention(Event.POST_START_CONTAINER, db);
  for (const after of [0, 1200, 1200]) link.tick(link.now + after);
  assert.deepEqual(kernel.written.filter((line) => line.startsWith("id-vm")), []);
  assert.equal(`${kernel.sets.get("id-web")}`, "0,3-32,35-63");
  assert.deepEqual(link.logged("warn"), []);
});

Deno.test("a sandbox's container isn't verified by its own cgroup, nor ended", () => {
  const kernel = new FakeKernel(2);
  kernel.isPopulated = true;
  kernel.appear("id-web", "0,2-32,34-63");
  kernel.appear("id-sand", "1,33");
  const link = Link.serving([web, { ...sandboxed, record: "1,33" }], bigNode, {
    cpusets: kernel,
    reconcileMs: 1000,
  });
  kernel.empty.add("id-sand");
  for (const after of [0, 1200, 1200, 1200]) link.tick(link.now + after);
  assert.equal(link.claimed, "1,33");
  assert.equal(link.container("id-sand")?.state, "unverified");
  assert.match(
    link.container("id-sand")?.unverified ?? "",
    /^its runtime \(runsc\) keeps its processes in its pod's sandbox, and the agent doesn't write the/,
  );
  assert.equal(link.container("id-web")?.state, "confirmed");
});

Deno.test("a container in whose cgroup nobody was ever seen isn't verified, and that is logged once", () => {
  const kernel = new FakeKernel(2);
  kernel.isPopulated = true;
  kernel.appear("id-web", "0-63");
  kernel.appear("id-db", "1-2,33-34");
  kernel.empty.add("id-db");
  const setup = { cpusets: kernel, reconcileMs: 1000 };
  const link = Link.serving([web, { ...db, record: "1-2,33-34", handler: "odd" }], bigNode, setup);
  for (const after of [0, 1200, 1200, 1200]) link.tick(link.now + after);
  assert.equal(link.container("id-db")?.state, "unverified");
  assert.equal(link.claimed, "1-2,33-34");
  const logged = link.logged("warn").filter((line) => line.startsWith("container not confined"));
  assert.equal(logged.length, 1);
});
