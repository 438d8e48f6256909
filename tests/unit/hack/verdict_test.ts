import assert from "node:assert/strict";
import { wrapped } from "../../../hack/demo/play.ts";
import { faults, type Placed, placed } from "../../../hack/demo/verdict.ts";
import { CpuSet } from "../../../src/cpu/cpu_set.ts";
import { readManifests } from "../../../src/manifests/manifest.ts";
import { NodeState } from "../../kit/runtime/node_state.ts";

function cpus(list: string): CpuSet {
  const set = CpuSet.parse(list);
  assert(set instanceof CpuSet);
  return set;
}

function pinned(name: string, asked: string, has = asked): Placed {
  return { name, promise: { kind: "pinned", cpus: cpus(asked) }, cpus: cpus(has) };
}

function exclusive(name: string, count: number, has: string): Placed {
  return { name, promise: { kind: "exclusive", count }, cpus: cpus(has) };
}

function shared(name: string, has: string, forbidden = ""): Placed {
  return { name, promise: { kind: "shared", forbidden: cpus(forbidden) }, cpus: cpus(has) };
}

const online = cpus("0-7");

Deno.test("a node on which every container has its CPUs has no fault", () => {
  const good = [
    pinned("a", "1-2"),
    pinned("b", "2-3"),
    exclusive("c", 2, "4-5"),
    shared("d", "0,6-7"),
    shared("e", "7", "0-6"),
  ];
  assert.deepEqual(faults(good, online), []);
  assert.deepEqual(faults([shared("a", "0-7")], online), []);
});

Deno.test("each fault is listed with container and CPUs", () => {
  const cases: [Placed[], string][] = [
    [[pinned("a", "1-2", "1")], "a claims CPUs 1-2 but runs on 1"],
    [[exclusive("a", 2, "3")], "a claims 2 CPUs but runs on 3"],
    [[exclusive("a", 1, "3"), pinned("b", "3")], "a and b overlap on CPUs 3"],
    [[pinned("a", "1"), shared("b", "0-7")], "b should run on the shared pool, CPUs 0,2-7, but runs on 0-7"],
    [[shared("a", "0-7", "3")], "a should run on the shared pool, CPUs 0-2,4-7, but runs on 0-7"],
    [[shared("a", "0-3")], "a should run on the shared pool, CPUs 0-7, but runs on 0-3"],
  ];
  for (const [containers, sentence] of cases) assert.deepEqual(faults(containers, online), [sentence]);
});

Deno.test("two exclusive containers that overlap are both listed", () => {
  assert.equal(faults([exclusive("a", 1, "3"), exclusive("b", 1, "3")], online).length, 2);
});

Deno.test("what a container was promised comes from its manifest", () => {
  const promise = (annotations: string, limits: string, requests = limits) => {
    const [spec] = readManifests(`
kind: Pod
metadata: { name: p, annotations: {${annotations}} }
spec: { containers: [{ name: main, resources: { limits: {${limits}}, requests: {${requests}} } }] }`);
    assert(spec?.containers[0]);
    const state = new NodeState({ cgroupDriver: "cgroupfs", cfsQuota: true });
    return placed(state.newContainer(state.newPod(spec), spec.containers[0]), online).promise;
  };
  const whole = "cpu: 2, memory: 1Gi";
  assert.deepEqual(promise("", whole), { kind: "exclusive", count: 2 });
  assert.deepEqual(promise(`weka.io/cores-ids: "1-2"`, whole), { kind: "pinned", cpus: cpus("1-2") });
  assert.equal(promise("", "cpu: 1500m, memory: 1Gi").kind, "shared");
  assert.equal(promise("", whole, "cpu: 1, memory: 1Gi").kind, "shared");
  assert.deepEqual(promise(`weka.io/forbid-core-ids: "0"`, ""), { kind: "shared", forbidden: cpus("0") });
});

Deno.test("a long message is broken between words, and a word that is too long stays whole", () => {
  assert.equal(wrapped("one two three", "  ", 9), "  one two\n  three\n");
  assert.equal(wrapped("tremendously long", "  ", 9), "  tremendously\n  long\n");
  assert.equal(wrapped("", "  ", 9), "  \n");
});
