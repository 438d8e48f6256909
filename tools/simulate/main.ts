/**
 * Plays a simulated node, millions of events if wanted, and says what was played and what broke:
 *
 *     deno run -A tools/simulate/main.ts [--seed N] [--events N] [--machine NAME] [--mode MODE] [--replay FILE]
 *
 * A failure is made as short as possible, printed, and written to .test-reports/simulation.json; `--replay` plays such
 * a file again. Ends with status 1 when an invariant was broken. What is simulated: docs/simulation.md.
 */
import { Command } from "commander";
import { MACHINES } from "./machines.ts";
import { printCoverage, printPlay } from "./report.ts";
import { type Failure, replay, simulate } from "./simulate.ts";
import { playOf, textOf } from "./play_file.ts";
import { scriptOf } from "./script_text.ts";
import { shrink } from "./shrink.ts";

const REPORT = ".test-reports/simulation.json";

function wholeNumber(text: string): number {
  const number = Number(text);
  if (!Number.isSafeInteger(number) || number < 0) throw new Error(`not a whole number: ${text}`);
  return number;
}

function oneOf<T extends string>(...words: readonly T[]): (text: string) => T {
  return (text) => {
    const word = words.find((each) => each === text);
    if (word === undefined) throw new Error(`${text} is none of ${words.join(", ")}`);
    return word;
  };
}

const options = new Command("simulate")
  .option("--seed <number>", "of the first node; the others follow", wholeNumber, 1)
  .option("--events <number>", "in all", wholeNumber, 100_000)
  .option("--per-node <number>", "events of one node", wholeNumber, 1000)
  .option("--machine <name>", `instead of drawing one: ${Object.keys(MACHINES).join(", ")}`)
  .option(
    "--mode <mode>",
    "instead of drawing it: kernel, runtime or blind",
    oneOf("kernel", "runtime", "blind"),
  )
  .option("--replay <file>", "plays a failure again")
  .option("--pairs <number>", "how many pairs of kinds are printed", wholeNumber, 20)
  .parse(Deno.args, { from: "user" })
  .opts<{
    seed: number;
    events: number;
    perNode: number;
    machine?: string;
    mode?: "kernel" | "runtime" | "blind";
    replay?: string;
    pairs: number;
  }>();

Deno.exit(options.replay === undefined ? run() : again(options.replay));

function run(): number {
  const start = performance.now();
  const result = simulate(options);
  const seconds = (performance.now() - start) / 1000;
  printCoverage(result, seconds, options.pairs);
  if (result.failure === undefined) return 0;
  const shortest = shrink(result.failure);
  console.log(`\nFAILED after ${result.failure.events.length} events; the shortest list found:\n`);
  tell(shortest);
  Deno.mkdirSync(".test-reports", { recursive: true });
  Deno.writeTextFileSync(REPORT, textOf(shortest));
  const script = scriptOf(shortest);
  if (script !== undefined) console.log(`\nas a script (see tests/scenarios/README.md):\n\n${script}`);
  console.log(`\nplay it again: deno run -A tools/simulate/main.ts --replay ${REPORT}`);
  return 1;
}

function again(file: string): number {
  const play = playOf(Deno.readTextFileSync(file));
  const seen = replay(play);
  if (seen === undefined) {
    console.log(`${file}: ${play.events.length} events, no invariant is broken`);
    return 0;
  }
  tell({ ...play, problem: seen.problem, events: play.events.slice(0, seen.at + 1) });
  return 1;
}

function tell(failure: Failure): void {
  for (const line of printPlay(failure)) console.log(line);
}
