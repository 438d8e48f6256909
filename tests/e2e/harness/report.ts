/** The report of a run, as files; made of its events alone, so that it is made also when the harness has died. */
import { fileName } from "./capture.ts";
import type { Sampled } from "./sampler.ts";
import { type Result, resultsOf, type RunEvent } from "./events.ts";

/** How many of the slowest are named. */
const SLOWEST = 10;

/** Path below the report's folder to content. */
export function reportFiles(events: readonly RunEvent[]): Map<string, string> {
  const results = resultsOf(events);
  const files = new Map([
    ["execution-summary.md", executionSummary(events, results)],
    ["test-failures-index.md", failuresIndex(results)],
    [
      "results.json",
      `${JSON.stringify({ results: results.map(withoutLines), samples: samplesOf(events) }, null, 2)}\n`,
    ],
    ["junit.xml", junit([...results, ...samplerResults(events)])],
    ["logs/node-acquisitions.txt", acquisitions(events)],
  ]);
  for (const result of results) {
    const name = fileName(result.test);
    if (result.lines.length > 0) files.set(`test-debug/${name}.txt`, `${result.lines.join("\n")}\n`);
    if (result.outcome.kind !== "failed") continue;
    files.set(`failures/${name}/summary.md`, failureSummary(result));
    files.set(`failures/${name}/test-debug-output.txt`, `${result.lines.join("\n")}\n`);
  }
  return files;
}

/** Whether the harness came to its end. */
export function isWhole(events: readonly RunEvent[]): boolean {
  return events.some(({ kind }) => kind === "done");
}

/** `54 passed, 0 failed, 2 skipped`, and what the samplers have seen. */
export function closingLines(events: readonly RunEvent[]): string[] {
  const results = resultsOf(events);
  const count = (kind: string) => results.filter(({ outcome }) => outcome.kind === kind).length;
  const lines = [`${count("passed")} passed, ${count("failed")} failed, ${count("skipped")} skipped`];
  for (const { sampled, gap } of samplesOf(events)) {
    const { samples, longestMs, containers, unplaced, overlapping, onPinned } = sampled;
    lines.push(
      `${whenOf(gap)}: ${samples} samples of ${containers} containers, at most ${longestMs} ms apart; ` +
        `${overlapping} ever overlapping, ${onPinned} ever on pinned CPUs, ${unplaced} ever unplaced`,
    );
  }
  if (!isWhole(events)) lines.push("the harness died before its end");
  return lines;
}

/** While the agent is there nothing may be seen; while it isn't, nobody is on an exclusive CPU but who starts there. */
export function isClean({ sampled, gap }: { readonly sampled: Sampled; readonly gap: boolean }): boolean {
  return sampled.overlapping === 0 && (gap || (sampled.unplaced === 0 && sampled.onPinned === 0));
}

function whenOf(gap: boolean): string {
  return gap ? "while the agent is away at times" : "while the agent is there";
}

/** What a sampler has seen counts as a test. */
function samplerResults(events: readonly RunEvent[]): JUnitResult[] {
  return samplesOf(events).map(({ sampled, gap }) => ({
    test: `Sampler / ${whenOf(gap)}`,
    seconds: 0,
    outcome: isClean({ sampled, gap })
      ? { kind: "passed" }
      : { kind: "failed", error: "CPUs that they mustn't have", stack: sampled.shown.join("\n") },
  }));
}

function samplesOf(events: readonly RunEvent[]) {
  return events.filter((event) => event.kind === "sampled");
}

function withoutLines({ lines: _, ...result }: Result) {
  return result;
}

