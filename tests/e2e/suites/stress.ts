import type { Bench } from "../harness/bench.ts";
import { expectCpus, expectText, expectThat } from "../harness/expect.ts";
import type { KubePod } from "../harness/kube.ts";
import { listText } from "../harness/overlaps.ts";
import { bestEffort, exclusive, forbidding, pinned, type PodWish, shared } from "../harness/pods.ts";
import type { Suite } from "../harness/suite.ts";
import { Random } from "../../../tools/random.ts";

/** `make test-stress` takes three minutes for it. */
const CHAOS_MS = Number(Deno.env.get("E2E_STRESS_SECONDS") || 40) * 1000;
const WORKERS = 4;
/** As many as the original's suite has, on however few CPUs. */
const OVERLOADING = 8;
const OVERLOAD_MS = 30_000;
/** After the load everything must be right within that. */
const AFTER_LOAD_MS = 10_000;
const OVERLOAD = [exclusive(1), shared(), bestEffort()];
/** Of each worker, at one time. */
const MOST_PODS = 4;

/** Any kind, of up to three CPUs. */
function anyPod(random: Random, cpus: readonly number[]): PodWish {
  const some = () => cpus[random.below(cpus.length - 1) + 1] ?? 1;
  const kinds = [
    () => exclusive(1 + random.below(3)),
    () => pinned(`${some()}`),
    () => shared(),
    () => bestEffort(),
    () => shared(forbidding(`${some()},${some()}`)),
    () => exclusive(1, forbidding(`${some()}`)),
  ];
  return kinds[random.below(kinds.length)]?.() ?? shared();
}

/** Creates and ends pods of all kinds; the whole node is looked at after every step. */
async function churn(bench: Bench, worker: number, seed: number, endMs: number): Promise<number> {
  const random = new Random(seed + worker);
  const mine: string[] = [];
  let steps = 0;
  for (; Date.now() < endMs; steps++) {
    if (mine.length > 0 && (mine.length >= MOST_PODS || random.below(3) === 0)) {
      const [name = ""] = mine.splice(random.below(mine.length), 1);
      await bench.end(name);
    } else {
      const name = `chaos-${worker}-${steps}`;
      await bench.run(name, anyPod(random, bench.cpus));
      mine.push(name);
    }
  }
  if (mine.length > 0) await bench.end(...mine);
  return steps;
}

async function chaos(bench: Bench): Promise<void> {
  const seed = Number(Deno.env.get("E2E_SEED") || Math.trunc(Math.random() * 2 ** 31));
  bench.log(`again with E2E_SEED=${seed}`);
  await bench.run("shared", shared());
  const before = await bench.cpusOf("shared");
  const endMs = Date.now() + CHAOS_MS;
  const steps = await Promise.all(
    Array.from({ length: WORKERS }, (_, worker) => churn(bench, worker, seed, endMs)),
  );
  bench.log(`${steps} steps`);
  expectThat(steps.every((count) => count > 0), `a worker did nothing: ${steps}`);
  await bench.settles(async () => expectCpus("the pool after all", await bench.cpusOf("shared"), before));
}

/** More at once than a small machine can do: each worker's pods follow each other as soon as it is known what became of them. */
async function overloaded(bench: Bench): Promise<void> {
  const endMs = Date.now() + OVERLOAD_MS;
  const worker = async (number: number) => {
    let before: string | undefined;
    for (let round = 0; Date.now() < endMs; round++) {
      const name = `over-${number}-${round}`;
      await bench.create(name, OVERLOAD[(number + round) % OVERLOAD.length] ?? shared());
      await bench.until(name, "to run, to be refused or to wait for a node", isDecided);
      if (before !== undefined) await bench.delete(before);
      before = name;
    }
    return before;
  };
  const left = await Promise.all(Array.from({ length: OVERLOADING }, (_, number) => worker(number)));
  await bench.check(AFTER_LOAD_MS);
  bench.log(`right after the load, with ${left} left`);
}

/** Undefined as long as it isn't known whether it will run. */
function isDecided({ status }: KubePod): true | undefined {
  const isScheduled = status.conditions?.find(({ type }) => type === "PodScheduled")?.status !== "False";
  const [{ state } = { state: undefined }] = status.containerStatuses ?? [];
  return !isScheduled || state?.running || /cpuset: /.test(state?.waiting?.message ?? "") ? true : undefined;
}

async function hundred(bench: Bench): Promise<void> {
  const pods = Object.fromEntries(
    Array.from({ length: 100 }, (_, at) => [`many-${at}`, at % 4 === 0 ? exclusive(1) : shared()] as const),
  );
  await bench.runAll(pods);
  const own = await Promise.all(
    Object.keys(pods).filter((_, at) => at % 4 === 0).map((name) => bench.cpusOf(name)),
  );
  expectThat(new Set(own.flat()).size === 25, `25 pods with one CPU each have ${listText(own.flat())}`);
  await bench.end(...Object.keys(pods));
}

/** Annotated pods, which the scheduler doesn't count, take what integer pods want: some are refused, with numbers. */
async function exhausted(bench: Bench): Promise<void> {
  const half = bench.cpus.length / 2;
  await bench.run("runs", exclusive(half - 4));
  const before = await bench.cpusOf("runs");
  const rest = bench.cpus.filter((cpu) => !before.includes(cpu));
  await bench.run("annotated", pinned(listText(rest.slice(0, half - 4))));
  const names = ["a", "b", "c"];
  await Promise.all(names.map((name) => bench.create(name, exclusive(8))));
  for (const name of names) {
    expectText(
      "the refusal",
      await bench.refusal(name),
      new RegExp(`needs 8 exclusive CPUs, \\d+ (is|are) free \\(${bench.cpus.length} online`),
    );
  }
  await bench.check();
  expectCpus("the pod that runs", await bench.cpusOf("runs"), before);
  await bench.end(...names);
}

/** They are ended before they run, while they start, and as soon as they do. */
async function rapid(bench: Bench): Promise<void> {
  await bench.run("stays", exclusive(2));
  const before = await bench.cpusOf("stays");
  for (let round = 0; round < 6; round++) {
    const names = [0, 1, 2, 3].map((each) => `rapid-${round}-${each}`);
    await Promise.all(names.map((name, at) => bench.create(name, at % 2 === 0 ? exclusive(2) : shared())));
    if (round % 3 === 1) await bench.until(names[0] ?? "", "to have a node", ({ spec }) => spec.nodeName);
    if (round % 3 === 2) await bench.running(names[0] ?? "");
    await bench.end(...names);
  }
  expectCpus("the pod that stays", await bench.cpusOf("stays"), before);
}

export const stress: Suite = {
  name: "Stress / chaos",
  tests: [
    { name: "rapid creation and deletion", needs: 10, alone: true, run: rapid },
    { name: "four workers create and end pods of all kinds", needs: 40, alone: true, run: chaos },
    {
      name: "eight workers overload the node: right within 10 s after",
      needs: 1,
      own: true,
      run: overloaded,
    },
    { name: "a hundred creations at once", needs: 25, alone: true, run: hundred },
    { name: "exhaustion: clear refusals, and what runs stays", needs: 62, alone: true, run: exhausted },
  ],
};
