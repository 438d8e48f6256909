import assert from "node:assert/strict";
import { explain } from "../../../src/agent/explain.ts";
import { withRefusal } from "../../../src/agent/refused.ts";
import { Link, subject } from "../../kit/link.ts";
import { bigNode } from "../../kit/sysfs.ts";

const TYPO = { annotations: { "weka.io/cores-ids": "1-" } };

Deno.test("of refused containers the latest 256 are known", () => {
  const link = Link.serving([], bigNode);
  for (let n = 0; n < 258; n++) link.refusal({ ...TYPO, name: `pod-${n}` });
  link.refusal({ ...TYPO, name: "pod-2" });
  const known = [...link.agent.state.refused.values()];
  assert.deepEqual(
    [known.length, known[0]?.container.pod, known.at(-1)?.container.pod, known.at(-1)?.times],
    [
      256,
      "pod-3",
      "pod-2",
      2,
    ],
  );
});

Deno.test("a refused container is forgotten with its pod, or once it is let start", () => {
  const link = Link.serving([], bigNode);
  const known = () => [...link.agent.state.refused.values()].map(({ container }) => container.pod);
  for (const name of ["a", "b"]) link.refusal({ ...TYPO, name });
  link.create({ name: "c" });
  assert.deepEqual(known(), ["a", "b"]);
  link.end({ name: "a" });
  link.create({ name: "b" }, { runs: false });
  // Its start may still be refused.
  assert.deepEqual(known(), ["b"]);
  link.start({ name: "b" });
  assert.deepEqual(known(), []);
});

Deno.test("what is served costs nothing: the same map is kept", () => {
  const { state } = Link.serving([], bigNode).agent;
  const call = { kind: "CreateContainer", ...subject({ name: "a" }) } as const;
  assert.equal(withRefusal(state.refused, call, undefined, state), state.refused);
});

Deno.test("of very many with one name some are explained, and the rest counted", () => {
  const link = Link.serving([], bigNode);
  for (let n = 0; n < 70; n++) link.create({ name: `web-${n}` });
  for (let n = 0; n < 10; n++) link.refusal({ name: `db-${n}`, cpus: 64 });
  const { explanations, more } = explain(link.agent.state, "c");
  assert.deepEqual([explanations.length, more], [64 + 8, 80 - 64 - 8]);
  // Those that were refused last.
  const last = explanations.at(-1);
  assert.equal(last?.kind === "refused" ? last.refused.container.pod : "", "db-9");
  assert.equal(explain(link.agent.state, "web-3").more, 0);
});

Deno.test("a start that is refused is explained by its own sentence, also for a shared container", () => {
  const { state } = Link.serving([], bigNode).agent;
  const call = { kind: "StartContainer", ...subject({ name: "web" }) } as const;
  const refused = withRefusal(state.refused, call, "cpuset: why", state);
  const { explanations: [explained] } = explain({ ...state, refused }, "web");
  assert(explained?.kind === "refused");
  assert.deepEqual([explained.refused.call, explained.refused.message, explained.inTheWay, explained.toGo], [
    "StartContainer",
    "cpuset: why",
    [],
    [],
  ]);
});
