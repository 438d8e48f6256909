import assert from "node:assert/strict";
import { Topology } from "../../../src/cpu/topology.ts";
import { readManifests } from "../../../src/manifests/manifest.ts";
import { madeMachine } from "../../../src/plan/made_machine.ts";
import { capacityFor, emptyNode, type PlannedContainer, planPod } from "../../../src/plan/plan_pods.ts";
import { DEFAULT_SETTINGS } from "../../kit/policy.ts";

/** A pod of one container with so many CPUs to itself, and more of its spec as YAML in one line each. */
function pod(name: string, cpus: number, more: { annotations?: string; init?: string } = {}): string {
  const resources = (n: number) => `resources: {limits: {cpu: ${n}, memory: 1Gi}}`;
  return `
apiVersion: v1
kind: Pod
metadata: {name: ${name}, annotations: {${more.annotations ?? ""}}}
spec:
  initContainers: [${more.init === undefined ? "" : `{name: init, ${resources(Number(more.init))}}`}]
  containers: [{name: main, ${resources(cpus)}}]`;
}

/** What becomes of these pods on 8 cores with 2 threads each. */
function planned(...texts: string[]) {
  const machine = madeMachine("1s1n8c2t");
  assert(machine instanceof Topology);
  let node = emptyNode(machine, DEFAULT_SETTINGS.policy, DEFAULT_SETTINGS.rules);
  const containers: PlannedContainer[] = [];
  for (const spec of readManifests(texts.join("\n---\n"))) {
    const next = planPod(node, spec);
    containers.push(...next.containers);
    node = next.node;
  }
  return { node, containers };
}

function outcome(container: PlannedContainer | undefined): string {
  if (container?.outcome !== "placed") return container?.outcome ?? "none";
  return `${container.kind} ${container.cpus}`;
}

Deno.test("exclusive pods get whole cores, a pinned one what it names, and who is in its way moves", () => {
  const { containers: [db, pin, third] } = planned(
    pod("db", 4),
    pod("pin", 1, { annotations: 'weka.io/cores-ids: "1,9"' }),
    pod("db2", 2),
  );
  assert.equal(outcome(db), "exclusive 1-2,9-10");
  assert.equal(outcome(pin), "pinned 1,9");
  assert(pin?.outcome === "placed");
  assert.deepEqual(pin.moved.map(({ name, from, to }) => [name, `${from}`, `${to}`]), [
    ["default/db/main", "1-2,9-10", "2-3,10-11"],
  ]);
  assert.equal(outcome(third), "exclusive 4,12");
});

Deno.test("an ended init container's CPUs are free for the next container", () => {
  const { containers } = planned(pod("app", 12, { init: "12" }));
  assert.deepEqual(containers.map(({ outcome }) => outcome), ["placed", "placed"]);
});

Deno.test("what doesn't fit is refused with the figures, and leaves the node as it was", () => {
  const { node, containers: [, greedy] } = planned(pod("db", 4), pod("greedy", 14));
  assert(greedy?.outcome === "refused");
  assert.match(greedy.why, /needs 14 exclusive CPUs, 11 are free/);
  assert.equal(node.ledger.claimed.size, 4);
});

Deno.test("capacity: what fits besides, with all that it claims; any number where none claims CPUs", () => {
  const { node } = planned(pod("db", 4));
  const [four, half] = readManifests(`${pod("more", 4)}\n---\n${pod("web", 0.5)}`);
  assert(four !== undefined && half !== undefined);
  assert.equal(capacityFor(node, four), 2);
  assert.equal(capacityFor(node, half), undefined);
});
