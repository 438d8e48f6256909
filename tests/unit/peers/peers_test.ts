import assert from "node:assert/strict";
import { CpuSet } from "../../../src/cpu/cpu_set.ts";
import { known, unknown } from "../../../src/peers/cpu_manager.ts";
import { describePeers, type PeerFacts, peerLog, whyRefuse } from "../../../src/peers/peers.ts";
import { printable } from "../../../src/platform/printable.ts";

const SOURCE = "/var/lib/kubelet/cpu_manager_state";

function facts(more: Partial<PeerFacts>): PeerFacts {
  return { cpuManager: unknown("no kubelet"), plugins: [], ...more };
}

function holders(count: number): { name: string; cpus: CpuSet }[] {
  return Array.from({ length: count }, (_, i) => ({ name: `ns/p${i} container c`, cpus: CpuSet.of(i + 1) }));
}

Deno.test("a kubelet with policy none, or an unknown one, is no conflict and refuses nothing", () => {
  for (const cpuManager of [unknown("no kubelet"), known("none", SOURCE, [])]) {
    assert.deepEqual(describePeers(facts({ cpuManager })), []);
    assert.equal(whyRefuse(facts({ cpuManager })), undefined);
  }
});

const GIVEN: readonly [count: number, found: string][] = [
  [0, "no exclusive CPUs given yet"],
  [1, "CPUs 1 given to 1 container (ns/p0 container c)"],
  [3, "CPUs 1-3 given to 3 containers (ns/p0 container c, ns/p1 container c, ns/p2 container c)"],
  [9, "CPUs 1-9 given to 9 containers (ns/p0 container c, ns/p1 container c, ns/p2 container c, ...)"],
];

for (const [count, found] of GIVEN) {
  Deno.test(`the static CPU manager is a conflict, with ${count} containers of its own`, () => {
    const cpuManager = known("static", SOURCE, holders(count));
    const [peer, ...others] = describePeers(facts({ cpuManager }));
    assert.deepEqual(others, []);
    assert.equal(peer?.name, "kubelet's CPU manager (cpuManagerPolicy: static)");
    assert.equal(peer?.found, `${SOURCE}: policy static, ${found}`);
  });
}

Deno.test("a conflict is logged as an error, with what was found, why that is a problem and what to do", () => {
  const [peer] = describePeers(facts({ cpuManager: known("static", SOURCE, []) }));
  assert(peer !== undefined);
  const { level, message, fields } = peerLog(peer);
  assert.equal(level, "error");
  assert.equal(message, "conflicting CPU manager detected");
  assert.equal(fields?.["peer"], "kubelet's CPU manager (cpuManagerPolicy: static)");
  assert.equal(fields?.["found"], `${SOURCE}: policy static, no exclusive CPUs given yet`);
  assert.match(`${fields?.["problem"]}`, /a CPU may have two owners/);
  assert.match(
    `${fields?.["remedy"]}`,
    /drain the node, stop kubelet, set cpuManagerPolicy: none .*cpu_manager_state/,
  );
});

Deno.test("a refusal names the policy and both remedies", () => {
  assert.equal(
    whyRefuse(facts({ cpuManager: known("static", SOURCE, []) })),
    "kubelet's static CPU manager also assigns CPUs on this node, so a CPU could get two owners; " +
      "run kubelet with cpuManagerPolicy: none, or set onKubeletStatic: warn",
  );
});

Deno.test("plugins and unknown writers are conflicts too, and refuse nothing", () => {
  const seen = facts({ plugins: ["10-balloons", "90-cpuset"], rewritten: ["ns/a container c"] });
  const peers = describePeers(seen);
  assert.deepEqual(peers.map(({ kind, name }) => [kind, name]), [
    ["plugin", "the NRI plugin 10-balloons"],
    ["plugin", "the NRI plugin 90-cpuset"],
    ["unknown", "an unknown program"],
  ]);
  assert.equal(peers[2]?.found, "CPUs rewritten of 1 container (ns/a container c)");
  assert.equal(whyRefuse(seen), undefined);
  assert.deepEqual(describePeers(facts({ rewritten: [] })), []);
});

Deno.test("holders are read no further than they are kept, and those without CPUs are left out", () => {
  let read = 0;
  function* endless() {
    for (;;) yield { name: "n", cpus: CpuSet.of(++read % 8) };
  }
  const manager = known("static", SOURCE, endless());
  assert(manager.kind === "known");
  assert.deepEqual([manager.holders.length, read], [1000, 1000]);
  const without = known("static", SOURCE, [{ name: "n", cpus: CpuSet.empty }]);
  assert(without.kind === "known");
  assert.deepEqual(without.holders, []);
});

Deno.test("a text of another program is shortened, and all but printable ASCII escaped", () => {
  assert.equal(printable("a b~"), "a b~");
  assert.equal(
    printable("\u0007\u007f\u0085\u2029\u202eé😀"),
    "\\u0007\\u007f\\u0085\\u2029\\u202e\\u00e9\\ud83d\\ude00",
  );
  assert.equal(printable("x".repeat(120)), "x".repeat(120));
  assert.equal(printable("x".repeat(121)), `${"x".repeat(120)}...`);
});
