/**
 * A simulated week on a busy node, in this process: 4000 containers live, 10,000 pods an hour, reconnections, CPUs that
 * come and go. Prints what the agent keeps; status 1 if any of it has grown:
 *
 *     deno run -A --v8-flags=--expose-gc tools/soak/main.ts [--pods N] [--live N] [--seed N] [--apply WAY] [--kinds NAME]
 */
import { Option } from "commander";
import { countingNumber, engine, EXIT, run, wholeNumber } from "../command_line.ts";
import { LEAKS } from "./leaks.ts";
import { growth, type Sample, soak } from "./soak.ts";
import { ALL, FORBIDDING } from "./week.ts";

const WEEK = 7 * 24 * 10_000;

const KINDS = { all: ALL, forbidding: FORBIDDING };

const { leak, kinds, ...options } = engine("soak", "plays a simulated week and checks that nothing grows")
  .option("--pods <number>", "that come and go", countingNumber, WEEK)
  .option("--live <number>", "containers at a time", countingNumber, 4000)
  .option("--seed <number>", "of what happens", wholeNumber, 1)
  .option("--samples <number>", "of what is kept", countingNumber, 28)
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
    samples: number;
    apply: "kernel-first" | "runtime";
    kinds: keyof typeof KINDS;
    leak?: string;
  }>();

await run(() => {
  const start = performance.now();
  const samples = soak({
    ...options,
    kinds: KINDS[kinds],
    plant: leak === undefined ? undefined : LEAKS[leak],
    onSample: (sample) => print(sample, (performance.now() - start) / 1000),
  });
  const grown = growth(samples, options.live);
  console.log(
    grown.length === 0
      ? `nothing has grown in ${options.pods} pods, ${options.live} containers at a time (${options.apply}, ${kinds})`
      : `GROWN:\n  ${grown.join("\n  ")}`,
  );
  return grown.length === 0 ? EXIT.clean : EXIT.found;
});

function print({ pods, sizes, heap }: Sample, seconds: number): void {
  const entries = sizes.values().reduce((sum, size) => sum + size, 0);
  const bytes = heap === undefined
    ? "unknown without --v8-flags=--expose-gc"
    : `${(heap / 1e6).toFixed(2)} MB`;
  console.log(
    `${Math.round(seconds)} s  ${pods} pods  ${sizes.size} lists with ${entries} entries  heap ${bytes}`,
  );
}
