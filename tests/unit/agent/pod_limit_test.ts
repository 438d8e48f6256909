/** Resources of a pod's own, in NRI's messages: who subscribes to their changes, and what becomes of these. */
import assert from "node:assert/strict";
import { Event } from "../../../src/nri/gen/nri_pb.ts";
import { eventMask, subscribedOf } from "../../../src/nri/methods.ts";
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
  assert(podResources.has("uid-p1099") && !podResources.has("uid-p0"));
});
