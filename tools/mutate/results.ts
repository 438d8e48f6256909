/** What is known of mutants from this and earlier runs, and its print. */
import { ACCEPTED, type Accepted } from "./accepted.ts";
import { type Anchor, keyOf, type Mutant } from "./mutants.ts";
import type { Outcome } from "./trial.ts";

/** One mutant that was tried. */
export interface Result extends Outcome, Anchor, Pick<Mutant, "line" | "before" | "after"> {}

/** Where the mutant is now, and what became of it, maybe in an earlier run. */
export function resultOf(mutant: Mutant, { status, by, seconds }: Outcome): Result {
  const { file, part, edit, line, before, after } = mutant;
  return { file, part, edit, line, before, after, status, by, seconds };
}

/** By the mutants' keys. */
export type Results = Map<string, Result>;

/** The results in a file; none where it isn't there. */
export function loadResults(file: string): Results {
  try {
    const list = JSON.parse(Deno.readTextFileSync(file)) as Result[];
    return new Map(list.map((result) => [keyOf(result), result]));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return new Map();
    throw error;
  }
}

export function saveResults(file: string, results: Results): void {
  Deno.mkdirSync(file.replace(/\/[^/]*$/, ""), { recursive: true });
  Deno.writeTextFileSync(file, JSON.stringify([...results.values()], undefined, 1) + "\n");
}

/** Whether it is known why no test can notice it. */
export function isAccepted(mutant: Anchor): boolean {
  return ACCEPTED.some((accepted) => accepts(accepted, mutant));
}

export function accepts({ file, part, edits }: Accepted, mutant: Anchor): boolean {
  return file === mutant.file && part === mutant.part && (edits === "all" || edits.includes(mutant.edit));
}

export interface Figures {
  readonly tried: number;
  readonly killed: number;
  readonly invalid: number;
  readonly accepted: number;
  /** Survivors that aren't explained. */
  readonly survivors: readonly Result[];
  readonly secondsEach: number;
}

export function figuresOf(results: readonly Result[]): Figures {
  const having = (status: Outcome["status"]) => results.filter((result) => result.status === status);
  const survived = having("survived");
  const survivors = survived.filter((result) => !isAccepted(result));
  const seconds = results.reduce((sum, result) => sum + result.seconds, 0);
  return {
    tried: results.length,
    killed: having("killed").length,
    invalid: having("invalid").length,
    accepted: survived.length - survivors.length,
    survivors,
    secondsEach: seconds / Math.max(1, results.length),
  };
}

/** A line for each file, and then the survivors. */
export function printed(results: readonly Result[]): string[] {
  const byFile = [...Map.groupBy(results, ({ file }) => file)].sort(([a], [b]) => a < b ? -1 : 1);
  const all = figuresOf(results);
  return [
    ...byFile.map(([file, part]) => `${file.padEnd(28)} ${figuresText(figuresOf(part))}`),
    `${"all".padEnd(28)} ${figuresText(all)}; ${all.secondsEach.toFixed(1)} s each`,
    ...all.survivors.toSorted(byPlace).flatMap((survivor) => ["", ...survivorText(survivor)]),
  ];
}

function byPlace(a: Result, b: Result): number {
  return a.file === b.file ? a.line - b.line : a.file < b.file ? -1 : 1;
}

function figuresText({ tried, killed, invalid, accepted, survivors }: Figures): string {
  return `${tried - invalid} tried, ${killed} killed, ${survivors.length} survived, ${accepted} explained`;
}

/** Its place, its anchor as accepted.ts names it, and the line before and after. */
export function survivorText({ file, line, part, edit, before, after }: Result): string[] {
  return [`survived: ${file}:${line}, ${part}: ${edit}`, `  - ${before}`, `  + ${after}`];
}
