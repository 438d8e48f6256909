/** Runs tests side by side, as far as the nodes have room for what they claim; those that need one whole come last. */
import { timeoutOption } from "../../system/node/slowness.ts";
import type { Way } from "../cluster/agent.ts";
import { Bench } from "./bench.ts";
import type { NodeView } from "./check.ts";
import type { EventLog, Outcome } from "./events.ts";
import { Unmet } from "./expect.ts";
import type { Kube } from "./kube.ts";
import type { RunOptions } from "./options.ts";
import type { Progress } from "./progress.ts";
import { Nodes, type Taken } from "./nodes.ts";
import type { PodCache } from "./pod_cache.ts";
import { LABEL, type Place } from "./pods.ts";
import { isAlone, type Suite, type Test, titleOf } from "./suite.ts";

/** A test that is to be run. */
export interface Chosen {
  readonly title: string;
  readonly test: Test;
}

/** What all tests of a run have in common. */
export interface Surroundings {
  readonly kube: Kube;
  readonly cache: PodCache;
  /** The nodes that are tested. */
  readonly views: readonly NodeView[];
  readonly place: Omit<Place, "namespace" | "node">;
  readonly way: Way;
  readonly events: EventLog;
  readonly options: RunOptions;
  /** Keeps what is to be seen of a failure while it is there. */
  capture(chosen: Chosen, view: NodeView): Promise<void>;
  readonly progress: Progress;
}

/** Of a step, with -v. */
const SHOWN = 120;

/** By suite, focus and skip; of what can't run here it is said why. */
export function choose(
  suites: readonly Suite[],
  options: RunOptions,
  cpus: number,
): { chosen: Chosen[]; skipped: { title: string; why: string }[] } {
  const [focus, skip] = [new RegExp(options.focus, "i"), new RegExp(options.skip || "$^", "i")];
  const [chosen, skipped]: [Chosen[], { title: string; why: string }[]] = [[], []];
  for (const suite of suites) {
    if (options.suites.length > 0 && !options.suites.some((name) => isCalled(suite, name))) continue;
    let left = options.one ? 1 : Infinity;
    for (const test of suite.tests) {
      const title = titleOf(suite, test);
      if (!focus.test(title) || skip.test(title)) continue;
      const why = whyNot(test, options, cpus);
      if (why !== undefined) skipped.push({ title, why });
      else if (left-- > 0) chosen.push({ title, test });
    }
  }
  return { chosen, skipped };
}

