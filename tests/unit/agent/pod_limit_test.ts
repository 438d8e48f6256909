/** Resources of a pod's own, in NRI's messages: who subscribes to their changes, and what becomes of these. */
import assert from "node:assert/strict";
import { Event } from "../../../src/nri/gen/nri_pb.ts";
import { eventMask, subscribedOf } from "../../../src/nri/methods.ts";
import { FakeKernel } from "../../kit/fake_kernel.ts";
import { containerOf, podOf, type Wanted } from "../../kit/messages.ts";
import { Link } from "../../kit/link.ts";
import { bigNode } from "../../kit/sysfs.ts";

const MACHINE = { ...bigNode, sockets: 1, nodesPerSocket: 1 };
const POD = { name: "app", podQuota: 800_000n } satisfies Wanted;

const subject = (container: string, cpus: number, pod: Wanted = POD) => {
  const wanted = { ...pod, container, cpus };
  return { pod: podOf(wanted), container: { ...containerOf(wanted), id: container } };
};
const sizeOf = (link: Link, id: string) => link.agent.state.ledger.assignments.get(id)?.grant.size;
const updated = (quota: bigint) => ({
  pod: podOf({ ...POD, cpus: 8 }),
  linuxResources: { cpu: { quota: { value: quota }, period: { value: 100_000n } } },
});

Deno.test("UpdatePodSandbox is subscribed to where the runtime's NRI has it", () => {
  const asks = (nriVersion: string) =>
    (eventMask(subscribedOf({ nriVersion })) & eventMask([Event.UPDATE_POD_SANDBOX])) !== 0;
  const known = ["", "unknown", "0.8.0", "v0.9.0", "0.0.0-unknown", "0.10.0", "v0.12.3", "1.0"];
  assert.deepEqual(known.map(asks), [false, false, false, false, false, true, true, true]);
});

Deno.test("a pod's new limit counts for what runs, for what is created later, and until its end", () => {
  const link = Link.serving([], MACHINE);
  link.ask("CreateContainer", subject("sidecar", 8));
  link.ask("CreateContainer", subject("main", 4));
  assert.deepEqual([sizeOf(link, "main"), sizeOf(link, "sidecar")], [4, 4]);
  link.ask("UpdatePodSandbox", updated(600_000n));
  assert.deepEqual([sizeOf(link, "main"), sizeOf(link, "sidecar")], [4, 2]);
  for (const nothing of [0n, -1n, 50_000n]) link.ask("UpdatePodSandbox", updated(nothing));
  assert.equal(sizeOf(link, "sidecar"), 2, "none, or none that is a CPU, says nothing of how many");
  link.ask("CreateContainer", subject("late", 6));
  assert.equal(sizeOf(link, "late"), 2, "the runtime still says that the pod has 8");
  link.ask("StateChange", { event: Event.STOP_POD_SANDBOX, pod: podOf(POD) });
  link.ask("CreateContainer", subject("again", 8));
  assert.equal(sizeOf(link, "again"), 8);
});

Deno.test("no more pods are remembered than a node has", () => {
  const link = Link.serving([], MACHINE);
  for (let n = 0; n < 1100; n++) {
    link.ask("UpdatePodSandbox", { ...updated(600_000n), pod: podOf({ ...POD, name: `p${n}` }) });
  }
  const { podResources } = link.agent.state;
  assert.equal(podResources.size, 1024);
  assert(podResources.has("sandbox-p1099") && !podResources.has("sandbox-p0"));
});

/** A pod whose container `sidecar` has what `main` leaves, by figures of the pod's creation. */
const LISTED = [["sidecar", 8], ["main", 4]] as const;

function resync(link: Link): void {
  const containers = LISTED.map(([id, cpus]) => subject(id, cpus).container);
  link.ask("Synchronize", { pods: [podOf({ ...POD, cpus: 8 })], containers, more: false });
}

