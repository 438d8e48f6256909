/** Runs the suites on a cluster that is there; started by main.ts, which makes the report even when this one dies. */
import { wayOf } from "./cluster/agent.ts";
import { ADMIN, IMAGE, KUBERNETES, NODES } from "./cluster/places.ts";
import { capture } from "./harness/capture.ts";
import { EventLog } from "./harness/events.ts";
import { Kube } from "./harness/kube.ts";
import { endProbes, LIVE_IMAGE, liveNodes, liveView } from "./harness/live_view.ts";
import { localView } from "./harness/local_view.ts";
import { parseRun, type RunOptions } from "./harness/options.ts";
import { PodCache } from "./harness/pod_cache.ts";
import { Progress } from "./harness/progress.ts";
import { isClean } from "./harness/report.ts";
import { choose, type Chosen, removeNamespaces, runTests, type Surroundings } from "./harness/runner.ts";
import { Sampler } from "./harness/sampler.ts";
import { SUITES } from "./suites/all.ts";

/** What runs the tests on this machine's cluster, or on the one of KUBECONFIG. */
async function surroundings(
  report: string,
  kube: Kube,
  cache: PodCache,
  options: RunOptions,
): Promise<Surroundings> {
  const isFenced = options.config["fence"] === "on" && !options.live;
  const views = options.live
    ? await Promise.all(liveNodes(cache.pods).map((node) => liveView(kube, cache, node)))
    : NODES.slice(0, options.nodes).map((node) => localView(node, isFenced));
  const place = options.live
    ? { image: Deno.env.get("TEST_IMAGE") || LIVE_IMAGE, pullPolicy: "IfNotPresent" }
    : { image: IMAGE, pullPolicy: "Never" };
  return {
    kube,
    cache,
    views,
    place,
    way: wayOf(options.agent),
    events: new EventLog(`${report}/test-debug/events.jsonl`),
    options,
    capture: ({ title }, view) => capture({ kube, cache, view, report, title }),
    progress: new Progress(
      (text) => Deno.stdout.writeSync(new TextEncoder().encode(text)),
      Deno.stdout.isTerminal() && Deno.env.get("TERM") !== "dumb" ? Deno.consoleSize().columns : undefined,
    ),
  };
}

/** Runs some tests while a sampler looks at the nodes, where they are of this machine. */
async function part(tests: readonly Chosen[], isGap: boolean, around: Surroundings): Promise<boolean> {
  if (tests.length === 0) return true;
  if (around.options.live) return await runTests(tests, around);
  using sampler = new Sampler(around.views.map(({ name }) => name));
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
  const { chosen, skipped } = choose(SUITES, options, Math.min(...around.views.map(({ room }) => room)));
  const { events, views } = around;
  const node = views.map(({ name }) => name).join(", ");
  events.add({ kind: "run", words: words.join(" "), node, tests: chosen.length });
  for (const { title, why } of skipped) events.add({ kind: "skip", test: title, why });
  const [there, away] = [false, true].map((gap) => chosen.filter(({ test }) => (test.gap ?? false) === gap));
  const passed = [await part(there ?? [], false, around), await part(away ?? [], true, around)];
  if (options.live && !options.preserve) {
    await endProbes(kube, views);
    await removeNamespaces(kube);
  }
  events.add({ kind: "done" });
  return passed.every((each) => each);
}

const [report = "", ...words] = Deno.args;
Deno.exit(await main(report, words) ? 0 : 1);
