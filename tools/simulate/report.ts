/** What a simulation has played and found, for people. */
import { aligned } from "../table.ts";
import type { CauseGroup } from "./causes.ts";
import { KINDS } from "./coverage.ts";
import type { SimEvent } from "./events.ts";
import type { Failure } from "./simulate.ts";
import { setupOf, type Tally, type Violation } from "./tally.ts";

const COLUMNS = 4;

/** What was played, and how often invariants broke in each mode. */
export function playedLines(tally: Tally, seconds: number): string[] {
  const { events, nodes, coverage: { missing }, machines, setups, exemptions, seen } = tally;
  const rate = Math.round(seen.played / Math.max(seconds, 0.001));
  return [
    `${events} events, and ${seen.played - events} of coming to rest, on ${nodes} nodes: ${rate} events/s`,
    `${seen.calls} answers with ${seen.updates} updates, ${seen.refused} refusals, ` +
    `${seen.rests} times at rest with ${seen.running} containers running`,
    `machines: ${counts(machines)}`,
    `setups: ${counts(setups)}`,
    `exempted: ${counts(exemptions)}`,
    ...(missing.length > 0 ? [`events that were never played: ${missing.join(", ")}`] : []),
    "",
    aligned(violationsByMode(tally)),
  ];
}

function violationsByMode({ modes, violations, events }: Tally) {
  const row = (name: string, played: number, found: number) => [
    ...[name, `${played}`, `${found}`, (found / Math.max(played, 1) * 1e6).toFixed(1)],
  ];
  const of = (mode: string) => violations.filter(({ scenario }) => scenario.mode === mode).length;
  return {
    head: ["mode", "events", "violations", "per million"],
    rows: [
      ...[...modes].sort().map(([mode, played]) => row(mode, played, of(mode))),
      row("all", events, violations.length),
    ],
  };
}

/** Kinds of events, and how often one came after another; `pairs` of the rarest and commonest. */
export function coverageLines({ coverage }: Tally, pairs: number): string[] {
  return [
    "events by kind",
    ...columns(KINDS.map((kind) => [kind, coverage.kinds.get(kind) ?? 0])),
    `pairs, one after the other: ${coverage.pairs.size} of ${KINDS.length ** 2}; rarest and commonest`,
    ...columns(extremes(coverage.pairs, pairs)),
    `pairs of one container: ${coverage.containerPairs.size}; rarest and commonest`,
    ...columns(extremes(coverage.containerPairs, pairs)),
  ];
}

type Counts = readonly (readonly [string, number])[];

function extremes(all: ReadonlyMap<string, number>, count: number): Counts {
  const sorted = [...all].sort((a, b) => a[1] - b[1]);
  const half = Math.ceil(count / 2);
  return sorted.length <= count ? sorted : [...sorted.slice(0, half), ...sorted.slice(-half)];
}

function columns(rows: Counts): string[] {
  const width = Math.max(0, ...rows.map(([name]) => name.length));
  const cells = rows.map(([name, count]) => `${name.padEnd(width)} ${String(count).padStart(8)}`);
  const lines = Math.ceil(cells.length / COLUMNS);
  return Array.from(
    { length: lines },
    (_, at) => `  ${cells.slice(at * COLUMNS, (at + 1) * COLUMNS).join("   ")}`,
  );
}

function counts(of: ReadonlyMap<string, number>): string {
  return [...of].sort((a, b) => b[1] - a[1]).map(([name, count]) => `${name} ${count}`).join(", ") || "none";
}

/** A cause, and for each of its violations the command that replays it. */
export function causeLines(
  { cause, violations }: CauseGroup,
  command: (violation: Violation) => string,
): string[] {
  return [
    `${violations.length} × ${cause}`,
    ...violations.map((each) => `    ${setupOf(each.scenario)}, event ${each.at + 1}: ${command(each)}`),
  ];
}

/** The last line of a run. */
export function summaryLine({ events, violations, nodes }: Tally, causes: number, seconds: number): string {
  return `simulate: ${events} events, ${violations.length} violations (${causes} causes), ${nodes} seeds, ` +
    `${seconds.toFixed(1)} s`;
}

/** The scenario, the events and what broke, a line each. */
export function playLines({ scenario, events, problem }: Failure): string[] {
  const { seed, ...rest } = scenario;
  const settings = Object.entries(rest).map(([key, value]) => `${key}=${value === "" ? "none" : value}`).join(
    " ",
  );
  return [`seed ${seed}: ${settings}`, ...events.map(line), `broken: ${problem}`];
}

function line(event: SimEvent, at: number): string {
  const { kind, ...rest } = event;
  const words = Object.entries(rest).map(([key, value]) =>
    `${key}=${typeof value === "object" ? JSON.stringify(value) : value}`
  );
  return `${String(at + 1).padStart(4)}  ${[kind, ...words].join(" ")}`;
}