function executionSummary(events: readonly RunEvent[], results: readonly Result[]): string {
  const [run] = events.filter((event) => event.kind === "run");
  const seconds = (Date.parse(events.at(-1)?.at ?? "") - Date.parse(events.at(0)?.at ?? "")) / 1000;
  const slowest = [...results].sort((a, b) => b.seconds - a.seconds).slice(0, SLOWEST);
  const rows = results.map(({ test, outcome, seconds }) =>
    `| ${test} | ${outcome.kind} | ${seconds.toFixed(1)} |`
  );
  const shown = samplesOf(events).flatMap(({ sampled }) => sampled.shown).map((line) => `- ${line}`);
  return [
    "# Execution summary",
    "",
    `Begun ${events.at(0)?.at ?? "never"}, ${seconds.toFixed(0)} s, node ${run?.node ?? "?"}, options \`${
      run?.words ?? ""
    }\`.`,
    "",
    ...closingLines(events).map((line) => `- ${line}`),
    ...shown.length > 0 ? ["", "What the sampler saw first:", "", ...shown] : [],
    "",
    "| test | outcome | seconds |",
    "|---|---|---|",
    ...rows,
    "",
    "The slowest:",
    "",
    ...slowest.map(({ test, seconds }) => `- ${seconds.toFixed(1)} s: ${test}`),
    "",
  ].join("\n");
}

/** Who had which node, and which was set aside. */
function acquisitions(events: readonly RunEvent[]): string {
  return events.flatMap((event) =>
    event.kind === "node" ? [`${event.at} w${event.worker} ${event.node} ${event.what}: ${event.test}\n`] : []
  ).join("");
}

function failuresIndex(results: readonly Result[]): string {
  const failed = results.flatMap(({ test, outcome }) =>
    outcome.kind === "failed"
      ? [`- [${test}](failures/${fileName(test)}/summary.md): ${oneLine(outcome.error)}`]
      : []
  );
  return `# Failures\n\n${failed.length > 0 ? failed.join("\n") : "None."}\n`;
}

function failureSummary({ test, outcome, seconds, worker, lines }: Result): string {
  if (outcome.kind !== "failed") return "";
  const { error, expected, seen, stack } = outcome;
  const sets = expected === "" && seen === ""
    ? []
    : ["", "| expected | seen |", "|---|---|", `| ${expected} | ${seen} |`];
  return [
    `# ${test}`,
    "",
    `Failed after ${seconds.toFixed(1)} s on worker ${worker}: ${error}`,
    ...sets,
    "",
    "Its last steps:",
    "",
    "```",
    ...lines.slice(-20),
    "```",
    "",
    "- [pods, and the CPUs of each](pod-states.md)",
    "- [the node's CPU map, classes and nodes](cluster-snapshot.md)",
    "- [the agent's log](plugin-logs.txt), and its latest decisions in `plugin-logs/` above",
    "- [all steps](test-debug-output.txt)",
    "",
    "```",
    stack,
    "```",
    "",
  ].join("\n");
}

function oneLine(text: string): string {
  return text.split("\n")[0] ?? "";
}

type JUnitResult = Pick<Result, "test" | "seconds"> & {
  readonly outcome:
    | { readonly kind: "passed" }
    | { readonly kind: "skipped"; readonly why: string }
    | { readonly kind: "failed"; readonly error: string; readonly stack: string };
};

function junit(results: readonly JUnitResult[]): string {
  const cases = results.map(({ test, outcome, seconds }) => {
    const [suite = "", name = ""] = test.split(" / ");
    const head = `<testcase classname="${escape(suite)}" name="${escape(name)}" time="${seconds.toFixed(3)}"`;
    if (outcome.kind === "passed") return `    ${head}/>`;
    const inside = outcome.kind === "failed"
      ? `<failure message="${escape(outcome.error)}">${escape(outcome.stack)}</failure>`
      : `<skipped message="${escape(outcome.why)}"/>`;
    return `    ${head}>${inside}</testcase>`;
  });
  const count = (kind: string) => results.filter(({ outcome }) => outcome.kind === kind).length;
  const numbers = `tests="${results.length}" failures="${count("failed")}" skipped="${count("skipped")}"`;
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    "<testsuites>",
    `  <testsuite name="e2e" ${numbers}>`,
    ...cases,
    "  </testsuite>",
    "</testsuites>",
    "",
  ].join("\n");
}

const ENTITIES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

function escape(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replaceAll(/[&<>"]/g, (sign) => ENTITIES[sign] ?? "").replaceAll(/[\x00-\x08\x0b-\x1f]/g, " ");
}
