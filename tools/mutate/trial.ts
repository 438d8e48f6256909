/** Changed files on trial: whether the tests find them out. */
import { join } from "node:path";
import type { Copy, Verdict } from "./copy.ts";
import { type Suite, suiteOf, testsFor } from "./suite.ts";

/** What became of one change. */
export interface Sentence {
  /** `invalid`: the compiler finds it. */
  readonly status: "killed" | "survived" | "invalid";
  /** The test that found it. */
  readonly by: string;
  readonly seconds: number;
}

/** The tests, and how long each file of them takes. */
export interface Court {
  readonly suite: Suite;
  readonly seconds: ReadonlyMap<string, number>;
}

/** Seconds that tests may take, whatever they took unchanged. */
const PATIENCE = 20;
/** How many times as long as unchanged they may take: others use the machine too. */
const SLOWER = 8;

/** Runs the tests on an unchanged copy: their times, or a sentence that says what fails. */
export async function openCourt(copy: Copy): Promise<Court | string> {
  const suite = suiteOf(copy.path);
  const report = join(copy.path, "unchanged.xml");
  const verdict = await copy.test(suite.files, 1200, report);
  if (verdict.outcome !== "passed") {
    return `the tests don't pass without any change (${verdict.by}): nothing can be said`;
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

/** Runs what a change of `file` may concern, the nearest tests first, and puts the file back. */
export async function judge(court: Court, copy: Copy, file: string, text: string): Promise<Sentence> {
  const start = performance.now();
  const spent = () => (performance.now() - start) / 1000;
  const original = await copy.read(file);
  await copy.write(file, text);
  try {
    for (const tests of testsFor(court.suite, file, court.seconds)) {
      const verdict: Verdict = await copy.test(tests, limitOf(court, tests));
      if (verdict.outcome !== "passed") return { status: "killed", by: verdict.by, seconds: spent() };
    }
    const status = await copy.compiles(file) ? "survived" : "invalid";
    return { status, by: "", seconds: spent() };
  } finally {
    await copy.write(file, original);
  }
}

function limitOf({ seconds }: Court, tests: readonly string[]): number {
  return PATIENCE + SLOWER * tests.reduce((sum, test) => sum + (seconds.get(test) ?? 0), 0);
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
