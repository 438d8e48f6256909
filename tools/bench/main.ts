/**
 * Measures the executable and the agent's code, prints what it found, and leaves it in dist/bench.md and
 * dist/bench.json (how to read it: docs/benchmark.md). Slow is not a failure: status 0 whenever all was measured.
 *
 * Run by `make bench`, which builds first; an argument names the one part to measure, and BASE another executable, which is
 * measured beside this one.
 */
import { Argument } from "commander";
import { engine, EXIT, run } from "../command_line.ts";
import { Progress, write } from "../progress.ts";
import { measureAdmission } from "./admission.ts";
import { measureCpusets } from "./cpusets.ts";
import { measureCreate } from "./create.ts";
import { measureDecide } from "./decide.ts";
import { measureEvents } from "./events.ts";
import { measureFence } from "./fence.ts";
import { facts, loadAverage } from "./facts.ts";
import { measureHttp } from "./http.ts";
import { measureMemory } from "./memory.ts";
import { measurePeers } from "./peers.ts";
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
  events: measureEvents,
  cpusets: measureCpusets,
  admission: measureAdmission,
  pool: measurePool,
  fence: measureFence,
  http: measureHttp,
  peers: measurePeers,
};

/** Need root and cgroup v1, or a containerd, or Go, or take a while: only when they are asked for by their names. */
const ON_REQUEST: readonly string[] = ["cpusets", "admission", "fence", "pool", "http", "peers"];

async function measure(only: string | undefined, base: string | undefined): Promise<Report> {
  const names = Object.keys(PARTS).filter((name) =>
    only === undefined ? !ON_REQUEST.includes(name) : name === only
  );
  const before = loadAverage();
  const sections: Section[] = [];
  const progress = new Progress();
  const show = (part: string, done: number, total: number) =>
    progress.show(`measuring ${part}: ${done} of ${total}`, done === 0);
  const builds = [
    { name: "", executable: `${ROOT}/dist/weka-cpuset` },
    ...(base === undefined ? [] : [{ name: "base", executable: base }]),
  ];
  await Stage.with(builds, show, async (stage) => {
    for (const name of names) sections.push(...await PARTS[name]?.(stage) ?? []);
  });
  progress.clear();
  return { facts: await facts(ROOT, before, base), sections };
}

const only = engine("bench", "measures the executable and the agent's code")
  .addArgument(
    new Argument("[part]", `all but ${ON_REQUEST.join(" and ")} unless it is given`).choices(
      Object.keys(PARTS),
    ),
  )
  .parse(Deno.args, { from: "user" }).args[0];

await run(async () => {
  const report = await measure(only, Deno.env.get("BASE") || undefined);
  await Deno.mkdir(`${ROOT}/dist`, { recursive: true });
  await Deno.writeTextFile(`${ROOT}/dist/bench.md`, reportMarkdown(report));
  await Deno.writeTextFile(`${ROOT}/dist/bench.json`, reportJson(report));
  write(Deno.stdout, `\n${reportText(report)}\nThe same is in dist/bench.md and dist/bench.json.\n`);
  return EXIT.clean;
});
