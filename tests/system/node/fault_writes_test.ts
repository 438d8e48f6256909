// Sets that can't be written, or are written by somebody else.
import assert from "node:assert/strict";
import { assertRunsOn, comesToRunOn } from "./checks.ts";
import { CriError } from "./cri.ts";
import { FaultyRunc } from "./faulty_runc.ts";
import { cpusetDirectory, findHierarchy, numbers, online, without } from "./machine.ts";
import { runExclusive, startAgentWithRoom } from "./movable.ts";
import type { Running, TestNode } from "./node.ts";
import { exclusive, pinned, shared } from "./pods.ts";
import { onBareNode, onContainerd } from "./suite.ts";
import { Tally } from "./tally.ts";

const all = online();
const last = all.slice(-1);
const rest = without(all, last);

onBareNode("an update that fails in the runtime affects no other container, and is retried", async (node) => {
  const runc = await FaultyRunc.onto(node);
  const tally = new Tally(node, "an update fails in the runtime");
  const agent = await startAgentWithRoom(node, ["--apply", "kernel-first"]);
  const { pod, own } = await runExclusive(node);
  const place = without(all, own);
  runc.fail("update", pod.id);
  const pin = await node.run(pinned(`${own}`));
  await runc.reached("update", pod.id);
  await tally.comesRight(agent);
  assertRunsOn(pin, own);
  assertRunsOn(pod, place);

  runc.behave("update", pod.id);
  await node.cri.updateContainerResources({
    containerId: pod.id,
    linux: { memoryLimitInBytes: 80n << 20n },
  });
  await comesToRunOn(pod, place);
  await tally.comesRight(agent);
  assert.deepEqual(numbers((await node.recorded(pod)).cpus ?? ""), place);
});

/** A cgroup inside the container's, as systemd or Docker in a pod would make it, that has all CPUs. */
function makeChild({ pid }: Running): string {
  const child = `${cpusetDirectory(pid)}/child`;
  Deno.mkdirSync(child);
  Deno.writeTextFileSync(`${child}/cpuset.cpus`, `${all}`);
  return child;
}

/** Starts the agent with one directory that is read-only for it, and for nobody else. */
const READ_ONLY = ["unshare", "--mount", "sh", "-c"];
const READ_ONLY_SCRIPT = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"';

async function assertRefusesExclusive(node: TestNode, why: RegExp): Promise<void> {
  const created = await node.create(exclusive(1)).catch((error) => error);
  const refusal = created instanceof Error
    ? created
    : await node.start(created).then(() => undefined, (error) => error);
  assert(refusal instanceof CriError, `${refusal}`);
  assert.match(refusal.message, why);
}

// In cgroup v2 a child doesn't hold what its parent loses.
if (findHierarchy().version === 1) {
  onContainerd("a child cgroup that holds a CPU is made to give it up", async (node) => {
    const tally = new Tally(node, "a child cgroup holds the CPU");
    const agent = await node.startAgent({ args: ["--apply", "kernel-first"] });
    const holder = await node.run(shared());
    const child = makeChild(holder);
    const owner = await node.run(exclusive(1));
    await tally.comesRight(agent);
    assertRunsOn(owner, last);
    assertRunsOn(holder, rest);
    await node.end(owner);
    await comesToRunOn(holder, all);
    assert.deepEqual(numbers(Deno.readTextFileSync(`${child}/cpuset.cpus`)), all);
    Deno.removeSync(child);
  });

  onContainerd(
    "a CPU that isn't given up is granted to no container, and those that gave it up get it back",
    async (node) => {
      const tally = new Tally(node, "a shrink fails in the kernel");
      const before = await node.run(shared());
      const holder = await node.run(shared());
      const after = await node.run(shared());
      const child = makeChild(holder);
      const agent = await node.startAgent({
        args: ["--apply", "kernel-first"],
        wrapper: [...READ_ONLY, READ_ONLY_SCRIPT, child],
      });
      await assertRefusesExclusive(node, /EROFS|EBUSY|read-only/i);
      await tally.comesRight(agent);
      for (const container of [before, holder, after]) assertRunsOn(container, all);
      Deno.removeSync(child);
      const owner = await node.run(exclusive(1));
      await tally.comesRight(agent);
      assertRunsOn(owner, last);
      for (const container of [before, holder, after]) assertRunsOn(container, rest);
    },
  );

  onContainerd("runtime: a start is refused while another container runs on its CPU", async (node) => {
    const tally = new Tally(node, "a shrink fails in the runtime");
    const agent = await node.startAgent({ args: ["--apply", "runtime"] });
    const holder = await node.run(shared());
    const child = makeChild(holder);
    await assertRefusesExclusive(node, /\bp1\b/);
    await tally.comesRight(agent);
    Deno.removeSync(child);
  });
}

function rewrite({ pid }: Running): void {
  Deno.writeTextFileSync(`${cpusetDirectory(pid)}/cpuset.cpus`, `${all}`);
}

for (const apply of ["kernel-first", "runtime"]) {
  onContainerd(
    `${apply}: a cpuset that another program writes is repaired each time, and logged once`,
    async (node) => {
      const tally = new Tally(node, `${apply}: a cpuset is rewritten by somebody`);
      const agent = await node.startAgent({
        args: ["--apply", apply],
        env: { WEKA_CPUSET_RECONCILE_SECONDS: "1" },
      });
      const other = await node.run(shared());
      const owner = await node.run(exclusive(1));
      const pods = [{ container: other, right: rest }, { container: owner, right: last }];
      for (let time = 0; time < 2; time++) {
        for (const { container } of pods) rewrite(container);
        for (const { container, right } of pods) await comesToRunOn(container, right);
        await tally.comesRight(agent);
      }
      for (const { container } of pods) {
        const said = agent.lines.filter((line) => line.includes("level=warn") && line.includes(container.id));
        assert.equal(said.length, 1, `${said}`);
      }
    },
  );
}

onContainerd(
  "a cpuset that differs from its record is repaired when the agent is back",
  async (node) => {
    const tally = new Tally(node, "a cpuset is rewritten while the agent is away");
    const agent = await node.startAgent({ args: ["--apply", "kernel-first"] });
    const other = await node.run(shared());
    const owner = await node.run(exclusive(1));
    await agent.end("SIGKILL");
    rewrite(other);
    rewrite(owner);
    assert.deepEqual(numbers((await node.recorded(owner)).cpus ?? ""), last);

    // Without reconcile, it must be seen at once.
    const next = await node.startAgent({
      args: ["--apply", "kernel-first"],
      env: { WEKA_CPUSET_RECONCILE_SECONDS: "0" },
    });
    await tally.comesRight(next);
    assertRunsOn(owner, last);
    assertRunsOn(other, rest);
  },
);
