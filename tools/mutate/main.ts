/**
 * Breaks the code on purpose and runs the unit tests on it: first bugs that are kept in a list, then a sample of the
 * mutants of src/cpu and src/ledger. Works on copies; how to read what it prints is in docs/mutation.md.
 *
 *     deno run -A tools/mutate/main.ts [--planted] [--sample N] [--all] [--file src/ledger/plan.ts] [--jobs 2]
 *
 * May be stopped at any time: what was tried is in .test-reports/mutation.json, and isn't tried again as long as its
 * lines are the same. Status: 1 when a planted bug isn't found, 2 when the tests fail without any change.
 */
import { countingNumber, engine, EXIT, wholeNumber } from "../command_line.ts";
import { applied } from "./anchors.ts";
import { Copy } from "./copy.ts";
import { edited, keyOf, type Mutant, mutantsOf, sample } from "./mutants.ts";
import { PLANTED, type Planted } from "./planted.ts";
import { loadResults, printed, resultOf, type Results, saveResults, survivorText } from "./results.ts";
import { type Baseline, measureBaseline, onCopies, tryChange } from "./trial.ts";
import { closeCompiler, validOf } from "./valid.ts";

const ROOT = new URL("../..", import.meta.url).pathname;
const REPORT = `${ROOT}.test-reports/mutation.json`;
const MUTATED = ["src/cpu", "src/ledger"];

const options = engine("mutate", "breaks the code on purpose and runs the unit tests on it")
  .option("--planted", "only the planted bugs")
  .option("--mutants", "only the mutants")
  .option("--file <path>", "only mutants and planted bugs of this file or folder", "src")
  .option("--sample <number>", "mutants to draw, spread over the files", wholeNumber, 100)
  .option("--all", "all mutants, which takes two hours")
  .option("--seed <number>", "seed of the drawing", wholeNumber, 1)
  .option("--again", "also the survivors of earlier runs")
  .option("--jobs <number>", "copies that are tried at the same time", countingNumber, 2)
  .parse(Deno.args, { from: "user" })
  .opts<{
    planted?: true;
    mutants?: true;
    file: string;
    sample: number;
    all?: true;
    seed: number;
    again?: true;
    jobs: number;
  }>();

const copies: Copy[] = [];
Deno.addSignalListener("SIGINT", () => void removeCopies().finally(() => Deno.exit(130)));
try {
  Deno.exitCode = await main();
} finally {
  await removeCopies();
  await closeCompiler();
}

async function removeCopies(): Promise<void> {
  await Promise.all(copies.splice(0).map((copy) => copy.remove()));
}

async function main(): Promise<number> {
  const first = await Copy.of(ROOT);
  copies.push(first);
  for (let i = 1; i < options.jobs; i++) copies.push(await Copy.of(first.path));
  const baseline = await measureBaseline(first);
  if (typeof baseline === "string") {
    console.error(baseline);
    return EXIT.failed;
  }
  const missed = options.mutants ? [] : await tryPlanted(baseline, first);
  if (!options.planted) await tryMutants(baseline, first);
  return missed.length === 0 ? EXIT.clean : EXIT.found;
}

function isWanted(file: string): boolean {
  return file === options.file || file.startsWith(`${options.file}/`);
}

/** The planted bugs that no test found. */
async function tryPlanted(baseline: Baseline, { path }: Copy): Promise<Planted[]> {
  const wanted = PLANTED.filter(({ file }) => isWanted(file));
  const texts = wanted.map((bug) => applied(bug, Deno.readTextFileSync(`${path}/${bug.file}`)));
  const missed: Planted[] = [];
  const start = performance.now();
  await onCopies(copies, [...wanted.entries()], async ([at, bug], copy) => {
    const { status, by } = await tryChange(baseline, copy, bug.file, texts[at] ?? "");
    if (status !== "killed") missed.push(bug);
    console.log(`${status === "killed" ? "found" : "MISSED"}: ${bug.file}: ${bug.breaks}\n    ${by}`);
  });
  const each = (performance.now() - start) / 1000 / Math.max(1, wanted.length);
  console.log(
    `planted bugs: ${wanted.length - missed.length} of ${wanted.length} found, ${each.toFixed(1)} s each`,
  );
  return missed;
}

async function tryMutants(baseline: Baseline, { path }: Copy): Promise<void> {
  const all = await mutantsIn(path);
  const drawn = options.all ? all : sample(all, options.sample, options.seed);
  const results = loadResults(REPORT);
  const known = (key: string) => {
    const result = results.get(key);
    return result !== undefined && !(options.again && result.status === "survived");
  };
  const open = drawn.filter((mutant) => !known(keyOf(mutant)));
  console.log(
    `${all.length} mutants, ${drawn.length} drawn, ${drawn.length - open.length} known from earlier runs`,
  );
  let done = 0;
  await onCopies(copies, open, async (mutant, copy) => {
    await tryMutant(baseline, copy, mutant, results);
    if (++done % 10 === 0 || done === open.length) console.log(`${done} of ${open.length} tried`);
  });
  const shown = drawn.flatMap((mutant) => {
    const known = results.get(keyOf(mutant));
    return known === undefined ? [] : [resultOf(mutant, known)];
  });
  for (const line of printed(shown)) console.log(line);
}

/** All valid mutants, the files in the order of their names. */
async function mutantsIn(path: string): Promise<Mutant[]> {
  const files = MUTATED.flatMap((folder) =>
    [...Deno.readDirSync(`${path}/${folder}`)].map(({ name }) => `${folder}/${name}`)
  ).filter(isWanted).sort();
  const all = await Promise.all(files.map((file) => {
    const source = Deno.readTextFileSync(`${path}/${file}`);
    return validOf(source, mutantsOf(file, source));
  }));
  return all.flat();
}

async function tryMutant(baseline: Baseline, copy: Copy, mutant: Mutant, results: Results): Promise<void> {
  const outcome = await tryChange(baseline, copy, mutant.file, edited(await copy.read(mutant.file), mutant));
  const result = resultOf(mutant, outcome);
  if (outcome.status === "survived") console.log(survivorText(result).join("\n"));
  results.set(keyOf(mutant), result);
  saveResults(REPORT, results);
}
