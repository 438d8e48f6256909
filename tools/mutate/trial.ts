/** Changed files on trial: whether a test fails. */
import { join } from "node:path";
import type { Copy, TestRun } from "./copy.ts";
import { type Suite, suiteOf, testsFor } from "./suite.ts";

/** What became of one change. */
export interface Outcome {
  /** `invalid`: the compiler finds it. */
  readonly status: "killed" | "survived" | "invalid";
  /** The test that found it. */
  readonly by: string;
  readonly seconds: number;
}

/** The tests, and how long each file of them takes. */
export interface Baseline {
  readonly suite: Suite;
  readonly seconds: ReadonlyMap<string, number>;
}

/** What tests may take, whatever they took unchanged. */
const SLACK_SECONDS = 20;
/** How many times as long as unchanged they may take: others use the machine too. */
const MAX_SLOWDOWN = 8;

/** Runs the tests on an unchanged copy: their times, or a sentence about what fails. */
export async function measureBaseline(copy: Copy): Promise<Baseline | string> {
  const suite = suiteOf(copy.path);
  const report = join(copy.path, "unchanged.xml");
  const run = await copy.test(suite.files, 1200, report);
  if (run.outcome !== "passed") {
    return `the tests don't pass without any change (${run.by}): no change can be tried`;
  }
  return { suite, seconds: secondsOf(await Deno.readTextFile(report)) };
}

/** Test file to seconds, from JUnit's form. */
export function secondsOf(report: string): Map<string, number> {
  const seconds = new Map<string, number>();
  for (const [, file = "", time = ""] of report.matchAll(/classname="\.\/([^"]+)" time="([\d.]+)"/g)) {
    seconds.set(file, (seconds.get(file) ?? 0) + Number(time));
  }
  return seconds;
}

/** Runs the tests that a change of `file` may concern, the nearest ones first, and restores the file. */
export async function tryChange(
  baseline: Baseline,
  copy: Copy,
  file: string,
  text: string,
): Promise<Outcome> {
  const start = performance.now();
  const spent = () => (performance.now() - start) / 1000;
  const original = await copy.read(file);
  await copy.write(file, text);
  try {
    for (const tests of testsFor(baseline.suite, file, baseline.seconds)) {
      const run: TestRun = await copy.test(tests, limitOf(baseline, tests));
      if (run.outcome !== "passed") return { status: "killed", by: run.by, seconds: spent() };
    }
    const status = await copy.compiles(file) ? "survived" : "invalid";
    return { status, by: "", seconds: spent() };
  } finally {
    await copy.write(file, original);
  }
}

function limitOf({ seconds }: Baseline, tests: readonly string[]): number {
  return SLACK_SECONDS + MAX_SLOWDOWN * tests.reduce((sum, test) => sum + (seconds.get(test) ?? 0), 0);
}

/** Does `work` for each item, one after the other on each copy. */
export async function onCopies<T>(
  copies: readonly Copy[],
  items: readonly T[],
  work: (item: T, copy: Copy) => Promise<void>,
): Promise<void> {
  const queue = items.values();
  await Promise.all(copies.map(async (copy) => {
    for (const item of queue) await work(item, copy);
  }));
}
