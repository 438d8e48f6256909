/** Runtimes that keep all processes of a pod in its sandbox's cgroup: that one is written, read back and shown. */
import assert from "node:assert/strict";
import { CpuSet } from "../../../src/cpu/cpu_set.ts";
import { CORES_IDS, ISOLATION } from "../../../src/nri/annotations.ts";
import { FakeKernel, FakePartitions } from "../../kit/fake_kernel.ts";
import { DEFAULT_SETTINGS } from "../../kit/policy.ts";
import { Link } from "../../kit/link.ts";
import type { Wanted } from "../../kit/messages.ts";
import type { MachineSpec } from "../../kit/sysfs.ts";

const eightCores: MachineSpec = { sockets: 1, nodesPerSocket: 1, coresPerNode: 8, threads: 1 };
const RECONCILE_MS = 1000;

/** A container of a pod, both named so; `of` is the pod of one that isn't its first. */
function wanted(name: string, more: Wanted = {}, of = name): Wanted {
  const parent = `/kubepods/pod${of}`;
  const own = of === name ? {} : { id: `id-${name}`, container: name };
  const cgroup = { cgroupParent: parent, cgroupsPath: `${parent}/id-${name}` };
  return { name: of, handler: "runsc", ...cgroup, ...own, ...more };
}

const half = { shares: 512n, quota: 50_000n, period: 100_000n };
const box = wanted("box", { cpus: 2 });
const part = wanted("part", half);
const db = wanted("db", { cpus: 1, handler: "" });
const pinned = (cpus: string) => wanted("pin", { handler: "", annotations: { [CORES_IDS]: cpus } });

class Rig {
  readonly kernel = new FakeKernel(2);
  readonly link: Link;
  /** What a cgroup above leaves the sandbox of `box`. */
  narrowed: CpuSet | undefined;

  constructor(rules: Partial<typeof DEFAULT_SETTINGS.rules> = {}) {
    this.kernel.online = CpuSet.range(0, 7);
    this.kernel.partitions = new FakePartitions();
    for (const pod of ["box", "part", "vm", "odd"]) {
      this.kernel.appear(`sandbox-${pod}`, "");
      this.kernel.populated.add(`sandbox-${pod}`);
    }
    const read = this.kernel.read.bind(this.kernel);
    this.kernel.read = (ref) => {
      const reading = read(ref);
      const effective = ref.id === "sandbox-box" ? this.narrowed : undefined;
      return reading.kind === "values" && effective !== undefined ? { ...reading, effective } : reading;
    };
    this.link = Link.serving([], eightCores, {
      cpusets: this.kernel,
      reconcileMs: RECONCILE_MS,
      rules: { ...DEFAULT_SETTINGS.rules, ...rules },
    });
  }

  /** @param where its processes are: in its own cgroup, in the sandbox's beside it, or there and it has none of its own */
  run(container: Wanted, where: "own" | "beside" | "sandbox" = "beside"): string {
    const { cpus } = this.link.create(container, { runs: false });
    const id = container.id ?? `id-${container.name}`;
    if (where !== "sandbox") this.kernel.appear(id, cpus);
    if (where === "own") this.kernel.populated.add(id);
    this.link.start(container);
    this.link.tick(this.link.now);
    return cpus;
  }

  compare(): void {
    for (const after of [0, 1.2 * RECONCILE_MS]) this.link.tick(this.link.now + after);
  }

  set(pod: string): string {
    return `${this.kernel.sets.get(`sandbox-${pod}`)}`;
  }

  state(name: string): string | undefined {
    return this.link.container(`id-${name}`)?.state;
  }

  why(name: string): string {
    return this.link.container(`id-${name}`)?.unverified ?? "";
  }

  /** How often that was said of a sandbox, and the last reason. */
  said(message: string): { readonly times: number; readonly last: string } {
    const lines = this.link.logged("warn").filter((line) => line.startsWith(message));
    return { times: lines.length, last: lines.at(-1) ?? "" };
  }
}

const NOT_CONFINED = "pod not confined by the cgroup of its sandbox";

