/** What a simulation has played, for people. */
import { KINDS } from "./coverage.ts";
import type { SimEvent } from "./events.ts";
import type { Failure, Result } from "./simulate.ts";

const COLUMNS = 4;

export function printCoverage(result: Result, seconds: number, pairs: number): void {
  const { events, nodes, coverage, machines, excuses, seen } = result;
  const rate = Math.round(seen.played / Math.max(seconds, 0.001));
  console.log(
    `${events} events, and ${seen.played - events} of going quiet, on ${nodes} nodes in ${
      seconds.toFixed(1)
    } s: ` +
      `${rate} events per second`,
  );
  console.log(
    `${seen.calls} answers with ${seen.updates} updates, ${seen.refused} refusals, ` +
      `${seen.quiets} times quiet with ${seen.settled} containers running`,
  );
  console.log(`machines: ${counts(machines)}`);
  console.log(`what the agent couldn't know: ${counts(excuses)}`);
  const { missing } = coverage;
  console.log(`\nevents by kind${missing.length > 0 ? `, never played: ${missing.join(", ")}` : ""}`);
  table(KINDS.map((kind) => [kind, coverage.kinds.get(kind) ?? 0]));
  const possible = KINDS.length ** 2;
  console.log(`\npairs, one after the other: ${coverage.pairs.size} of ${possible}; rarest and commonest`);
  extremes(coverage.pairs, pairs);
  console.log(`\npairs of one container: ${coverage.containerPairs.size}; rarest and commonest`);
  extremes(coverage.containerPairs, pairs);
}

function extremes(all: ReadonlyMap<string, number>, count: number): void {
  const sorted = [...all].sort((a, b) => a[1] - b[1]);
  const half = Math.ceil(count / 2);
  table(sorted.length <= count ? sorted : [...sorted.slice(0, half), ...sorted.slice(-half)]);
}

function table(rows: readonly (readonly [string, number])[]): void {
  const width = Math.max(0, ...rows.map(([name]) => name.length));
  for (let at = 0; at < rows.length; at += COLUMNS) {
    const cells = rows.slice(at, at + COLUMNS).map(([name, count]) =>
      `${name.padEnd(width)} ${String(count).padStart(8)}`
    );
    console.log(`  ${cells.join("   ")}`);
  }
}

function counts(of: ReadonlyMap<string, number>): string {
  return [...of].sort((a, b) => b[1] - a[1]).map(([name, count]) => `${name} ${count}`).join(", ") ||
    "nothing";
}

/** The scenario, the events and what broke, a line each. */
export function printPlay({ scenario, events, problem }: Failure): string[] {
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
