/**
 * Runs the end-to-end suites: starts a cluster, has child.ts run them, and makes the report of what that has written
 * down, also when it dies. The exit status: 0, all passed,
 * or it can't run here; 1, something failed.
 */
import { capture, captureLogs } from "./harness/capture.ts";
import { readEvents, resultsOf, type RunEvent } from "./harness/events.ts";
import { Kube } from "./harness/kube.ts";
import { localView } from "./harness/local_view.ts";
import { parseRun, type RunOptions, USAGE } from "./harness/options.ts";
import { PodCache } from "./harness/pod_cache.ts";
import { closingLines, isClean, isWhole, reportFiles } from "./harness/report.ts";
import { choose } from "./harness/runner.ts";
import { ADMIN, beside, KUBERNETES, NODES, repository } from "./cluster/places.ts";
import { stopCluster } from "./cluster/down.ts";
import { onlyRun } from "./cluster/only_run.ts";
import { missing, parseOptions, startCluster } from "./cluster/up.ts";
import { SUITES } from "./suites/all.ts";

/** By which a run is ended; the report is made then, and the cluster taken down. */
const SIGNALS = ["SIGINT", "SIGTERM"] as const;
const FOLDERS = ["failures", "logs", "pod-describes", "plugin-logs", "cluster-state", "test-debug"];

async function main(words: readonly string[]): Promise<number> {
  if (words.includes("--help")) return say(USAGE);
  const options = parseRun(words);
  const { chosen, skipped } = choose(SUITES, options, Infinity);
  const titles = [...chosen, ...skipped].map(({ title }) => title);
  if (titles.length === 0) throw new Error("no test is in such a suite with such a title; --list names all");
  if (options.list) return say(titles.join("\n"));
  if (options.live) return await onLiveCluster(words);
  const reason = await missing();
  if (reason !== undefined) return unavailable(reason, reportName(options));
  using _ = await onlyRun();
  return await runHere(words, reportName(options));
}

/** Runs the suites on a cluster of this machine, for which everything is there; the exit status. */
export async function runHere(words: readonly string[], name: string): Promise<number> {
  const options = parseRun(words);
  const report = makeReportFolder();
  try {
    const started = performance.now();
    await stopCluster(); // what an earlier run left
    await startCluster(clusterOptions(options));
    console.log(`the cluster is ready after ${((performance.now() - started) / 1000).toFixed(1)} s`);
    await runChild(report, words);
    return await finish(report, options, name) ? 0 : 1;
  } finally {
    if (!options.preserve) await stopCluster();
  }
}

async function onLiveCluster(words: readonly string[]): Promise<number> {
  const kubeconfig = Deno.env.get("KUBECONFIG") ?? "";
  if (kubeconfig === "") {
    throw new Error("KUBECONFIG isn't set; it must name the configuration file of the cluster");
  }
  const report = makeReportFolder();
  await runChild(report, words);
  const options = parseRun(words);
  return await finish(report, options, reportName(options)) ? 0 : 1;
}

/** Of the copy of the JUnit report that stays where it is found. */
function reportName({ real, live }: RunOptions): string {
  return `e2e${live ? "-live" : real ? "-real" : ""}.xml`;
}

function say(text: string): number {
  console.log(text);
  return 0;
}

function clusterOptions({ real, agent, containerd, config, nodes }: RunOptions) {
  const words = [...real ? [] : ["--big"], "--agent", agent, "--containerd", containerd];
  return parseOptions([...words, "--config", JSON.stringify(config), ...NODES.slice(0, nodes)]);
}

/** `.test-reports/2026-11-30T01-02-03-UUID` */
function makeReportFolder(): string {
  const stamp = new Date().toISOString().slice(0, 19).replaceAll(":", "-");
  const report = `${repository}/.test-reports/${stamp}-${crypto.randomUUID()}`;
  for (const folder of FOLDERS) Deno.mkdirSync(`${report}/${folder}`, { recursive: true });
  Deno.writeTextFileSync(`${report}/test-debug/events.jsonl`, "");
  return report;
}

/** In a session of its own: what it leaves behind when it dies, as its kubectl, is ended with it. */
async function runChild(report: string, words: readonly string[]): Promise<void> {
  const program = beside(import.meta.url, "child").pathname;
  const deno = [Deno.execPath(), "run", "--quiet", "--allow-all", `--config=${repository}/deno.json`];
  const child = new Deno.Command("setsid", { args: [...deno, program, report, ...words], stdin: "null" })
    .spawn();
  const stop = () => child.kill("SIGTERM");
  for (const signal of SIGNALS) Deno.addSignalListener(signal, stop);
  await child.status;
  for (const signal of SIGNALS) Deno.removeSignalListener(signal, stop);
  await new Deno.Command("sh", { args: ["-c", `kill -9 -${child.pid}`], stderr: "null" }).output();
}

/** Writes the report; whether everything passed. */
async function finish(report: string, options: RunOptions, name: string): Promise<boolean> {
  const events = readEvents(Deno.readTextFileSync(`${report}/test-debug/events.jsonl`));
  if (!isWhole(events) && !options.live) await captureUnfinished(report, events);
  const nodes = options.live ? [] : NODES.slice(0, options.nodes);
  for (const node of nodes) captureLogs(report, node);
  for (const [path, text] of reportFiles(events)) {
    Deno.mkdirSync(`${report}/${path}`.replace(/\/[^/]*$/, ""), { recursive: true });
    Deno.writeTextFileSync(`${report}/${path}`, text);
  }
  Deno.copyFileSync(`${report}/junit.xml`, `${repository}/.test-reports/${name}`);
  for (const line of closingLines(events)) console.log(line);
  console.log(`the report is ${report}`);
  return isWhole(events) && hasPassed(events);
}

/** No test failed, and the sampler saw nothing that it shouldn't. */
function hasPassed(events: readonly RunEvent[]): boolean {
  const results = resultsOf(events);
  const samples = events.filter((event) => event.kind === "sampled");
  return results.some(({ outcome }) => outcome.kind === "passed") &&
    results.every(({ outcome }) => outcome.kind !== "failed") &&
    samples.every(isClean);
}

/** The cluster is there, though the harness isn't. */
async function captureUnfinished(report: string, events: readonly RunEvent[]): Promise<void> {
  const ended = new Set(events.flatMap((event) => event.kind === "end" ? [event.test] : []));
  const left = events.flatMap((event) =>
    event.kind === "node" && event.what === "taken" && !ended.has(event.test) ? [event] : []
  );
  await using kube = await Kube.connect(`${KUBERNETES}/kubectl`, ADMIN);
  await using cache = await PodCache.open(kube);
  for (const { test: title, node } of left) {
    const [name = ""] = node.split(", ");
    await capture({ kube, cache, view: localView(name, false), report, title });
  }
}

/** Says that nothing was tested, and why: a failure where everything is expected to be there. The exit status. */
function unavailable(reason: string, name: string): number {
  console.error(`\n*** NOT TESTED on Kubernetes: ${reason} ***\n`);
  const skipped = '<testcase classname="e2e" name="a cluster can run here"><skipped/></testcase>';
  const report = `<testsuites><testsuite name="e2e">${skipped}</testsuite></testsuites>\n`;
  Deno.mkdirSync(`${repository}/.test-reports`, { recursive: true });
  Deno.writeTextFileSync(`${repository}/.test-reports/${name}`, report);
  return Deno.env.get("CI") === "true" ? 1 : 0;
}

if (import.meta.main) {
  try {
    Deno.exit(await main(Deno.args));
  } catch (error) {
    console.error(`e2e: ${(error as Error).message}`);
    Deno.exit(1);
  }
}