Deno.test("the sandbox has the grants of all its pod's containers, and these are confirmed by it", () => {
  const rig = new Rig();
  assert.equal(rig.run(box), "1-2");
  assert.deepEqual([rig.set("box"), rig.state("box")], ["1-2", "confirmed"]);
  assert.equal(rig.run(wanted("more", { cpus: 1 }, "box")), "3");
  rig.run(wanted("side", half, "box"));
  assert.deepEqual([rig.set("box"), rig.state("box"), rig.state("more")], ["1-3", "confirmed", "confirmed"]);
  assert.equal(rig.state("side"), "confirmed", "the kernel runs it where its pod's containers have CPUs");
  assert.deepEqual(rig.said(NOT_CONFINED).times, 0);
});

Deno.test("it follows a move before the claim that moved them is answered", () => {
  const rig = new Rig();
  rig.run(box);
  rig.link.create(pinned("1"), { runs: false });
  assert.deepEqual([rig.set("box"), rig.state("box")], ["2-3", "confirmed"]);
});

Deno.test("without grants it has what its containers share, and gives up what others are granted", () => {
  const rig = new Rig();
  rig.run(part);
  assert.deepEqual([rig.set("part"), rig.state("part")], ["0-7", "confirmed"]);
  rig.run(box);
  assert.deepEqual([rig.set("part"), rig.set("box")], ["0,3-7", "1-2"]);
  rig.run(db, "own");
  assert.deepEqual([rig.set("part"), rig.state("part")], ["0,4-7", "confirmed"]);
  rig.kernel.populated.delete("id-db");
  rig.link.end(db);
  assert.equal(rig.set("part"), "0,3-7");
});

Deno.test("a pod whose containers have ended keeps its CPUs, and has the pool once they are another's", () => {
  const rig = new Rig();
  rig.run(box);
  rig.link.stop(box);
  rig.compare();
  assert.equal(rig.set("box"), "1-2");
  rig.link.create(pinned("1-2"), { runs: false });
  assert.equal(rig.set("box"), "0,3-7");
  rig.kernel.sets.delete("sandbox-box");
  rig.compare();
  assert.equal(rig.link.agent.state.sandboxes.all.size, 0);
});

Deno.test("what another program writes is repaired; what can't be written or read is unverified and logged once", () => {
  const rig = new Rig();
  rig.run(box);
  rig.kernel.appear("sandbox-box", "0-7");
  rig.compare();
  assert.deepEqual([rig.set("box"), rig.state("box")], ["1-2", "confirmed"]);
  for (
    const [spoil, mend, why] of [
      [
        () => rig.kernel.appear("sandbox-box", "0-7") ?? rig.kernel.refused.set("sandbox-box", "EROFS"),
        () => rig.kernel.refused.delete("sandbox-box"),
        /can't be written \(EROFS\)/,
      ],
      [
        () => rig.kernel.unreadable.add("sandbox-box"),
        () => rig.kernel.unreadable.delete("sandbox-box"),
        /no cgroup/,
      ],
      [
        () => rig.narrowed = CpuSet.of(2),
        () => rig.narrowed = undefined,
        /has the CPUs 2 in force, not 1-2/,
      ],
      [
        () => rig.kernel.populated.delete("sandbox-box"),
        () => rig.kernel.populated.add("sandbox-box"),
        /no process is seen in the sandbox's cgroup/,
      ],
    ] as const
  ) {
    const { times } = rig.said(NOT_CONFINED);
    spoil();
    for (let n = 0; n < 3; n++) rig.compare();
    assert.equal(rig.state("box"), "unverified");
    assert.match(rig.why("box"), why);
    assert.equal(rig.said(NOT_CONFINED).times, times + 1);
    mend();
    rig.compare();
    assert.deepEqual([rig.set("box"), rig.state("box")], ["1-2", "confirmed"]);
  }
});

