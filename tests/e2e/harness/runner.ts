/** Runs tests side by side, as far as the node has room for what they claim; those that need it whole come last. */
import type { Way } from "../cluster/agent.ts";
import { Bench } from "./bench.ts";
import type { NodeView } from "./check.ts";
import type { EventLog, Outcome } from "./events.ts";
import { Unmet } from "./expect.ts";
import type { Kube } from "./kube.ts";
import type { RunOptions } from "./options.ts";
import type { Progress } from "./progress.ts";
import type { PodCache } from "./pod_cache.ts";
import type { Place } from "./pods.ts";
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
  readonly view: NodeView;
  readonly place: Omit<Place, "namespace">;
  readonly way: Way;
  readonly events: EventLog;
  readonly options: RunOptions;
  /** Keeps what is to be seen of a failure while it is there. */
  capture(chosen: Chosen, outcome: Outcome): Promise<void>;
  readonly progress: Progress;
}

/** By suite, focus and skip; of what can't run here it is said why. */
export function choose(
  suites: readonly Suite[],
  options: RunOptions,
  cpus: number,
): { chosen: Chosen[]; skipped: { title: string; why: string }[] } {
  const [focus, skip] = [new RegExp(options.focus, "i"), new RegExp(options.skip || "$^", "i")];
  const [chosen, skipped]: [Chosen[], { title: string; why: string }[]] = [[], []];
  for (const suite of suites) {
    if (
      options.suites.length > 0 && !options.suites.some((name) => suite.name.toLowerCase().startsWith(name))
    ) continue;
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

function whyNot({ needs, own = false }: Test, { live }: RunOptions, cpus: number): string | undefined {
  if (needs > cpus - 1) return `it needs a node with ${needs + 1} CPUs, and this one has ${cpus}`;
  return own && live ? "it may only be done to nodes of this machine" : undefined;
}

/** Runs them all; whether all passed. */
export async function runTests(tests: readonly Chosen[], around: Surroundings): Promise<boolean> {
  const together = tests.filter(({ test }) => !isAlone(test));
  const alone = tests.filter(({ test }) => isAlone(test));
  const capacity = around.view.cpus.length - 1;
  const state = { free: capacity, hasFailed: false, queue: [...together] };
  const changed = new Set<() => void>();
  const wake = () => changed.forEach((go) => go());
  const takeNext = async (): Promise<Chosen | undefined> => {
    while (state.queue.length > 0) {
      if (state.hasFailed && !around.options.goOn) return undefined;
      const at = state.queue.findIndex(({ test }) => test.needs <= state.free);
      const [next] = at < 0 ? [] : state.queue.splice(at, 1);
      if (next !== undefined) {
        state.free -= next.test.needs;
        return next;
      }
      const { promise, resolve } = Promise.withResolvers<void>();
      changed.add(resolve);
      await promise;
      changed.delete(resolve);
    }
    return undefined;
  };
  const work = async (worker: number) => {
    for (let next = await takeNext(); next !== undefined; next = await takeNext()) {
      if (!await runOne(next, worker, around)) state.hasFailed = true;
      state.free += next.test.needs;
      wake();
    }
    wake();
  };
  const workers = Math.min(around.options.parallel, Math.max(1, together.length));
  for (let worker = 0; worker < workers; worker++) {
    await makeNamespace(around.kube, namespaceOf(worker, around.options));
  }
  await Promise.all(Array.from({ length: workers }, (_, worker) => work(worker)));
  for (const next of alone) {
    if (state.hasFailed && !around.options.goOn) break;
    if (!await runOne(next, 0, around)) state.hasFailed = true;
  }
  return !state.hasFailed;
}

/** One namespace a worker. */
export function namespaceOf(worker: number, { parallel }: Pick<RunOptions, "parallel">): string {
  return parallel === 1 ? "wekaplugin-e2e" : `wekaplugin-e2e-w${worker}`;
}

async function makeNamespace(kube: Kube, name: string): Promise<void> {
  const known = await kube.get<{ items: { metadata: { name: string } }[] }>("/api/v1/namespaces");
  if (known.items.some(({ metadata }) => metadata.name === name)) return;
  await kube.post("/api/v1/namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name } });
}

async function runOne(chosen: Chosen, worker: number, around: Surroundings): Promise<boolean> {
  const { title: test } = chosen;
  const { events, options, progress } = around;
  events.add({ kind: "begin", test, worker });
  progress.runs(worker, test);
  const started = performance.now();
  const bench = new Bench({
    ...around,
    place: { ...around.place, namespace: namespaceOf(worker, options) },
    log: (line) => {
      events.add({ kind: "step", test, line });
      if (options.verbose > 0) progress.says(worker, `${test}: ${line}`);
    },
  });
  const outcome = await outcomeOf(chosen.test, bench, options.timeoutMs);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  progress.ended(
    worker,
    `${outcome.kind} ${test} (${seconds} s)${outcome.kind === "failed" ? `: ${outcome.error}` : ""}`,
  );
  if (outcome.kind === "failed") await around.capture(chosen, outcome);
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
