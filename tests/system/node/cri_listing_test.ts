// What the agent asks of the CRI when NRI doesn't report it: the same as what NRI reports.
import assert from "node:assert/strict";
import { Cri } from "../../../src/cri/cri.ts";
import {
  type Container,
  ContainerState,
  type LinuxResources,
  type PodSandbox,
  type SynchronizeRequest,
} from "../../../src/nri/gen/nri_pb.ts";
import { ScriptedPlugin } from "../../kit/runtime/scripted_plugin.ts";
import { assertRunsOn, comesToRunOn } from "./checks.ts";
import { IMAGE, sockets } from "./containerd.ts";
import { eventually } from "./eventually.ts";
import { allowedCpus, online, without } from "./machine.ts";
import type { Running, TestNode } from "./node.ts";
import { exclusive, pinned, shared } from "./pods.ts";
import { onContainerd } from "./suite.ts";

const all = online();
const last = all.slice(-1);
const rest = without(all, last);

onContainerd("the CRI lists of each kind of container what NRI's Synchronize lists", async (node) => {
  // By the runtime, so that every set is in the record.
  await node.startAgent({ args: ["--apply", "runtime"] });
  const before = await node.run(shared({ "weka.io/forbid-core-ids": "4095", "example.org/other": "1" }));
  const owner = await node.run(exclusive(1));
  const own = allowedCpus(owner.pid);
  await comesToRunOn(before, without(all, own));
  assert.deepEqual(await recordsToldTwice(node), {
    [owner.id]: `${own}`,
    [before.id]: list(without(all, own)),
  });

  // An update by kubelet, one by the agent's answer to a stop, and a container that ended by itself.
  await node.cri.updateContainerResources({
    containerId: before.id,
    linux: { memoryLimitInBytes: 96n << 20n },
  });
  await node.end(owner);
  await comesToRunOn(before, all);
  const ended = await node.run(shared());
  Deno.kill(ended.pid, "SIGKILL");
  await eventually(async () => assert.equal((await statusOf(node, ended))?.state, 2));
  const pin = await node.run(pinned(`${last}`));
  await comesToRunOn(before, rest);
  assert.deepEqual(await recordsToldTwice(node), { [pin.id]: `${last}`, [before.id]: list(rest) });
});

onContainerd("a container that isn't started yet is listed as created, with its CPUs", async (node) => {
  await node.startAgent();
  const { sandbox } = await node.run(pinned(`${last}`));
  const { containerId } = await node.cri.createContainer({
    podSandboxId: sandbox,
    sandboxConfig: { metadata: { name: "p1", namespace: "default", uid: "u" } },
    config: { metadata: { name: "second" }, image: { image: IMAGE } },
  });
  const { containers } = await listed(node);
  const second = containers.find(({ id }) => id === containerId);
  assert.equal(second?.name, "second");
  assert.equal(second.state, ContainerState.CONTAINER_CREATED);
  assert.equal(second.pid, 0);
  assert.equal(cpusOf(second), `${last}`);
  await recordsToldTwice(node);
});

onContainerd("after a restart of the runtime the CRI still lists each container's CPUs", async (node) => {
  await node.startAgent();
  await node.run(shared());
  const owner = await node.run(exclusive(1));
  const before = await listed(node);
  await node.killContainerd();
  await assert.rejects(
    connect(node),
    /none\.sock: there is no such socket; .*c\.sock: no process listens there/,
  );
  await node.startContainerd();
  const after = await listed(node);
  assert.deepEqual(byId(after.containers), byId(before.containers));
  assert.deepEqual(byId(after.pods), byId(before.pods));
  assert.equal(cpusOf(after.containers.find(({ id }) => id === owner.id)), `${allowedCpus(owner.pid)}`);
});

onContainerd("setting CPUs through the CRI changes record and kernel, and nothing else", async (node) => {
  const pod = await node.run(exclusive(1));
  const [was] = (await listed(node)).containers;
  using cri = disposable(await connect(node));
  await cri.updateCpus(pod.id, `${last}`);
  assertRunsOn(pod, last);
  const [is] = (await cri.list()).containers;
  assert.equal(cpusOf(is), `${last}`);
  assert.deepEqual({ ...factsOf(is), cpus: "" }, { ...factsOf(was), cpus: "" });
  await assert.rejects(cri.updateCpus(pod.id, "4095"), /^CriError: UpdateContainerResources failed: /);
  await assert.rejects(cri.updateCpus("none", "0"), /not found/);
});

