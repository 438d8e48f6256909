/**
 * Feeds every parser with inputs that nobody should send, a million if wanted, and says how that went:
 *
 *     deno run -A tools/fuzz/main.ts [--inputs N] [--seed S] [--only NAME]
 *
 * An input that breaks something is made as small as it gets and printed as JavaScript; one that hangs is printed as it
 * is. Ends with status 1 then, and when the memory in use grows with the number of inputs. What is fuzzed, and what has
 * to hold: tools/fuzz/targets.ts.
 */
import { Command } from "commander";
import { watch } from "./watch.ts";
import { type Figures, targetsOf } from "./job.ts";
import type { Failure } from "./run.ts";
import { sharesOf } from "./targets.ts";

/** Growth of the heap that isn't taken for noise: this many bytes, and this many for each input. */
const MAX_GROWTH = 1 << 20;
const MAX_GROWTH_EACH = 16;

function wholeNumber(text: string): number {
  const number = Number(text);
  if (!Number.isSafeInteger(number) || number < 0) throw new Error(`not a whole number: ${text}`);
  return number;
}

const options = new Command("fuzz")
  .option("--inputs <number>", "in all", wholeNumber, 100_000)
  .option("--seed <number>", "from which they are drawn", wholeNumber, 1)
  .option("--only <name>", "one target, which gets all of them")
  .option("--patience <seconds>", "that one input may take", wholeNumber, 20)
  .option("--targets <module>", "others than the program's", import.meta.resolve("./targets.ts"))
  .parse(Deno.args, { from: "user" })
  .opts<{ inputs: number; seed: number; only?: string; patience: number; targets: string }>();

Deno.exit("gc" in globalThis ? await fuzz() : await again());

/** Memory can only be measured by a program that may collect its garbage when it likes. */
async function again(): Promise<number> {
  const flags = ["run", "--quiet", "--allow-all", "--v8-flags=--expose-gc"];
  const args = [...flags, import.meta.filename ?? "", ...Deno.args];
  return (await new Deno.Command(Deno.execPath(), { args, stdin: "null" }).spawn().status).code;
}

async function fuzz(): Promise<number> {
  const { only, seed, targets: module } = options;
  const all = await targetsOf(module);
  const targets = all.filter(({ name }) => only === undefined || name === only);
  if (targets.length === 0) {
    throw new Error(`there are ${all.map(({ name }) => name).join(", ")}, and no ${only}`);
  }
  let failures = 0;
  console.log("target               inputs   inputs/s   slowest ms   heap bytes/input");
  for (const [{ name }, inputs] of sharesOf(targets, options.inputs)) {
    const result = await watch({ module, name, seed, inputs }, options.patience * 1000);
    const broken = "failure" in result ? failed(result.failure) : told(name, inputs, result.figures);
    if (broken) failures++;
  }
  return failures === 0 ? 0 : 1;
}

function failed({ target, seed, index, error, input }: Failure): boolean {
  console.log(`\nFAILED ${target}, input ${index} of seed ${seed}: ${error}\n\n${input}\n`);
  return true;
}

/** Whether memory has grown. */
function told(name: string, inputs: number, { milliseconds, slowest, growth = 0 }: Figures): boolean {
  const each = growth / inputs;
  const columns = [
    name.padEnd(18),
    String(inputs).padStart(9),
    (inputs / milliseconds * 1000).toFixed(0).padStart(11),
    slowest.milliseconds.toFixed(0).padStart(13),
    each.toFixed(1).padStart(19),
  ];
  console.log(columns.join(""));
  const grows = growth > MAX_GROWTH && each > MAX_GROWTH_EACH;
  if (grows) console.log(`\nFAILED ${name} of seed ${options.seed}: the heap has grown by ${growth} bytes\n`);
  return grows;
}
