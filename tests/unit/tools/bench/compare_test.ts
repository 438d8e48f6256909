import assert from "node:assert/strict";
import { comparison } from "../../../../tools/bench/compare.ts";
import { type Report, reportJson, reportText } from "../../../../tools/bench/report.ts";

Deno.test("a comparison is of pairs, and has an interval only where there are some", () => {
  const { summary, interval } = comparison(["x"], [2, 2, 3, 4, 8], [1, 1, 1, 1, 1]);
  assert.deepEqual([summary.median, interval], [3, [2, 8]]);
  assert.equal(comparison(["x"], [2, 4], [1, 1]).interval, undefined);
});

Deno.test("the interval is in the table and in the JSON", () => {
  const section = { title: "T", note: "N", dimensions: ["what"], percentiles: false };
  const figures = [comparison(["x"], [2, 2, 3, 4, 8], [1, 1, 1, 1, 1]), comparison(["y"], [2], [1])];
  const report = { sections: [{ ...section, figures }], facts: { machine: {}, versions: {}, load: {} } };
  const text = reportText(report as unknown as Report);
  assert.match(text, /n +median +min +max +median, 95 % sure +unit/);
  assert.match(text, /^x +5 +3\.00 +2\.00 +8\.00 +2\.00 – 8\.00 +×$/m);
  assert.match(text, /^y +1 +2\.00 +2\.00 +2\.00 +×$/m);
  assert.deepEqual(JSON.parse(reportJson(report as unknown as Report)).figures[0].interval, [2, 8]);
});
