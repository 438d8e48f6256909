/** The fence on cgroup v1, on the real kernel: every set lies within that of the cgroup above it. */
import assert from "node:assert/strict";
import { openCpusets } from "../../../src/cgroup/kernel_cpusets.ts";
import { CORES_IDS } from "../../../src/nri/annotations.ts";
import { Event } from "../../../src/nri/gen/nri_pb.ts";
import { Link } from "../../kit/link.ts";
import type { Wanted } from "../../kit/messages.ts";
import { KERNEL, onKernel, type ScratchCgroups } from "../../kit/scratch_cgroups.ts";
import { twoCpuVm } from "../../kit/sysfs.ts";

/** A node with two CPUs below the test's own cgroup, as kubelet lays it out. */
class Node {
  readonly link: Link;
  readonly made = new Set<string>();

  constructor(private readonly scratch: ScratchCgroups) {
    for (const path of ["/kubepods", "/kubepods/burstable", "/kubepods/besteffort"]) {
      scratch.make(path, "0-1");
    }
    const { cpusets } = openCpusets({ cgroupRoot: "/sys/fs/cgroup", apply: "auto" });
    this.link = Link.serving([], twoCpuVm, { cpusets, fence: "on", reconcileMs: 0 });
  }

  /** As kubelet and runc do it: the pod's and the container's cgroups begin with what is above them. */
  run(name: string, wanted: Partial<Wanted> = {}): void {
    const parent = wanted.cpus === undefined
      ? `${this.scratch.top}/kubepods/burstable`
      : `${this.scratch.top}/kubepods`;
    const pod = `${parent}/pod-${name}`.slice(this.scratch.top.length);
    const cgroupsPath = `${this.scratch.top}${pod}/id-${name}`;
    const full = { ...wanted, name, cgroupParent: `${this.scratch.top}${pod}`, cgroupsPath };
    const { cpus } = this.link.create(full, { runs: false });
    for (const path of [pod, `${pod}/pause`, `${pod}/id-${name}`]) {
      if (!this.made.has(path)) this.make(path);
    }
    if (cpus !== "") this.scratch.write(`${this.scratch.top}${pod}/id-${name}`, cpus);
    this.link.start(full);
    this.link.mention(Event.POST_START_CONTAINER, full);
  }

  /** A new cgroup begins with the set of the one above it, or with what that had before. */
  make(path: string, cpus = this.read(path.slice(0, path.lastIndexOf("/")))): void {
    this.scratch.make(path, cpus);
    this.made.add(path);
  }

  read(path: string): string {
    return this.scratch.read(`${this.scratch.top}${path}`);
  }

  /** What each of a class's pods has: its own set, its pause container's and its container's. */
  sets(name: string): string {
    const pod = `/kubepods/burstable/pod-${name}`;
    return [pod, `${pod}/pause`, `${pod}/id-${name}`].map((path) => this.read(path)).join(" ");
  }
}

/** On a node with one shared container, where the kernel has cgroup v1. */
function onNode(name: string, body: (node: Node) => void): void {
  if (typeof KERNEL !== "string" && KERNEL.version === 2) {
    Deno.test.ignore(`NOT TESTED on cgroup v1, this machine has v2: ${name}`, () => {});
    return;
  }
  onKernel(name, (scratch) => {
    const node = new Node(scratch);
    node.run("a");
    body(node);
  });
}

onNode(
  "with fence: on a class is kept off exclusive CPUs with all that is in it, and what starts there too",
  (node) => {
    node.run("db", { cpus: 1 });
    assert.equal(node.read("/kubepods/burstable"), "0");
    assert.equal(node.sets("a"), "0 0 0");
    // While no agent runs, a directory gets what is above it.
    for (const path of ["/pod-late", "/pod-late/pause"]) node.make(`/kubepods/burstable${path}`);
    assert.equal(node.read("/kubepods/burstable/pod-late/pause"), "0");
    node.link.end({ name: "db", cpus: 1 });
    // A slice ends after some milliseconds of writes.
    for (let ticks = 0; ticks < 5; ticks++) node.link.tick(node.link.now);
    assert.deepEqual([node.read("/kubepods/burstable"), node.sets("a")], ["0-1", "0-1 0-1 0-1"]);
    assert.equal(node.read("/kubepods/burstable/pod-late/pause"), "0-1");
  },
);

onNode(
  "behind a v1 fence pinned CPUs are kept from others by their own sets",
  (node) => {
    node.run("pin", { annotations: { [CORES_IDS]: "1" } });
    assert.equal(node.sets("a"), "0-1 0-1 0");
    assert.equal(node.sets("pin"), "0-1 0-1 1");
  },
);

onNode(
  "a pod's cgroup that kubelet has written with what its class had before gets what its container is to have",
  (node) => {
    node.run("db", { cpus: 1 });
    node.link.end({ name: "db", cpus: 1 });
    for (let ticks = 0; ticks < 5; ticks++) node.link.tick(node.link.now);
    node.make("/kubepods/burstable/pod-pin", "0");
    node.run("pin", { annotations: { [CORES_IDS]: "1" } });
    assert.equal(node.sets("pin"), "0-1 0-1 1");
  },
);