Deno.test("one without a cgroup of its own is unverified", () => {
  const rig = new Rig();
  rig.kernel.sets.delete("sandbox-box");
  rig.run(box);
  assert.equal(rig.state("box"), "unverified");
  assert.match(rig.why("box"), /keeps its processes in its pod's sandbox, and the sandbox has no cgroup$/);
});

Deno.test("a virtual machine has the grants of its pod, and without any it is left as it is", () => {
  const rig = new Rig();
  rig.run(wanted("vm", { ...half, handler: "kata" }));
  assert.deepEqual([rig.set("vm"), rig.state("vm")], ["", "unverified"]);
  rig.run(wanted("own", { cpus: 2, handler: "kata" }, "vm"));
  assert.deepEqual([rig.set("vm"), rig.state("own"), rig.state("vm")], ["1-2", "confirmed", "unverified"]);
  assert.deepEqual(rig.kernel.written.filter((line) => line.startsWith("id-vm")), []);
});

Deno.test("a runtime that isn't known by its name is, once nobody was seen in the cgroup of its container", () => {
  const rig = new Rig();
  rig.run(db, "own");
  rig.run(wanted("odd", { cpus: 2, handler: "odd" }));
  for (let n = 0; n < 3; n++) rig.compare();
  assert.deepEqual([rig.set("odd"), rig.state("odd")], ["2-3", "confirmed"]);
  const plain = wanted("part", { cpus: 1, handler: "" });
  rig.run(plain);
  rig.compare();
  assert.equal(rig.link.agent.state.sandboxes.all.has("sandbox-part"), false, "the default runtime isn't");
});

Deno.test("a container whose processes are in the sandbox has no partition, which would be of CPUs that nobody uses", () => {
  const rig = new Rig({ isolationNamespaces: ["ns"] });
  rig.run(wanted("box", { cpus: 2, annotations: { [ISOLATION]: "partition" } }));
  assert.deepEqual([...rig.kernel.partitions?.all ?? []], []);
  assert.equal(
    rig.link.container("id-box")?.isolation?.reason,
    "its runtime (runsc) keeps no process in its cgroup",
  );
  assert.deepEqual([rig.set("box"), rig.state("box")], ["1-2", "confirmed"]);
});

Deno.test("more than can be written at once are written with the next ticks", () => {
  const rig = new Rig();
  const names = Array.from({ length: 130 }, (_, n) => `p${n}`);
  for (const name of names) {
    rig.kernel.appear(`sandbox-${name}`, "");
    rig.kernel.populated.add(`sandbox-${name}`);
    rig.run(wanted(name, half));
  }
  rig.run(db, "own");
  const done = () => names.filter((name) => rig.set(name) === "0,2-7").length;
  for (let n = 0; n < 3 && done() < names.length; n++) rig.link.tick(rig.link.now);
  assert.equal(done(), names.length);
});

Deno.test("a runtime that makes no cgroup for a container is as good: nothing is missed, and nobody waits for it", () => {
  const rig = new Rig();
  rig.run(part, "sandbox");
  rig.run(box, "sandbox");
  assert.equal(rig.run(db, "own"), "3");
  rig.compare();
  assert.deepEqual(["part", "box", "db"].map((name) => rig.state(name)), [
    "confirmed",
    "confirmed",
    "confirmed",
  ]);
  assert.deepEqual([rig.set("part"), rig.set("box")], ["0,4-7", "1-2"]);
  rig.link.create(pinned("1,4"), { runs: false });
  assert.deepEqual([rig.set("part"), rig.set("box")], ["0,6-7", "2,5"]);
  assert.deepEqual(rig.link.logged("warn"), []);
});

Deno.test("an agent that is told to change nothing has nothing left to do", () => {
  const rig = new Rig();
  rig.run(box);
  const { agent } = rig.link;
  rig.link.agent = { ...agent, state: { ...agent.state, dryRun: true } };
  rig.link.asked.length = 0;
  rig.kernel.appear("sandbox-box", "0-7");
  for (let n = 0; n < 3; n++) rig.compare();
  assert.deepEqual(rig.link.asked.filter((output) => output.kind === "wake" && output.after === 0), []);
  assert.equal(rig.set("box"), "0-7");
});
