import assert from "node:assert/strict";
import type { Facts } from "../../../../tools/bench/facts.ts";
import {
  type Report,
  reportJson,
  reportMarkdown,
  reportText,
  verdict,
} from "../../../../tools/bench/report.ts";
import { summarize } from "../../../../tools/bench/statistics.ts";

const FACTS: Facts = {
  date: "2026-01-02T03:04:05.000Z",
  commit: "abc",
  machine: { cpuModel: "Example 9000", cpus: 2, memoryGiB: 4, kernel: "6.1" },
  versions: { Deno: "2" },
  load: { before: 0.5, after: 1.25 },
};

const REPORT: Report = {
  facts: FACTS,
  sections: [
    {
      title: "Start",
      note: "From here to there.",
      dimensions: ["mode", "CPUs"],
      percentiles: false,
      figures: [
        { labels: ["external", "64"], unit: "ms", summary: summarize([90, 120, 130]), goal: 100 },
        { labels: ["external", "512"], unit: "ms", summary: summarize([140]) },
      ],
    },
  ],
};

Deno.test("a goal is met below it, and missed at it or above by the difference", () => {
  assert.equal(verdict({ summary: summarize([99.9]), goal: 100 }), "under 100: met");
  assert.equal(verdict({ summary: summarize([100]), goal: 100 }), "under 100: missed by 0.00");
  assert.equal(verdict({ summary: summarize([112.34]), goal: 100 }), "under 100: missed by 12.3");
  assert.equal(verdict({ summary: summarize([1]) }), "");
});

Deno.test("the terminal gets a table a section, and what the figures depend on", () => {
  assert.equal(
    reportText(REPORT),
    `Start
From here to there.

mode      CPUs  n  median   min  max  unit  goal for the median
external    64  3     120  90.0  130  ms    under 100: missed by 20.0
external   512  1     140   140  140  ms

2026-01-02T03:04:05.000Z, commit abc
Example 9000, 2 CPUs, 4 GiB, Linux 6.1
Deno 2
load average of the last minute: 0.5 before, 1.25 after, of which the benchmark is a part
`,
  );
});

Deno.test("percentiles are shown where there are enough measurements for them", () => {
  const sections = REPORT.sections.map((section) => ({ ...section, percentiles: true }));
  assert.match(reportText({ ...REPORT, sections }), /n +median +p95 +p99 +min +max/);
});

Deno.test("the Markdown has the same rows", () => {
  const text = reportMarkdown(REPORT);
  assert.match(text, /^# Benchmark of weka-cpuset\n\n- 2026-01-02/);
  assert.match(text, /\n## Start\n\nFrom here to there\.\n\n\| mode \| CPUs \|/);
  assert.match(
    text,
    /\n\| external \| 64 \| 3 \| 120 \| 90\.0 \| 130 \| ms \| under 100: missed by 20\.0 \|\n/,
  );
});

Deno.test("the JSON has every figure in full, by the names of what was measured", () => {
  const { figures, ...facts } = JSON.parse(reportJson(REPORT));
  assert.deepEqual(facts, FACTS);
  assert.deepEqual(figures, [
    {
      section: "Start",
      what: { mode: "external", CPUs: "64" },
      unit: "ms",
      ...summarize([90, 120, 130]),
      goal: 100,
      met: false,
    },
    { section: "Start", what: { mode: "external", CPUs: "512" }, unit: "ms", ...summarize([140]) },
  ]);
});
