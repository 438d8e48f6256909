/** Runs one target on a thread of its own, so that whoever watches it can end it when it hangs. */
import { type Job, type Result, targetsOf } from "./job.ts";
import { runTarget } from "./run.ts";

/** Bytes of live objects; undefined where that can't be known. */
function heap(): number | undefined {
  const { gc } = globalThis as { gc?: () => void };
  if (gc === undefined) return undefined;
  gc();
  gc();
  return Deno.memoryUsage().heapUsed;
}

async function work({ module, name, seed, inputs, progress }: Job): Promise<Result> {
  const target = (await targetsOf(module)).find((each) => each.name === name);
  if (target === undefined) throw new Error(`there is no target ${name}`);
  const words = new Int32Array(progress);
  let slowest = { index: 0, milliseconds: 0 };
  let [last, since] = [0, performance.now()];
  const begun = (index: number) => {
    const now = performance.now();
    if (now - since > slowest.milliseconds) slowest = { index: last, milliseconds: now - since };
    [last, since] = [index, now];
    Atomics.store(words, 0, index);
    Atomics.add(words, 1, 1);
  };
  const start = performance.now();
  // What is compiled and cached at first is no growth.
  const warm = Math.floor(inputs / 5);
  const first = await runTarget(target, { seed, from: 0, to: warm }, begun);
  const before = heap();
  since = performance.now();
  const failure = first ?? await runTarget(target, { seed, from: warm, to: inputs }, begun);
  begun(inputs);
  if (failure !== undefined) return { failure };
  const milliseconds = performance.now() - start;
  const after = heap();
  const growth = before === undefined || after === undefined ? undefined : after - before;
  return { figures: { milliseconds, slowest, growth } };
}

const scope = self as unknown as {
  onmessage: (event: MessageEvent<Job>) => void;
  postMessage(result: Result): void;
};
scope.onmessage = async ({ data }) => scope.postMessage(await work(data));
