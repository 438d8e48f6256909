import assert from "node:assert/strict";
import { countTests } from "../../../../hack/count_tests.ts";
import { readEvents, resultsOf } from "../../../e2e/harness/events.ts";
import { closingLines, isClean, isWhole, reportFiles } from "../../../e2e/harness/report.ts";

const at = (second: number) => `"at":"2026-01-01T00:00:${`${second}`.padStart(2, "0")}.000Z"`;
const SAMPLED =
  '{"samples":9,"longestMs":60,"containers":3,"unplaced":1,"overlapping":2,"onPinned":0,"shown":["seen"]}';
const FAILED = '{"kind":"failed","error":"differs <","expected":"0-1","seen":"0","stack":"at x"}';
const LINES = [
  `{${at(0)},"kind":"run","words":"-v","node":"one","tests":3}`,
  `{${at(0)},"kind":"skip","test":"S / small","why":"too small"}`,
  `{${at(1)},"kind":"begin","test":"S / good","worker":0}`,
  `{${at(1)},"kind":"node","what":"taken","node":"one","test":"S / bad","worker":1}`,
  `{${at(1)},"kind":"begin","test":"S / bad","worker":1}`,
  `{${at(2)},"kind":"step","test":"S / bad","line":"create p"}`,
  `{${at(3)},"kind":"end","test":"S / good","outcome":{"kind":"passed"}}`,
  `{${at(5)},"kind":"end","test":"S / bad","outcome":${FAILED}}`,
  `{${at(5)},"kind":"sampled","gap":false,"sampled":${SAMPLED}}`,
  `{${at(6)},"kind":"done"}`,
];

Deno.test("a report has a summary, an index, a folder for each failure, JUnit and JSON", () => {
  const events = readEvents(LINES.join("\n"));
  const files = reportFiles(events);
  assert.deepEqual(countTests(files.get("junit.xml") ?? ""), { passed: 1, failed: 2, skipped: 1 });
  assert.match(files.get("junit.xml") ?? "", /message="differs &lt;"/);
  assert.match(files.get("junit.xml") ?? "", /classname="Sampler" name="while the agent is there"/);
  assert.match(files.get("execution-summary.md") ?? "", /- seen\n/);
  assert.match(files.get("test-failures-index.md") ?? "", /\[S \/ bad\]\(failures\/s-bad\/summary.md\)/);
  assert.match(files.get("failures/s-bad/summary.md") ?? "", /\| 0-1 \| 0 \|/);
  assert.match(files.get("failures/s-bad/test-debug-output.txt") ?? "", /create p/);
  assert.match(files.get("logs/node-acquisitions.txt") ?? "", /Z w1 one taken: S \/ bad\n/);
  assert.equal(JSON.parse(files.get("results.json") ?? "").results.length, 3);
  assert.deepEqual(closingLines(events), [
    "1 passed, 1 failed, 1 skipped",
    "while the agent is there: 9 samples of 3 containers, at most 60 ms apart; 2 ever overlapping, 0 ever on pinned CPUs, 1 ever unplaced",
  ]);
});

Deno.test("what ran when the harness died has failed, also where the last line is cut", () => {
  const events = readEvents(`${LINES.slice(0, 6).join("\n")}\n${LINES[6]?.slice(0, 20)}`);
  assert(!isWhole(events));
  const failed = resultsOf(events).filter(({ outcome }) => outcome.kind === "failed");
  assert.deepEqual(failed.map(({ test }) => test), ["S / good", "S / bad"]);
  assert.match(reportFiles(events).get("failures/s-bad/summary.md") ?? "", /the harness died/);
  assert.equal(closingLines(events).at(-1), "the harness died before its end");
});

Deno.test("what a sampler may see, with the agent and without", () => {
  const sampled = {
    samples: 1,
    longestMs: 1,
    containers: 1,
    unplaced: 0,
    overlapping: 0,
    onPinned: 0,
    shown: [],
  };
  assert(isClean({ sampled, gap: false }));
  for (const seen of ["unplaced", "onPinned", "overlapping"]) {
    assert(!isClean({ sampled: { ...sampled, [seen]: 1 }, gap: false }));
    assert.equal(isClean({ sampled: { ...sampled, [seen]: 1 }, gap: true }), seen !== "overlapping");
  }
});
