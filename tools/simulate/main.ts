/**
 * Plays simulated nodes, millions of events if desired, and prints what was played and what broke:
 *
 *     deno run -A tools/simulate/main.ts [--events N] [--seed N] [--jobs N] [--mode MODE] ... [--replay FILE]
 *
 * Seeds are drawn anew at each run unless one is given. A node ends with its first violation, the run goes on; at the
 * end violations are listed by cause, each with the command that replays it, and for each cause the shortest list of
 * events found is written to .test-reports/simulation. Status 1 when an invariant didn't hold. What is simulated:
 * docs/simulation.md.
 */
import { Option } from "commander";
import { countingNumber, engine, EXIT, run, wholeNumber } from "../command_line.ts";
import { Progress } from "../progress.ts";
import { byCause } from "./causes.ts";
import { MACHINES } from "./machines.ts";
import { playOf, textOf } from "./play_file.ts";
import { causeLines, coverageLines, playedLines, playLines, summaryLine } from "./report.ts";
import type { Chosen } from "./scenario.ts";
import { scriptOf } from "./script_text.ts";
import { CGROUPS, consecutiveSeeds, drawnSeed, DRIVERS, evenSeeds, FENCES, MODES, nodesOf } from "./seeds.ts";
import { EVENTS_PER_NODE, type Failure, replay } from "./simulate.ts";
import type { Tally, Violation } from "./tally.ts";
import { Threads } from "./threads.ts";

const REPORTS = ".test-reports/simulation";
/** Causes whose events are shortened. */
const MAX_SHRUNK = 20;

const { cgroups, ...options } = engine("simulate", "plays random events on simulated nodes")
  .option("--events <number>", "in all", countingNumber, 100_000)
  .option("--seed <number>", "of the first node; the others follow. Without it seeds are drawn", wholeNumber)
  .option("--even", "with --seed: the same seeds as a run that has drawn this one as its first")
  .option("--per-node <number>", "events of one node", countingNumber, EVENTS_PER_NODE)
  .option("--jobs <number>", "threads", countingNumber, navigator.hardwareConcurrency)
  .addOption(new Option("--machine <name>", "instead of a drawn one").choices(Object.keys(MACHINES)))
  .addOption(new Option("--mode <mode>", "instead of a drawn one").choices(MODES))
  .addOption(new Option("--cgroups <version>", "instead of a drawn one").choices(CGROUPS.map(String)))
  .addOption(new Option("--driver <name>", "of cgroups, instead of a drawn one").choices(DRIVERS))
  .addOption(new Option("--fence <setting>", "instead of a drawn one").choices(FENCES))
  .option("--coverage <number>", "prints the kinds of events, and so many pairs of them", wholeNumber)
  .option("--replay <file>", "plays a list of events again")
  .parse(Deno.args, { from: "user" })
  .opts<
    Omit<Chosen, "cgroups"> & {
      cgroups?: string;
      events: number;
      seed?: number;
      even?: true;
      perNode: number;
      jobs: number;
      coverage?: number;
      replay?: string;
    }
  >();

const chosen: Chosen = {
  machine: options.machine,
  mode: options.mode,
  cgroups: CGROUPS.find((version) => `${version}` === cgroups),
  driver: options.driver,
  fence: options.fence,
};

await run(() => options.replay === undefined ? simulate() : playAgain(options.replay));

async function simulate(): Promise<number> {
  const start = performance.now();
  const secondsSince = () => (performance.now() - start) / 1000;
  const { seed = drawnSeed(), jobs, events, perNode } = options;
  const isEven = options.seed === undefined || options.even === true;
  if (isEven) console.log(`seeds from ${seed}, evenly over the setups; the same run: --seed ${seed} --even`);
  const seeds = isEven ? evenSeeds(seed, chosen) : consecutiveSeeds(seed);
  const threads = new Threads(jobs);
  const progress = new Progress();
  let isStopped = false;
  Deno.addSignalListener("SIGINT", () => isStopped ? Deno.exit(130) : isStopped = true);
  const tally = await threads.play(nodesOf(seeds, events, perNode), chosen, (tally) => {
    progress.show(progressText(tally, secondsSince()));
    return !isStopped;
  });
  const seconds = secondsSince();
  progress.clear();
  print(playedLines(tally, seconds));
  if (options.coverage !== undefined) print(["", ...coverageLines(tally, options.coverage)]);
  const causes = await reportViolations(tally, threads, progress);
  threads.end();
  print(["", summaryLine(tally, causes, seconds)]);
  return tally.violations.length === 0 ? EXIT.clean : EXIT.found;
}

function progressText({ events, violations }: Tally, seconds: number): string {
  return `simulate: ${events} of ${options.events} events, ${Math.round(events / seconds)}/s, ` +
    `${violations.length} violations`;
}

/** Prints all violations by cause; how many causes there are. */
async function reportViolations(tally: Tally, threads: Threads, progress: Progress): Promise<number> {
  const causes = byCause(tally.violations);
  if (causes.length === 0) return 0;
  Deno.mkdirSync(REPORTS, { recursive: true });
  progress.show("simulate: shortening the lists of events");
  const shrunk = await threads.shrink(causes.slice(0, MAX_SHRUNK).map(({ shortest }) => shortest));
  progress.clear();
  for (const [at, group] of causes.entries()) {
    print(["", ...causeLines(group, commandFor)]);
    const failure = shrunk.find(({ scenario: { seed } }) => seed === group.shortest.scenario.seed);
    if (failure === undefined) continue;
    const file = `${REPORTS}/${at + 1}.jsonl`;
    Deno.writeTextFileSync(file, textOf(failure));
    print([`    as ${failure.events.length} events: make simulate REPLAY=${file}`]);
    if (tally.violations.length === 1) print(["", ...playLines(failure)]);
  }
  return causes.length;
}

/** What plays the violation's node again. */
function commandFor({ scenario: { seed }, count }: Violation): string {
  const others = Object.entries(chosen).flatMap(([key, value]) =>
    value === undefined ? [] : [` ${key.toUpperCase()}=${value}`]
  );
  return `make simulate SEED=${seed} EVENTS=${count}${others.join("")}`;
}

function playAgain(file: string): number {
  const play = playOf(Deno.readTextFileSync(file));
  const found = replay(play);
  if (found === undefined) {
    console.log(`${file}: ${play.events.length} events, all invariants hold`);
    return EXIT.clean;
  }
  const failure: Failure = { ...play, problem: found.problem, events: play.events.slice(0, found.at + 1) };
  print(playLines(failure));
  const script = scriptOf(failure);
  if (script !== undefined) print(["", "as a script (see tests/scenarios/README.md):", "", script]);
  return EXIT.found;
}

function print(lines: readonly string[]): void {
  for (const line of lines) console.log(line);
}
