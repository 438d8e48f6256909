/** A node planned on as its agent describes it: what the agent itself would do next is the measure. */
import assert from "node:assert/strict";
import { viewOf } from "../../../src/agent/view.ts";
import { readManifests } from "../../../src/manifests/manifest.ts";
import { nodeFromStatus } from "../../../src/plan/from_status.ts";
import { type PlannedNode, planPod } from "../../../src/plan/plan_pods.ts";
import { type StatusDocument, statusSchema } from "../../../src/status/document.ts";
import { statusDocument } from "../../../src/status/status_document.ts";
import { DEFAULT_SETTINGS } from "../../kit/policy.ts";
import { Player } from "../../scenarios/play.ts";
import { parseScript } from "../../scenarios/script.ts";

const BUSY = `# A busy node.
machine cores=8 threads=2
configure systemReserved: 0,8

run db cpus=4
run web
run avoiding forbid=7
run pin cores-ids=6,14
run fixed cpus=2 movable=false
run app/main cpus=2
run app/side cpus=0.5
stop app/main
----
`;

/** An agent after the events of a script, and its status as a program reads it. */
function played(text: string): { player: Player; status: StatusDocument } {
  const script = parseScript(text, "node");
  const player = new Player(script);
  for (const { events } of script.blocks) for (const { event } of events) player.event(event);
  return { player, status: statusOf(player) };
}

function statusOf({ link }: Player): StatusDocument {
  const { state } = link.agent;
  const around = { version: "1", mode: "external", pid: 1, startedAt: "", timeOf: () => "" } as const;
  const document = statusDocument(viewOf(state), { ...around, topology: state.ledger.topology });
  return statusSchema.parse(JSON.parse(JSON.stringify(document)));
}

function nodeOf({ player, status }: ReturnType<typeof played>, changed: Partial<StatusDocument> = {}) {
  const { topology } = player.link.agent.state.ledger;
  return nodeFromStatus({ ...status, ...changed }, topology, DEFAULT_SETTINGS.policy, DEFAULT_SETTINGS.rules);
}

const NEXT = `
kind: Pod
metadata: {name: next, annotations: {}}
spec: {containers: [{name: c, resources: {limits: {cpu: 3, memory: 1Gi}}}]}`;

Deno.test("what runs there keeps its CPUs, and the next pod gets those that the agent gives it", () => {
  const scene = played(BUSY);
  const node = nodeOf(scene);
  assert(typeof node !== "string", `${node}`);
  assert.deepEqual(scene.status.held?.map(({ pod, container }) => [pod, container]), [["app", "main"]]);
  const { ledger } = scene.player.link.agent.state;
  for (const pool of ["exclusive", "pinned", "sharedPool"] as const) {
    assert.equal(`${node.ledger[pool]}`, `${ledger[pool]}`, pool);
  }
  assert.equal(`${node.ledger.policy.systemReserved}`, "0,8");
  const [spec] = readManifests(NEXT);
  assert(spec !== undefined);
  const [planned] = planPod(node, spec).containers;
  scene.player.event({ verb: "run", subject: "next", words: new Map([["cpus", "3"]]) });
  const got = statusOf(scene.player).containers.find(({ pod }) => pod === "next");
  assert(planned?.outcome === "placed");
  assert.equal(`${planned.cpus}`, got?.cpus);
});

/** What becomes of a container that is pinned to these CPUs. */
function pinnedOn(node: PlannedNode, cpus = "") {
  const [spec] = readManifests(`
kind: Pod
metadata: {name: p, annotations: {weka.io/cores-ids: "${cpus}"}}
spec: {containers: [{name: c}]}`);
  assert(spec !== undefined);
  return planPod(node, spec).containers[0];
}

Deno.test("who would be moved on the agent's node is moved in the plan, and who mustn't be is in the way", () => {
  // The agent looks at its threads when it is in the way of the first pinned one.
  const dpdk = `# It pins its own threads.
machine cores=8 threads=2

run dpdk cpus=2
threads dpdk pinned=9
run pin cores-ids=1
----
`;
  const cases: readonly [script: string, pod: string, moves: boolean][] = [
    [BUSY, "db", true],
    [BUSY, "fixed", false],
    [dpdk, "dpdk", false],
  ];
  for (const [script, pod, moves] of cases) {
    const scene = played(script);
    const node = nodeOf(scene);
    assert(typeof node !== "string");
    const planned = pinnedOn(node, scene.status.containers.find((each) => each.pod === pod)?.grant);
    assert(planned !== undefined && planned.outcome !== "unmanaged");
    if (planned.outcome === "placed") {
      assert.deepEqual(planned.moved.map(({ name }) => name), [`ns/${pod}/c`]);
    } else assert.match(planned.why, /may not be moved/);
    assert.equal(planned.outcome === "placed", moves, pod);
  }
});

Deno.test("another machine's agent, and one that doesn't say what is claimed, are said in a sentence", () => {
  const scene = played(BUSY);
  const { node, containers: [first] } = scene.status;
  assert(first !== undefined);
  assert.match(
    `${nodeOf(scene, { node: { ...node, online: "0-3" } })}`,
    /has the CPUs 0-3, and this machine 0-15;/,
  );
  const { request, ...older } = first;
  assert.equal(request?.count, 4);
  const broken: ContainerParts[] = [
    older,
    { ...first, request: { ...request, forbidden: "many" } },
    { ...first, request: { placement: "packed" } },
    { ...first, kind: "pinned", request: { cpus: "" } },
    { ...first, grant: "x" },
  ];
  for (const container of broken) {
    assert.match(`${nodeOf(scene, { containers: [container] })}`, /doesn't say what its containers claim/);
  }
  assert.match(`${nodeOf(scene, { node: { ...node, reserved: "x" } })}`, /doesn't say/);
});

type ContainerParts = StatusDocument["containers"][number];
