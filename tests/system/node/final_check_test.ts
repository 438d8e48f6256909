// The check after every fault has to be able to fail: on made-up findings, and on a node where nobody decides.
import assert from "node:assert/strict";
import { assertRunsOn } from "./checks.ts";
import { comesRight, type Found, running, violations } from "./final_check.ts";
import { cpusetDirectory, online, without } from "./machine.ts";
import { exclusive, pinned, shared, type Wish } from "./pods.ts";
import { onContainerd } from "./suite.ts";

const all = online();
const last = all.slice(-1);
const rest = without(all, last);

const SHARED: Wish = { kind: "shared" };
const ONE: Wish = { kind: "exclusive", count: 1 };
const PINNED: Wish = { kind: "pinned", cpus: [2, 3] };

function found(id: string, wish: Wish, ...cpus: number[]): Found {
  return { id, pod: `pod-${id}`, wish, cpus };
}

const warned = 'level=warn msg="container degraded" containerID=a reason="no room"';
const drift =
  'level=warn msg="cpuset changed by another program; repairing" containerID=a reason="found on 0-1"';
const healed = 'level=info msg="container no longer degraded" containerID=a kind=exclusive';

const cases: [string, Found[], string[], RegExp[]][] = [
  ["nothing runs", [], [], []],
  [
    "each has its own",
    [found("a", ONE, 1), found("b", PINNED, 2, 3), found("c", SHARED, 0), found("d", SHARED, 0)],
    [],
    [],
  ],
  ["pinned ones share", [found("a", PINNED, 2, 3), found("b", PINNED, 2, 3)], [], []],
  ["a shared one is on an exclusive CPU", [found("a", ONE, 1), found("b", SHARED, 0, 1)], [], [
    /pod-b \(shared\) has 0,1, but pod-a \(exclusive\) has 1/,
  ]],
  ["a shared one is on a pinned CPU", [found("a", PINNED, 2, 3), found("b", SHARED, 3)], [], [
    /pod-b.*pod-a/,
  ]],
  ["two exclusive ones have one CPU", [found("a", ONE, 1), found("b", ONE, 1)], [], [
    /pod-b.*pod-a/,
    /pod-a.*pod-b/,
  ]],
  ["an exclusive one is on a pinned CPU", [found("a", ONE, 2), found("b", PINNED, 2, 3)], [], [
    /pod-b.*pod-a/,
    /pod-a.*pod-b/,
  ]],
  ["an exclusive one has too many", [found("a", ONE, 0, 1)], [], [/pod-a asks for 1 CPUs .* isn't logged/]],
  ["a pinned one has others", [found("a", PINNED, 0)], [], [/pod-a asks for CPUs 2,3, has 0/]],
  ["a shared one has none", [found("a", SHARED)], [], [/pod-a asks for CPUs, has , and/]],
  ["one without its CPUs is reported", [found("a", ONE, 0, 1), found("b", SHARED, 0)], [warned], []],
  ["one is reported that has enough in the pool", [found("a", ONE, 0), found("b", SHARED, 0)], [warned], []],
  ["its drift is repaired", [found("a", ONE, 0), found("b", SHARED, 0)], [drift], [/pod-b.*pod-a/]],
  ["another is reported", [found("b", ONE, 0, 1)], [warned], [/pod-b asks for/]],
  ["it was only said at level info", [found("a", ONE, 0, 1)], [healed], [/pod-a asks for/]],
  ["it was reported, and then said to be over", [found("a", ONE, 0, 1)], [warned, healed], [
    /pod-a asks for/,
  ]],
  ["over, and an overlap", [found("a", ONE, 0), found("b", SHARED, 0)], [warned, healed], [/pod-b.*pod-a/]],
  ["over, and reported again", [found("a", ONE, 0, 1)], [warned, healed, warned], []],
];
for (const [what, containers, said, expected] of cases) {
  Deno.test(`the final check: ${what}`, () => {
    const sentences = violations(containers, said);
    assert.equal(sentences.length, expected.length, `${sentences}`);
    expected.forEach((pattern, index) => assert.match(sentences[index] ?? "", pattern));
  });
}

onContainerd("the final check sees what the kernel has, and fails without an agent", async (node) => {
  const nobody = { lines: [] };
  const other = await node.run(shared());
  const owner = await node.run(exclusive(1));
  const pin = await node.run(pinned(`${last}`));
  const containers = await running(node);
  assert.deepEqual(containers.map(({ id }) => id).toSorted(), [other.id, owner.id, pin.id].toSorted());
  assert.equal(violations(containers, []).length, 2);

  // What the record says doesn't count, only what the kernel has; and what happens a moment later does.
  await node.end(owner);
  Deno.writeTextFileSync(`${cpusetDirectory(pin.pid)}/cpuset.cpus`, `${last}`);
  assert.match(`${violations(await running(node), [])}`, /^p1 \(shared\) has [\d,]+, but p3 \(pinned\) has/);
  const right = comesRight(node, nobody);
  Deno.writeTextFileSync(`${cpusetDirectory(other.pid)}/cpuset.cpus`, `${rest}`);
  assert.equal((await right).length, 2);
  assertRunsOn(other, rest);
});

onContainerd("the final check finds processes that the runtime doesn't list", async (node) => {
  const container = await node.run(shared());
  const beside = `${cpusetDirectory(container.pid).replace(container.id, "stowaway")}`;
  Deno.mkdirSync(beside);
  for (const file of ["cpuset.cpus", "cpuset.mems"]) {
    Deno.copyFileSync(`${cpusetDirectory(container.pid)}/${file}`, `${beside}/${file}`);
  }
  Deno.writeTextFileSync(`${beside}/cgroup.procs`, `${container.pid}`);
  await assert.rejects(running(node), /stowaway/);
});
