// Calls of a plugin that nobody asked for can stop containerd for good. Shown on a containerd that is thrown away; then
// that the agent never makes one, by a recorder between it and containerd.
import assert from "node:assert/strict";
import { cpusUpdate, ScriptedPlugin } from "../../kit/runtime/scripted_plugin.ts";
import { comesToRunOn } from "./checks.ts";
import { CriError } from "./cri.ts";
import { comesRight } from "./final_check.ts";
import { online, without } from "./machine.ts";
import { runExclusive, startAgentWithRoom } from "./movable.ts";
import { NriProxy } from "./nri_proxy.ts";
import type { TestNode } from "./node.ts";
import { exclusive, pinned, resources, shared } from "./pods.ts";
import { onContainerd } from "./suite.ts";

const all = online();
const last = all.slice(-1);
const rest = without(all, last);

function proxyOf(node: TestNode): NriProxy {
  return new NriProxy(`${node.dir}/proxy.sock`, node.nriSocket);
}

/** All that makes an agent change what runs: claims, their ends, resizes, changes of memory, a move, a drift. */
async function busyLife(node: TestNode): Promise<void> {
  const others = [await node.run(shared()), await node.run(shared())];
  const owner = await node.run(exclusive(1));
  for (const { id } of [...others, owner]) {
    await node.cri.updateContainerResources({ containerId: id, linux: { memoryLimitInBytes: 80n << 20n } });
  }
  for (const cpus of [0.5, 1]) {
    const { cpuShares, cpuPeriod, cpuQuota } = resources(exclusive(cpus));
    const linux = { cpuShares, cpuPeriod, cpuQuota };
    await node.cri.updateContainerResources({ containerId: owner.id, linux });
    await comesToRunOn(owner, cpus < 1 ? all : last);
  }
  for (const other of others) await comesToRunOn(other, rest);
  await node.end(owner);
  for (const other of others) await comesToRunOn(other, all);
  await node.end(await node.run(pinned(`${last}`)));
  await assert.rejects(node.run(exclusive(all.length)), CriError);
  for (const other of others) {
    await comesToRunOn(other, all);
    await node.end(other);
  }
}

for (const way of ["kernel-first", "runtime"]) {
  onContainerd(`${way}: the agent never calls the runtime but to register`, async (node) => {
    await using proxy = proxyOf(node);
    const agent = await node.startAgent({ args: ["--socket", proxy.path, "--apply", way] });
    await busyLife(node);
    await comesRight(node, agent);
    await agent.end("SIGTERM");

    const second = await startAgentWithRoom(node, ["--socket", proxy.path, "--apply", way]);
    const { pod, own } = await runExclusive(node);
    const pin = await node.run(pinned(`${own}`));
    await comesToRunOn(pod, without(all, own));
    await node.end(pin);
    await comesRight(node, second);

    assert.deepEqual(proxy.calledByAgent, ["RegisterPlugin", "RegisterPlugin"]);
    const asked = new Set(
      proxy.messages.filter(({ from, kind }) => from === "runtime" && kind === "request"),
    );
    const methods = [...asked].map(({ method }) => method);
    for (
      const method of ["Configure", "Synchronize", "CreateContainer", "UpdateContainer", "StopContainer"]
    ) {
      assert(methods.includes(method), `${method} was among what the recorder saw: ${new Set(methods)}`);
    }
  });
}

onContainerd("the recorder sees an unsolicited call", async (node) => {
  await using proxy = proxyOf(node);
  const plugin = await ScriptedPlugin.register(proxy.path);
  const container = await node.run(shared());
  await plugin.updateContainers([cpusUpdate(container.id, `${last}`)]);
  assert.deepEqual(proxy.calledByAgent, ["RegisterPlugin", "UpdateContainers"]);
  await plugin.close();
});

/** Milliseconds without an answer that count as a hang: all that is waited for takes a few hundred. */
const HANG = 3000;
/** How often it is tried: who gets which of containerd's two locks first is a matter of luck. */
const TRIES = 3;

onContainerd(
  "unsolicited calls block containerd until it is killed, up to NRI 0.12.0",
  async (node) => {
    const hangs = /^(1|2\.[0-3])\./.test(node.install.version);
    let hung = false;
    for (let round = 0; round < TRIES && !hung; round++) hung = await hangsOnCalls(node);
    assert.equal(hung, hangs);
    await node.cri.listContainers({}); // Who only looks notices nothing.
    await node.killContainerd();
    await node.startContainerd();
    await node.run(shared());
  },
);

/** Whether containerd hangs after calls that come while two pods are made, also when the plugin has gone. */
async function hangsOnCalls(node: TestNode): Promise<boolean> {
  const { id } = await node.run(shared());
  const asked = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<object>();
  const plugin = await ScriptedPlugin.register(node.nriSocket, {
    create: () => {
      asked.resolve();
      return answer.promise;
    },
  });
  const first = Promise.allSettled([node.run(shared())]);
  await asked.promise;
  const calls = Array.from({ length: 20 }, () => plugin.updateContainers([cpusUpdate(id, `${all}`)]));
  const work = Promise.allSettled([first, node.run(shared()), ...calls]);
  await settlesWithin(300, work); // for the second pod to reach the lock, of which nobody can tell
  answer.resolve({});
  const settled = await settlesWithin(HANG, work);
  await plugin.close();
  return !settled && !await settlesWithin(HANG / 3, first);
}

async function settlesWithin(ms: number, work: Promise<unknown>): Promise<boolean> {
  const { promise: late, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(false), ms);
  return await Promise.race([work.then(() => true), late]).finally(() => clearTimeout(timer));
}
