/**
 * Feeds every parser with inputs that no peer should send, a million if wanted:
 *
 *     deno run -A tools/fuzz/main.ts [--inputs N] [--seed S] [--only NAME]
 *
 * An input that breaks something is made as small as it gets and printed as JavaScript; one that hangs is printed as it
 * is. Status 1 then, and when the memory in use grows with the number of inputs. What is fuzzed, and what has
 * to hold: tools/fuzz/targets.ts.
 */
import { countingNumber, engine, EXIT, run, wholeNumber } from "../command_line.ts";
import { Progress } from "../progress.ts";
import { aligned } from "../table.ts";
import { type Figures, targetsOf } from "./job.ts";
import type { Failure } from "./run.ts";
import { sharesOf } from "./targets.ts";
import { runWatched } from "./watchdog.ts";

/** Growth of the heap above which it isn't noise: in all, and for each input. */
const MAX_GROWTH_BYTES = 1 << 20;
const MAX_GROWTH_BYTES_PER_INPUT = 16;

const options = engine("fuzz", "feeds every parser with made-up inputs")
  .option("--inputs <number>", "in all", countingNumber, 100_000)
  .option("--seed <number>", "of the inputs", wholeNumber, 1)
  .option("--only <name>", "one target, which gets all of them")
  .option("--deadline <seconds>", "of one input", countingNumber, 20)
  .option("--targets <module>", "others than the program's", import.meta.resolve("./targets.ts"))
  .parse(Deno.args, { from: "user" })
  .opts<{ inputs: number; seed: number; only?: string; deadline: number; targets: string }>();

/** Memory can only be measured by a program that may collect its garbage when it likes. */
async function again(): Promise<number> {
  const flags = ["run", "--quiet", "--allow-all", "--v8-flags=--expose-gc"];
  const args = [...flags, import.meta.filename ?? "", ...Deno.args];
  return (await new Deno.Command(Deno.execPath(), { args, stdin: "null" }).spawn().status).code;
}

const HEAD = ["target", "inputs", "inputs/s", "slowest ms", "heap bytes/input"];

async function fuzz(): Promise<number> {
  const { only, seed, targets: module } = options;
  const all = await targetsOf(module);
  const targets = all.filter(({ name }) => only === undefined || name === only);
  if (targets.length === 0) {
    throw new Error(`there are ${all.map(({ name }) => name).join(", ")}, and no ${only}`);
  }
  const failures: string[] = [];
  const rows: string[][] = [];
  const progress = new Progress();
  for (const [{ name }, inputs] of sharesOf(targets, options.inputs)) {
    progress.show(`fuzz: ${name}, ${inputs} inputs`, true);
    const result = await runWatched({ module, name, seed, inputs }, options.deadline * 1000);
    if ("failure" in result) {
      failures.push(failureText(result.failure));
      continue;
    }
    rows.push(rowOf(name, inputs, result.figures));
    if (grows(inputs, result.figures)) {
      failures.push(`${name} of seed ${seed}: the heap has grown by ${result.figures.growth} bytes`);
    }
  }
  progress.clear();
  console.log(aligned({ head: HEAD, rows }));
  for (const failure of failures) console.log(`\nFAILED ${failure}\n`);
  return failures.length === 0 ? EXIT.clean : EXIT.found;
}

function failureText({ target, seed, index, error, input }: Failure): string {
  return `${target}, input ${index} of seed ${seed}: ${error}\n\n${input}`;
}

function rowOf(name: string, inputs: number, { milliseconds, slowest, growth = 0 }: Figures): string[] {
  return [
    name,
    `${inputs}`,
    (inputs / milliseconds * 1000).toFixed(0),
    slowest.milliseconds.toFixed(0),
    (growth / inputs).toFixed(1),
  ];
}

function grows(inputs: number, { growth = 0 }: Figures): boolean {
  return growth > MAX_GROWTH_BYTES && growth / inputs > MAX_GROWTH_BYTES_PER_INPUT;
}

await run(() => "gc" in globalThis ? fuzz() : again());
