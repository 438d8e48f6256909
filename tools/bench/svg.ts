// Line charts with logarithmic axes, as SVG: the same figures give the same bytes. Colours follow the reader's scheme.

/** A line; `low` and `high` are the ends of the bar through a point. */
export interface Series {
  readonly name: string;
  readonly points: readonly { readonly x: number; readonly y: number; readonly high: number }[];
  /** 1 to 4, for the colour. */
  readonly colour: number;
  readonly isDashed: boolean;
}

/** One pair of axes; all panels of a chart have the same ones. */
export interface Panel {
  readonly title: string;
  readonly series: readonly Series[];
}

export interface Chart {
  readonly title: string;
  readonly note: string;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly panels: readonly Panel[];
}

const PANEL = { width: 340, height: 230, left: 58, top: 92, gap: 24 };
const ROW = 17;

const STYLE = `
text { font: 12px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600; font-size: 14px } .note, .tick { fill: #59636e; font-size: 11px }
.grid { stroke: #d1d9e0; stroke-width: 1 } path, .bar { fill: none; stroke-width: 2 } .bar { stroke-width: 1; opacity: .6 }
.dashed { stroke-dasharray: 5 4 }
.c1 { stroke: #0969da } .c2 { stroke: #bc4c00 } .c3 { stroke: #1a7f37 } .c4 { stroke: #8250df }
circle.c1 { fill: #0969da } circle.c2 { fill: #bc4c00 } circle.c3 { fill: #1a7f37 } circle.c4 { fill: #8250df }
.back { fill: #ffffff }
@media (prefers-color-scheme: dark) {
text { fill: #f0f6fc } .note, .tick { fill: #9198a1 } .grid { stroke: #3d444d } .back { fill: #0d1117 }
.c1 { stroke: #4493f8 } .c2 { stroke: #db6d28 } .c3 { stroke: #3fb950 } .c4 { stroke: #ab7df8 }
circle.c1 { fill: #4493f8 } circle.c2 { fill: #db6d28 } circle.c3 { fill: #3fb950 } circle.c4 { fill: #ab7df8 }
}`;

/** A scale from values to pixels. */
type Scale = (value: number) => number;

/** @throws {Error} if there is no point, or one that a logarithmic axis doesn't have */
export function svg(chart: Chart): string {
  const points = chart.panels.flatMap(({ series }) => series.flatMap(({ points }) => points));
  const values = points.flatMap(({ x, y, high }) => [x, y, high]);
  if (values.length === 0 || values.some((value) => !(value > 0))) {
    throw new Error(`${chart.title}: every value of a logarithmic chart has to be above 0`);
  }
  const xs = [...new Set(points.map(({ x }) => x))].sort((a, b) => a - b);
  const decades = decadesAround(points.flatMap(({ y, high }) => [y, high]));
  const legend = chart.panels[0]?.series ?? [];
  const rows = Math.ceil(legend.length / 2);
  const top = PANEL.top + rows * ROW - 24;
  const width = PANEL.left + chart.panels.length * (PANEL.width + PANEL.gap);
  const height = top + PANEL.height + 50;
  const y = log(decades[0] ?? 1, decades.at(-1) ?? 1, top + PANEL.height, top);
  const panels = chart.panels.map((panel, at) => {
    const left = PANEL.left + at * (PANEL.width + PANEL.gap);
    const x = log(xs[0] ?? 1, xs.at(-1) ?? 1, left + 12, left + PANEL.width - 12);
    const ticks = xs.map((value) => text(x(value), top + PANEL.height + 16, "tick middle", `${value}`));
    const labels = at > 0
      ? []
      : decades.map((value) => text(left - 6, y(value) + 4, "tick end", shown(value)));
    return [
      text(left, top - 8, "", panel.title),
      ...decades.map((value) => line("grid", left, y(value), left + PANEL.width, y(value))),
      ...ticks,
      ...labels,
      ...panel.series.map((series) => drawn(series, x, y)),
      text(left + PANEL.width / 2, top + PANEL.height + 36, "note middle", chart.xLabel),
    ].join("\n");
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">`,
    `<title>${escaped(chart.title)}</title>`,
    `<style>${STYLE}\n.middle { text-anchor: middle } .end { text-anchor: end }\n</style>`,
    `<rect class="back" width="${width}" height="${height}"/>`,
    text(12, 22, "title", chart.title),
    text(12, 40, "note", `${chart.yLabel}; ${chart.note}`),
    ...legend.map((series, at) => entry(series, 12 + (at % 2) * 250, 58 + Math.floor(at / 2) * ROW)),
    ...panels,
    "</svg>\n",
  ].join("\n");
}

function drawn({ points, colour, isDashed }: Series, x: Scale, y: Scale): string {
  const path = points.map((point, at) => `${at === 0 ? "M" : "L"}${px(x(point.x))} ${px(y(point.y))}`).join(
    "",
  );
  return [
    ...points.map((point) => line(`bar c${colour}`, x(point.x), y(point.y), x(point.x), y(point.high))),
    `<path class="c${colour}${isDashed ? " dashed" : ""}" d="${path}"/>`,
    ...points.map((point) =>
      `<circle class="c${colour}" cx="${px(x(point.x))}" cy="${px(y(point.y))}" r="2.5"/>`
    ),
  ].join("\n");
}

function entry({ name, colour, isDashed }: Series, x: number, y: number): string {
  return `<path class="c${colour}${isDashed ? " dashed" : ""}" d="M${x} ${y}h28"/>${
    text(x + 36, y + 4, "", name)
  }`;
}

function log(from: number, to: number, low: number, high: number): Scale {
  const span = Math.log(to) - Math.log(from) || 1;
  return (value) => low + (Math.log(value) - Math.log(from)) / span * (high - low);
}

/** Powers of ten, from the last one below all values to the first one above. */
function decadesAround(values: readonly number[]): number[] {
  const first = Math.floor(Math.log10(Math.min(...values)));
  const last = Math.max(first + 1, Math.ceil(Math.log10(Math.max(...values))));
  return Array.from({ length: last - first + 1 }, (_, at) => 10 ** (first + at));
}

function shown(value: number): string {
  return value >= 1 ? `${value}` : value.toFixed(Math.round(-Math.log10(value)));
}

function text(x: number, y: number, kind: string, content: string): string {
  return `<text class="${kind}" x="${px(x)}" y="${px(y)}">${escaped(content)}</text>`;
}

function line(kind: string, x1: number, y1: number, x2: number, y2: number): string {
  return `<line class="${kind}" x1="${px(x1)}" y1="${px(y1)}" x2="${px(x2)}" y2="${px(y2)}"/>`;
}

/** A tenth of a pixel is enough. */
function px(value: number): string {
  return `${Math.round(value * 10) / 10}`;
}

function escaped(content: string): string {
  return content.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