/** The records of all containers as the CRI lists them, having compared everything with what NRI lists just then. */
async function recordsToldTwice(node: TestNode): Promise<Record<string, string>> {
  const sent = await synchronized(node);
  // The CRI's list has those that have stopped, too.
  const { pods, containers: all } = await listed(node);
  const containers = all.filter(({ state }) => state !== ContainerState.CONTAINER_STOPPED);
  const running = sent.containers.filter(({ state }) => state !== ContainerState.CONTAINER_STOPPED);
  assert.deepEqual(byId(containers).map(factsOf), byId(running).map(factsOf));
  for (const container of containers) {
    const { createdAt = 0n } = running.find(({ id }) => id === container.id) ?? {};
    assert(container.createdAt > 0n);
    if (createdAt > 0n) assert.equal(container.createdAt, createdAt); // NRI has it from 0.10 on
  }
  const inUse = new Set(running.map(({ podSandboxId }) => podSandboxId));
  const theirs = sent.pods.filter(({ id }) => inUse.has(id));
  const ours = pods.filter(({ id }) => inUse.has(id));
  assert.deepEqual(byId(ours).map(factsOfPod), byId(theirs).map(factsOfPod));
  return Object.fromEntries(containers.map((container) => [container.id, cpusOf(container)]));
}

/** What a plugin that registers now is sent. */
async function synchronized(node: TestNode): Promise<SynchronizeRequest> {
  const { promise, resolve } = Promise.withResolvers<SynchronizeRequest>();
  const plugin = await ScriptedPlugin.register(node.nriSocket, {
    events: 1, // pods that are run
    synchronize: (request) => {
      resolve(request);
      return {};
    },
  });
  const sent = await promise;
  await plugin.close();
  assert(!sent.more);
  return sent;
}

async function listed(node: TestNode) {
  using cri = disposable(await connect(node));
  return await cri.list();
}

function connect(node: TestNode): Promise<Cri> {
  return Cri.connect([`${node.dir}/none.sock`, sockets(node.dir).cri]);
}

function disposable(cri: Cri): Cri & Disposable {
  return Object.assign(cri, { [Symbol.dispose]: () => cri.close() });
}

async function statusOf(node: TestNode, { id }: Running) {
  return (await node.cri.containerStatus({ containerId: id })).status;
}

function byId<T extends { id: string }>(items: readonly T[]): T[] {
  return items.toSorted((a, b) => (a.id < b.id ? -1 : 1));
}

function cpusOf(container: Container | undefined): string {
  return container?.linux?.resources?.cpu?.cpus ?? "";
}

function factsOf(container: Container | undefined) {
  const { id, podSandboxId, name, state, pid, linux } = container ?? {};
  return { id, podSandboxId, name, state, pid, path: linux?.cgroupsPath, ...figuresOf(linux?.resources) };
}

/** Annotations that Kubernetes gave; NRI adds those of the runtime. */
function factsOfPod({ id, name, uid, namespace, annotations, linux }: PodSandbox) {
  const added = /^io\.(cri-)?containerd|^io\.kubernetes\.cri|^oci_runtime_type$/;
  const given = (all: Record<string, string>) =>
    Object.entries(all).filter(([key]) => !added.test(key)).toSorted();
  const pod = { id, name, uid, namespace, annotations: given(annotations) };
  return { ...pod, parent: linux?.cgroupParent, ...figuresOf(linux?.podResources) };
}

function figuresOf(resources: LinuxResources | undefined) {
  const { shares, quota, period, cpus, mems } = resources?.cpu ?? {};
  const [s, q, p] = [shares?.value, quota?.value, period?.value];
  return { shares: s, quota: q, period: p, cpus, mems, memory: resources?.memory?.limit?.value };
}

function list(cpus: readonly number[]): string {
  return cpus.length > 1 && cpus.at(-1) === (cpus[0] ?? 0) + cpus.length - 1
    ? `${cpus[0]}-${cpus.at(-1)}`
    : `${cpus}`;
}
