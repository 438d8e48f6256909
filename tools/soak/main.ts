/**
 * A simulated week on a busy node, in this process: 4000 containers live, 10,000 pods an hour, reconnections, CPUs that
 * come and go. Says what the agent keeps, and ends with status 1 if any of it has grown:
 *
 *     deno run -A --v8-flags=--expose-gc tools/soak/main.ts [--pods N] [--live N] [--seed N] [--apply WAY] [--kinds NAME]
 */
import { Command, Option } from "commander";
import { growth, type Look, soak } from "./soak.ts";
import { LEAKS } from "../../tests/slow/leaks.ts";
import { ALL, FORBIDDING } from "./week.ts";

const WEEK = 7 * 24 * 10_000;

function wholeNumber(text: string): number {
  const number = Number(text);
  if (!Number.isSafeInteger(number) || number < 1) throw new Error(`not a whole number above 0: ${text}`);
  return number;
}

const KINDS = { all: ALL, forbidding: FORBIDDING };

const { leak, kinds, ...options } = new Command("soak")
  .option("--pods <number>", "that come and go", wholeNumber, WEEK)
  .option("--live <number>", "containers at a time", wholeNumber, 4000)
  .option("--seed <number>", "of what happens", wholeNumber, 1)
  .option("--looks <number>", "at what is kept", wholeNumber, 28)
  .addOption(
    new Option("--apply <way>", "how running containers get other CPUs").choices(["kernel-first", "runtime"])
      .default("kernel-first"),
  )
  .addOption(new Option("--kinds <name>", "of pods").choices(Object.keys(KINDS)).default("all"))
  .addOption(new Option("--leak <name>", "planted, to see that it is found").choices(Object.keys(LEAKS)))
  .parse(Deno.args, { from: "user" })
  .opts<{
    pods: number;
    live: number;
    seed: number;
    looks: number;
    apply: "kernel-first" | "runtime";
    kinds: keyof typeof KINDS;
    leak?: string;
  }>();

const began = performance.now();
const looks = soak({
  ...options,
  kinds: KINDS[kinds],
  plant: leak === undefined ? undefined : LEAKS[leak],
  onLook: tell,
});
const grown = growth(looks, options.live);
console.log(
  grown.length === 0
    ? `nothing has grown in ${options.pods} pods, ${options.live} containers at a time (${options.apply}, ${kinds})`
    : `GROWN:\n  ${grown.join("\n  ")}`,
);
Deno.exit(grown.length === 0 ? 0 : 1);

function tell({ pods, sizes, heap }: Look): void {
  const seconds = Math.round((performance.now() - began) / 1000);
  const entries = sizes.values().reduce((sum, size) => sum + size, 0);
  const bytes = heap === undefined
    ? "unknown without --v8-flags=--expose-gc"
    : `${(heap / 1e6).toFixed(2)} MB`;
  console.log(`${seconds} s  ${pods} pods  ${sizes.size} lists with ${entries} entries  heap ${bytes}`);
}