/** By the beginning of a word of its name, or by its file: `conflict`, `tests/e2e/suites/conflict.ts`. */
function isCalled(suite: Suite, word: string): boolean {
  const name = word.replace(/^.*\//, "").replace(/\.ts$/, "");
  return ` ${suite.name.toLowerCase()}`.includes(` ${name}`);
}

function whyNot({ needs, own = false }: Test, { live }: RunOptions, cpus: number): string | undefined {
  if (needs > cpus - 1) return `it needs a node with ${needs + 1} CPUs, and this one has ${cpus}`;
  return own && live ? "it may only be done to nodes of this machine" : undefined;
}

/** Runs them all, those last that must not run beside others; whether all passed. */
export async function runTests(tests: readonly Chosen[], around: Surroundings): Promise<boolean> {
  const nodes = new Nodes(around.views, around.events);
  const state = { hasFailed: false, queue: inOrder(tests) };
  const changed = new Set<() => void>();
  const takeNext = async (worker: number): Promise<[Chosen, Taken] | undefined> => {
    while (state.queue.length > 0 && (!state.hasFailed || around.options.goOn)) {
      for (const [at, next] of state.queue.entries()) {
        const taken = nodes.take(next.title, next.test, worker);
        if (taken === undefined) continue;
        state.queue.splice(at, 1);
        return [next, taken];
      }
      const { promise, resolve } = Promise.withResolvers<void>();
      changed.add(resolve);
      await promise;
      changed.delete(resolve);
    }
    return undefined;
  };
  const work = async (worker: number) => {
    for (let next = await takeNext(worker); next !== undefined; next = await takeNext(worker)) {
      const [chosen, taken] = next;
      const passed = await runOne(chosen, taken, around);
      if (!passed) state.hasFailed = true;
      nodes.giveBack(taken, !passed);
      changed.forEach((go) => go());
    }
    changed.forEach((go) => go());
  };
  const workers = nodes.workers(Math.min(around.options.parallel, Math.max(1, tests.length)));
  for (let worker = 0; worker < workers; worker++) {
    await makeNamespace(around.kube, namespaceOf(worker, around.options));
  }
  await Promise.all(Array.from({ length: workers }, (_, worker) => work(worker)));
  return !state.hasFailed;
}

/** Side by side, then one at a time on a node, then one at a time. */
function inOrder(tests: readonly Chosen[]): Chosen[] {
  const rank = ({ test }: Chosen) => test.everywhere ? 2 : isAlone(test) ? 1 : 0;
  return [...tests].sort((one, other) => rank(one) - rank(other));
}

/** One namespace a worker. */
export function namespaceOf(worker: number, { parallel }: Pick<RunOptions, "parallel">): string {
  return parallel === 1 ? "wekaplugin-e2e" : `wekaplugin-e2e-w${worker}`;
}

async function makeNamespace(kube: Kube, name: string): Promise<void> {
  const known = await kube.get<{ items: { metadata: { name: string } }[] }>("/api/v1/namespaces");
  if (known.items.some(({ metadata }) => metadata.name === name)) return;
  // Pods on the host's network are let into it on clusters that look at that.
  const labels = { [LABEL]: "true", "pod-security.kubernetes.io/enforce": "privileged" };
  await kube.post("/api/v1/namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name, labels } });
}

/** Removes the namespaces of all workers, from a cluster that goes on. */
export async function removeNamespaces(kube: Kube): Promise<void> {
  await kube.kubectl("delete", "namespace", `--selector=${LABEL}=true`, timeoutOption(120));
}

async function runOne(chosen: Chosen, taken: Taken, around: Surroundings): Promise<boolean> {
  const { title: test } = chosen;
  const { view, worker } = taken;
  const { events, options, progress } = around;
  events.add({ kind: "begin", test, worker });
  progress.runs(worker, test);
  const started = performance.now();
  const bench = new Bench({
    ...around,
    view,
    place: { ...around.place, node: view.name, namespace: namespaceOf(worker, options) },
    log: (line) => {
      events.add({ kind: "step", test, line });
      const shown = options.verbose > 1 ? line : line.slice(0, SHOWN);
      if (options.verbose > 0) progress.says(worker, `${test}: ${shown}`);
    },
  });
  const outcome = await outcomeOf(chosen.test, bench, options.timeoutMs);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  progress.ended(
    worker,
    `${outcome.kind} ${test} (${seconds} s)${outcome.kind === "failed" ? `: ${outcome.error}` : ""}`,
  );
  if (outcome.kind === "failed") await around.capture(chosen, view);
  const isKept = outcome.kind === "failed" && options.preserve;
  const cleared = isKept ? outcome : await clearedAfter(outcome, bench);
  events.add({ kind: "end", test, outcome: cleared });
  return cleared.kind === "passed";
}

async function outcomeOf(test: Test, bench: Bench, timeoutMs: number): Promise<Outcome> {
  let timer: number | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Unmet(`it isn't done after ${timeoutMs / 1000} s`)), timeoutMs);
  });
  try {
    await Promise.race([test.run(bench), late]);
    return { kind: "passed" };
  } catch (error) {
    return failed(error);
  } finally {
    clearTimeout(timer);
  }
}

async function clearedAfter(outcome: Outcome, bench: Bench): Promise<Outcome> {
  try {
    await bench.clear();
    return outcome;
  } catch (error) {
    return outcome.kind === "failed" ? outcome : failed(error);
  }
}

function failed(thrown: unknown): Outcome {
  const error = thrown instanceof Error ? thrown : new Error(`${thrown}`);
  const { expected = "", seen = "" } = error instanceof Unmet ? error : {};
  return { kind: "failed", error: error.message, expected, seen, stack: error.stack ?? "" };
}
