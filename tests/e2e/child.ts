/** Runs the suites on a cluster that is there; started by main.ts, which makes the report even when this one dies. */
import { wayOf } from "./cluster/agent.ts";
import { ADMIN, IMAGE, KUBERNETES } from "./cluster/places.ts";
import { capture } from "./harness/capture.ts";
import { EventLog } from "./harness/events.ts";
import { Kube } from "./harness/kube.ts";
import { endProbe, LIVE_IMAGE, liveNode, liveView } from "./harness/live_view.ts";
import { localView } from "./harness/local_view.ts";
import { parseRun, type RunOptions } from "./harness/options.ts";
import { PodCache } from "./harness/pod_cache.ts";
import { Progress } from "./harness/progress.ts";
import { isClean } from "./harness/report.ts";
import { choose, type Chosen, runTests, type Surroundings } from "./harness/runner.ts";
import { Sampler } from "./harness/sampler.ts";
import { SUITES } from "./suites/all.ts";

/** The node of this machine that is tested. */
const NODE = "one";

/** What runs the tests on this machine's cluster, or on the one of KUBECONFIG. */
async function surroundings(
  report: string,
  kube: Kube,
  cache: PodCache,
  options: RunOptions,
): Promise<Surroundings> {
  const isFenced = options.config["fence"] === "on" && !options.live;
  const node = options.live ? liveNode(cache.pods) : NODE;
  const view = options.live ? await liveView(kube, cache, node, isFenced) : localView(node, isFenced);
  const place = options.live
    ? { node, image: Deno.env.get("TEST_IMAGE") || LIVE_IMAGE, pullPolicy: "IfNotPresent" }
    : { node, image: IMAGE, pullPolicy: "Never" };
  return {
    kube,
    cache,
    view,
    place,
    way: wayOf(options.agent),
    events: new EventLog(`${report}/test-debug/events.jsonl`),
    options,
    capture: ({ title }) => capture({ kube, cache, view, report, title }),
    progress: new Progress(
      (text) => Deno.stdout.writeSync(new TextEncoder().encode(text)),
      Deno.stdout.isTerminal() ? Deno.consoleSize().columns : undefined,
    ),
  };
}

/** Runs some tests while a sampler looks at the node, where it is one of this machine. */
async function part(tests: readonly Chosen[], isGap: boolean, around: Surroundings): Promise<boolean> {
  if (tests.length === 0) return true;
  if (around.options.live) return await runTests(tests, around);
  using sampler = new Sampler([around.view.name]);
  const passed = await runTests(tests, around);
  const sampled = await sampler.sampled();
  around.events.add({ kind: "sampled", sampled, gap: isGap });
  return passed && isClean({ sampled, gap: isGap });
}

async function main(report: string, words: readonly string[]): Promise<boolean> {
  const options = parseRun(words);
  const kubectl = options.live ? "kubectl" : `${KUBERNETES}/kubectl`;
  await using kube = await Kube.connect(kubectl, options.live ? Deno.env.get("KUBECONFIG") ?? "" : ADMIN);
  await using cache = await PodCache.open(kube);
  const around = await surroundings(report, kube, cache, options);
  const { chosen, skipped } = choose(SUITES, options, around.view.cpus.length);
  const { events } = around;
  events.add({ kind: "run", words: words.join(" "), node: around.view.name, tests: chosen.length });
  for (const { title, why } of skipped) events.add({ kind: "skip", test: title, why });
  const [there, away] = [false, true].map((gap) => chosen.filter(({ test }) => (test.gap ?? false) === gap));
  const passed = [await part(there ?? [], false, around), await part(away ?? [], true, around)];
  if (options.live && !options.preserve) await endProbe(kube);
  events.add({ kind: "done" });
  return passed.every((each) => each);
}

const [report = "", ...words] = Deno.args;
Deno.exit(await main(report, words) ? 0 : 1);