for (const [quota, left] of [[600_000n, 2], [1_000_000n, 6]] as const) {
  Deno.test(`a pod's new limit counts when containers are listed with what it was created with: ${left} are left`, () => {
    const link = Link.serving([], MACHINE);
    for (const [id, cpus] of LISTED) link.ask("CreateContainer", subject(id, cpus));
    link.ask("UpdatePodSandbox", updated(quota));
    assert.deepEqual([sizeOf(link, "main"), sizeOf(link, "sidecar")], [4, left]);
    resync(link);
    assert.deepEqual([sizeOf(link, "main"), sizeOf(link, "sidecar")], [4, left]);
  });

  Deno.test(`so it does for an agent that was on standby when it was reported: ${left} are left`, () => {
    const kernel = new FakeKernel();
    const link = Link.serving([], MACHINE, { standby: true, cpusets: kernel });
    for (const [id, cpus] of LISTED) {
      link.ask("CreateContainer", subject(id, cpus));
      link.mention(Event.POST_START_CONTAINER, { ...POD, id, container: id, cpus });
    }
    kernel.appear("main", "1-4");
    kernel.appear("sidecar", left === 2 ? "5-6" : "5-10");
    link.ask("UpdatePodSandbox", updated(quota));
    link.feed({ kind: "promoted", now: link.now });
    const containers = LISTED.map(([id, cpus]) => subject(id, cpus).container);
    link.feed({ kind: "listed", listing: { pods: [podOf({ ...POD, cpus: 8 })], containers } });
    assert.deepEqual([sizeOf(link, "main"), sizeOf(link, "sidecar")], [4, left]);
    for (let n = 0; n < 3; n++) link.tick(link.now + 1000);
    assert.deepEqual(kernel.written, [], "nobody is moved by that");
  });
}

Deno.test("a container's own figures that are what its pod was created with stay its own", () => {
  const link = Link.serving([], MACHINE);
  link.ask("UpdatePodSandbox", updated(1_100_000n));
  const part = { ...POD, id: "sidecar", container: "sidecar", shares: 2n, quota: 300_000n, period: 100_000n };
  const containers = [subject("main", 8).container, containerOf(part)];
  link.ask("Synchronize", { pods: [podOf({ ...POD, cpus: 8 })], containers, more: false });
  assert.equal(sizeOf(link, "main"), 8);
});

Deno.test("so it does for one that was released then, and is resumed", () => {
  const link = Link.serving([], MACHINE);
  link.feed({ kind: "released", now: link.now });
  link.ask("UpdatePodSandbox", updated(600_000n));
  link.feed({ kind: "resumed", now: link.now });
  resync(link);
  assert.deepEqual([sizeOf(link, "main"), sizeOf(link, "sidecar")], [4, 2]);
});

Deno.test("a former sandbox of the pod, which kubelet stops again before it removes it, takes nothing from its news", () => {
  const link = Link.serving([], MACHINE);
  link.ask("UpdatePodSandbox", updated(600_000n));
  link.ask("StateChange", {
    event: Event.STOP_POD_SANDBOX,
    pod: { ...podOf({ ...POD, cpus: 8 }), id: "former" },
  });
  link.ask("CreateContainer", subject("main", 4));
  link.ask("CreateContainer", subject("sidecar", 6));
  assert.deepEqual([sizeOf(link, "main"), sizeOf(link, "sidecar")], [4, 2]);
});

Deno.test("pods without a uid, as of other CRI clients than kubelet, aren't one pod with one limit", () => {
  const link = Link.serving([], MACHINE);
  const of = (name: string) => ({ ...podOf({ name, cpus: 2, podQuota: 400_000n }), uid: "" });
  for (const id of ["a1", "a2", "b1", "b2"]) {
    link.ask("CreateContainer", {
      pod: of(id.slice(0, 1)),
      container: containerOf({ id, container: id, cpus: 2 }),
    });
  }
  assert.deepEqual(["a1", "a2", "b1", "b2"].map((id) => sizeOf(link, id)), [2, 2, 2, 2]);
});
