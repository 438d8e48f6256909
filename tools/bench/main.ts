/**
 * Measures the executable and the agent's code, prints what it found, and leaves it in dist/bench.md and
 * dist/bench.json (docs/benchmark.md says how to read it). Slow is not a failure: the status is 0 whenever all was
 * measured.
 *
 * Run by `make bench`, which builds first; an argument names the one part to measure.
 */
import { measureCreate } from "./create.ts";
import { measureDecide } from "./decide.ts";
import { facts, loadAverage } from "./facts.ts";
import { measureMemory } from "./memory.ts";
import { measurePool } from "./pool.ts";
import { type Report, reportJson, reportMarkdown, reportText, type Section } from "./report.ts";
import { measureSize } from "./size.ts";
import { Stage } from "./stage.ts";
import { measureStart } from "./start.ts";

const ROOT = new URL("../..", import.meta.url).pathname.replace(/\/$/, "");

const PARTS: Readonly<Record<string, (stage: Stage) => Promise<Section[]>>> = {
  size: measureSize,
  start: measureStart,
  decide: measureDecide,
  create: measureCreate,
  memory: measureMemory,
  pool: measurePool,
};

/** Needs root and a containerd: only when it is asked for by its name. */
const ON_REQUEST = "pool";

async function measure(only: string | undefined): Promise<Report> {
  const names = Object.keys(PARTS).filter((name) => only === undefined ? name !== ON_REQUEST : name === only);
  if (names.length === 0) {
    throw new Error(`there is no part "${only}"; ONLY is one of ${Object.keys(PARTS).join(", ")}`);
  }
  const before = loadAverage();
  const sections: Section[] = [];
  await Stage.with(`${ROOT}/dist/weka-cpuset`, showProgress, async (stage) => {
    for (const name of names) sections.push(...await PARTS[name]?.(stage) ?? []);
  });
  clearProgress();
  return { facts: await facts(ROOT, before), sections };
}

/** One line on a terminal; elsewhere a line for each part's beginning. */
function showProgress(part: string, done: number, total: number): void {
  if (Deno.stderr.isTerminal()) write(Deno.stderr, `\r\x1b[Kmeasuring ${part}: ${done} of ${total}`);
  else if (done === 0) write(Deno.stderr, `measuring ${part}\n`);
}

function clearProgress(): void {
  if (Deno.stderr.isTerminal()) write(Deno.stderr, "\r\x1b[K");
}

function write(to: { writeSync(bytes: Uint8Array): number }, text: string): void {
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length;) at += to.writeSync(bytes.subarray(at));
}

if (import.meta.main) {
  try {
    const report = await measure(Deno.args[0]);
    await Deno.writeTextFile(`${ROOT}/dist/bench.md`, reportMarkdown(report));
    await Deno.writeTextFile(`${ROOT}/dist/bench.json`, reportJson(report));
    write(Deno.stdout, `\n${reportText(report)}\nThe same is in dist/bench.md and dist/bench.json.\n`);
  } catch (error) {
    console.error(`bench: ${error instanceof Error ? error.message : error}`);
    Deno.exitCode = 1;
  }
}
