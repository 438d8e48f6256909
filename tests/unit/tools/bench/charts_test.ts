import assert from "node:assert/strict";
import { charts, type Entry } from "../../../../tools/bench/charts.ts";
import { svg } from "../../../../tools/bench/svg.ts";

const REQUESTS: readonly Entry[] = ["64", "512"].flatMap((CPUs) =>
  ["10", "4000"].flatMap((live) =>
    ["kernel-first", "runtime"].map((program) => ({
      section: "Requests by kind",
      what: { CPUs, live, program, what: "create exclusive" },
      median: Number(live) / 10,
      p99: Number(live),
    }))
  )
);

Deno.test("a chart has a panel for each machine and a line for each program, and only what was measured", () => {
  const made = charts(REQUESTS);
  assert.deepEqual([...made.keys()], ["bench-containers"]);
  const panels = made.get("bench-containers")?.panels ?? [];
  assert.deepEqual(panels.map(({ title }) => title), ["64 CPUs", "512 CPUs"]);
  assert.deepEqual(panels[0]?.series.map(({ name }) => name), [
    "exclusive, kernel-first",
    "exclusive, runtime",
  ]);
  assert.deepEqual(panels[0]?.series[0]?.points, [{ x: 10, y: 1, high: 10 }, {
    x: 4000,
    y: 400,
    high: 4000,
  }]);
  assert.equal(charts([]).size, 0);
});

Deno.test("equal figures give equal bytes; ten times as much is as far away everywhere", () => {
  const [chart] = charts(REQUESTS).values();
  assert(chart !== undefined);
  const drawing = svg(chart);
  assert.equal(svg(structuredClone(chart)), drawing);
  const at = (value: string) =>
    Number(new RegExp(`class="tick end"[^>]* y="([\\d.]+)">${value}<`).exec(drawing)?.[1]);
  assert.equal(Math.round(at("1") - at("10")), Math.round(at("100") - at("1000")));
  assert(at("1") > at("10"));
});

Deno.test("text is escaped, and a value that a logarithmic axis lacks is an error", () => {
  const point = { x: 1, y: 1, high: 2 };
  const series = { name: "a<b & c", colour: 1, isDashed: false, points: [point] };
  const chart = {
    title: "t",
    note: "n",
    xLabel: "x",
    yLabel: "y",
    panels: [{ title: "p", series: [series] }],
  };
  assert.match(svg(chart), />a&lt;b &amp; c</);
  const zero = { ...series, points: [{ ...point, y: 0 }] };
  assert.throws(
    () => svg({ ...chart, panels: [{ title: "p", series: [zero] }] }),
    /t: every value .* above 0/,
  );
});
