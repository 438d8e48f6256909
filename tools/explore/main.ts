/**
 * Explores a small node wholly: every sequence of events up to a depth, all invariants after each, in each mode:
 *
 *     deno run -A tools/explore/main.ts [--minutes N] [--depth N] [--mode MODE] [--planted] [--replay PATH]
 *
 * Prints for each depth how many states are new, and at the end depth, states and transitions. A problem is printed with
 * the shortest path to it. Status 1 when there is one, or when a planted fault isn't found. See docs/simulation.md.
 */
import { Option } from "commander";
import { countingNumber, engine, EXIT, run } from "../command_line.ts";
import { explore, type Explored } from "./explore.ts";
import { type Mode, MODES } from "./node.ts";
import { PLANTED } from "./planted.ts";
import { parsePath, pathText, replay } from "./replay.ts";
import type { Job, Report } from "./worker.ts";

const options = engine("explore", "plays every sequence of events on a small node")
  .option("--minutes <number>", "until the deepest level that can be is explored", countingNumber, 10)
  .option("--depth <number>", "the greatest depth", countingNumber, 100)
  .addOption(new Option("--mode <mode>", "this one alone").choices(MODES))
  .option("--planted", "explores planted faults, each until it is found")
  .option("--replay <path>", "plays one path step by step")
  .parse(Deno.args, { from: "user" })
  .opts<{ minutes: number; depth: number; mode?: Mode; planted?: true; replay?: string }>();

await run(() => {
  if (options.replay !== undefined) return playAgain(options.replay);
  return options.planted ? findPlanted() : exploreAll();
});

async function exploreAll(): Promise<number> {
  const start = performance.now();
  const modes = options.mode === undefined ? MODES : [options.mode];
  const ms = options.minutes * 60_000;
  const all = await Promise.all(modes.map((mode) => inThread({ mode, depth: options.depth, ms })));
  const seconds = (performance.now() - start) / 1000;
  for (const { mode, found } of all) {
    for (const { problem, path } of found) {
      console.log(`\n${problem}\n    make explore REPLAY="${pathText(mode, path)}"`);
    }
  }
  console.log("");
  for (const { mode, depth, states, transitions, found } of all) {
    const what = `depth ${depth}, ${states} states, ${transitions} transitions, ${found.length} problems`;
    console.log(`explore ${mode}: ${what}, ${seconds.toFixed(1)} s`);
  }
  return all.some(({ found }) => found.length > 0) ? EXIT.found : EXIT.clean;
}

function inThread(job: Job): Promise<Explored> {
  const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data }: MessageEvent<Report>) => {
      if (data.kind === "level") {
        console.log(
          `${data.mode} depth ${data.depth}: ${data.states} states, ${data.transitions} transitions so far`,
        );
        return;
      }
      worker.terminate();
      resolve(data);
    };
    worker.onerror = (event) => reject(new Error(event.message));
    worker.postMessage(job);
  });
}

function findPlanted(): number {
  const missed = PLANTED.filter(({ breaks, mode, doubles }) => {
    const { found: [first] } = explore(mode, { depth: options.depth, ms: options.minutes * 60_000, doubles });
    if (first === undefined) console.log(`MISSED: ${breaks}`);
    else {console.log(
        `depth ${first.path.length}: ${breaks}\n    ${first.problem}\n    ${pathText(mode, first.path)}`,
      );}
    return first === undefined;
  });
  console.log(`planted faults: ${PLANTED.length - missed.length} of ${PLANTED.length} found`);
  return missed.length === 0 ? EXIT.clean : EXIT.found;
}

function playAgain(text: string): number {
  const { mode, path } = parsePath(text);
  const { lines, problem } = replay(mode, path);
  for (const line of lines) console.log(line);
  if (problem === undefined) console.log("all invariants hold");
  return problem === undefined ? EXIT.clean : EXIT.found;
}
