/**
 * The charts in docs/images, from what the benchmark has left in dist/bench.json. Run by `make bench-charts`; look at each
 * before it is committed.
 */
import { EXIT, run } from "../command_line.ts";
import { type Chart, type Series, svg } from "./svg.ts";

const ROOT = new URL("../..", import.meta.url).pathname;

/** As in the report's JSON: what was measured, by the names of the section's dimensions. */
export interface Entry {
  readonly section: string;
  readonly what: Readonly<Record<string, string>>;
  readonly median: number;
  readonly p99: number;
}

const NOTE = "line: median, bar: up to the 99th percentile";
const LIVE = ["100", "4000"];

/** Names of files, and what they show. */
export function charts(figures: readonly Entry[]): ReadonlyMap<string, Chart> {
  const requests = figures.filter(({ section }) => section === "Requests by kind");
  const decided = figures.filter(({ section, what }) =>
    section === "Deciding" && LIVE.includes(what.live ?? "")
  );
  const all: [string, Chart, readonly Entry[]][] = [
    ["bench-containers", {
      title: "What a creation takes, by how many containers live on the node",
      note: NOTE,
      xLabel: "containers",
      yLabel: "ms until the runtime has the answer",
      panels: panelsBy("CPUs", "live", requests, REQUEST_LINES),
    }, requests],
    ["bench-cpus", {
      title: "What deciding a creation takes, by how many CPUs the machine has",
      note: NOTE,
      xLabel: "CPUs",
      yLabel: "µs, in process",
      panels: panelsBy("live", "CPUs", decided, DECISION_LINES),
    }, decided],
  ];
  return new Map(all.filter(([, , entries]) => entries.length > 0).map(([name, chart]) => [name, chart]));
}

/** A line: its name, and of which figures it is. */
interface Line extends Pick<Series, "name" | "colour" | "isDashed"> {
  readonly what: Readonly<Record<string, string>>;
}

const REQUEST_LINES: readonly Line[] = ["shared", "exclusive"].flatMap((kind, at) =>
  ["kernel-first", "runtime"].map((program, way): Line => ({
    name: `${kind}, ${program}`,
    colour: at + 1,
    isDashed: way === 1,
    what: { what: `create ${kind}`, program },
  }))
);

const DECISION_LINES: readonly Line[] = ["shared", "pinned to a shared CPU", "exclusive"].map((
  creation,
  at,
): Line => ({ name: creation, colour: at + 1, isDashed: false, what: { creation } }));

const UNITS: Readonly<Record<string, string>> = { CPUs: "CPUs", live: "containers" };

function panelsBy(panel: string, x: string, entries: readonly Entry[], lines: readonly Line[]) {
  const values = [...new Set(entries.map(({ what }) => what[panel] ?? ""))];
  return values.map((value) => ({
    title: `${value} ${UNITS[panel]}`,
    series: lines.map(({ what, ...line }): Series => ({
      ...line,
      points: entries.filter((entry) => entry.what[panel] === value && isOf(entry, what))
        .map(({ what, median, p99 }) => ({ x: Number(what[x]), y: median, high: p99 })),
    })).filter(({ points }) => points.length > 0),
  }));
}

function isOf(entry: Entry, what: Readonly<Record<string, string>>): boolean {
  return Object.entries(what).every(([name, value]) => entry.what[name] === value);
}

if (import.meta.main) {
  await run(async () => {
    const { figures } = JSON.parse(await Deno.readTextFile(`${ROOT}dist/bench.json`)) as { figures: Entry[] };
    const made = charts(figures);
    for (const [name, chart] of made) {
      await Deno.writeTextFile(`${ROOT}docs/images/${name}.svg`, svg(chart));
      console.log(`docs/images/${name}.svg`);
    }
    if (made.size > 0) return EXIT.clean;
    console.error(
      "dist/bench.json has no figures for a chart: run make bench, or make bench ONLY=events or ONLY=decide",
    );
    return EXIT.failed;
  });
}
