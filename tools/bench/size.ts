import { compileFlags } from "../../hack/build.ts";
import type { Section } from "./report.ts";
import type { Stage } from "./stage.ts";
import { summarize } from "./statistics.ts";

const RUNS = 15;

/** The executable beside a program that does nothing, compiled with the same flags: what is ours, what is Deno's. */
export async function measureSize(stage: Stage): Promise<Section[]> {
  // Beside the executable: the same disk, and other folders may be mounted noexec.
  const empty = `${stage.executable}-empty`;
  try {
    await compileEmpty(stage.dir, empty);
    return [await compare(stage, empty)];
  } finally {
    await Deno.remove(empty).catch(() => {});
  }
}

async function compare(stage: Stage, empty: string): Promise<Section> {
  const programs = [
    { name: "weka-cpuset --version", file: stage.executable, args: ["--version"], times: [] as number[] },
    { name: "a program that does nothing", file: empty, args: [], times: [] as number[] },
  ];
  for (let run = 0; run < RUNS; run++) {
    stage.progress("size", run, RUNS);
    for (const { file, args, times } of programs) times.push(await wallTime(file, args));
  }
  const [ours = [], theirs = []] = programs.map(({ times }) => times);
  const pairs = ours.map((time, run) => time / (theirs[run] ?? NaN));
  return {
    title: "Size and bare start",
    note: "The executable beside a program that does nothing, compiled with the same flags; run in turns.",
    dimensions: ["program", "what"],
    percentiles: false,
    figures: [
      ...programs.flatMap(({ name, file, times }) => [
        { labels: [name, "size"], unit: "MB", summary: summarize([Deno.statSync(file).size / 1e6]) },
        { labels: [name, "start to end"], unit: "ms", summary: summarize(times) },
      ]),
      { labels: ["the one by the other", "start to end"], unit: "×", summary: summarize(pairs) },
    ],
  };
}

async function compileEmpty(dir: string, file: string): Promise<void> {
  const source = `${dir}/empty.js`;
  await Deno.writeTextFile(source, "Deno.exit(0);\n");
  const flags = compileFlags.map(({ flag }) => flag);
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["compile", "--quiet", ...flags, "--output", file, source],
  }).output();
  if (!success) throw new Error(`the empty program can't be compiled: ${new TextDecoder().decode(stderr)}`);
}

async function wallTime(file: string, args: string[]): Promise<number> {
  const began = performance.now();
  const { success } = await new Deno.Command(file, { args, stdin: "null", stdout: "null", clearEnv: true })
    .output();
  if (!success) throw new Error(`${file} failed`);
  return performance.now() - began;
}
