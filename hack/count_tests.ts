/**
 * Adds up JUnit reports and prints the plain closing line, `N passed, N failed` and `, N skipped` where any was.
 * Ends with status 1 when a test failed, when none ran, or when a report is missing: then its run broke off.
 *
 *     count_tests.ts REPORT…
 */

/** How many test cases ended how. */
export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** The test cases of one report, counted one by one. Expects well-formed XML, in which text has no bare `<`. */
export function countTests(report: string): Counts {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const [, inside = ""] of report.matchAll(/<testcase\b[^>]*?(?:\/>|>(.*?)<\/testcase>)/gs)) {
    if (/<(failure|error)\b/.test(inside)) counts.failed++;
    else if (/<skipped\b/.test(inside)) counts.skipped++;
    else counts.passed++;
  }
  return counts;
}

/** The counts of all reports together. */
export function sum(all: readonly Counts[]): Counts {
  return all.reduce(
    (a, b) => ({ passed: a.passed + b.passed, failed: a.failed + b.failed, skipped: a.skipped + b.skipped }),
    { passed: 0, failed: 0, skipped: 0 },
  );
}

/** The closing line. */
export function closingLine({ passed, failed, skipped }: Counts): string {
  return `${passed} passed, ${failed} failed` + (skipped > 0 ? `, ${skipped} skipped` : "");
}

function main(reports: readonly string[]): number {
  const counts: Counts[] = [];
  let missing = 0;
  for (const report of reports) {
    try {
      counts.push(countTests(Deno.readTextFileSync(report)));
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      missing++;
      console.error(`${report} isn't there: the run that should have written it broke off`);
    }
  }
  const total = sum(counts);
  console.log(closingLine(total));
  return missing > 0 || total.failed > 0 || total.passed === 0 ? 1 : 0;
}

if (import.meta.main) Deno.exit(main(Deno.args));
