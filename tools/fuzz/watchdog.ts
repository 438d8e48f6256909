/** Lets a target run on another thread, and ends it when one input takes too long. */
import { literal } from "./literal.ts";
import { inputOf } from "./run.ts";
import { type Job, type Result, targetsOf } from "./job.ts";

/** From one check of the progress to the next. */
const CHECK_MS = 250;

/** Runs a target; an input that passes its deadline is a failure like any other, but isn't made smaller. */
export async function runWatched(order: Omit<Job, "progress">, deadlineMs: number): Promise<Result> {
  const progress = new SharedArrayBuffer(8);
  const words = new Int32Array(progress);
  const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
  const { promise, resolve, reject } = Promise.withResolvers<Result | "hangs">();
  worker.onmessage = ({ data }: MessageEvent<Result>) => resolve(data);
  worker.onerror = (event) => (event.preventDefault(), reject(new Error(event.message)));
  let [count, since] = [-1, performance.now()];
  const checking = setInterval(() => {
    const now = Atomics.load(words, 1);
    if (now !== count) [count, since] = [now, performance.now()];
    else if (performance.now() - since > deadlineMs) resolve("hangs");
  }, CHECK_MS);
  try {
    worker.postMessage({ ...order, progress } satisfies Job);
    const result = await promise;
    return result === "hangs" ? await hanging(order, Atomics.load(words, 0), deadlineMs) : result;
  } finally {
    clearInterval(checking);
    worker.terminate();
  }
}

async function hanging(
  { module, name, seed }: Omit<Job, "progress">,
  index: number,
  deadlineMs: number,
): Promise<Result> {
  const target = (await targetsOf(module)).find((each) => each.name === name);
  const input = target === undefined ? "" : literal(inputOf(target, seed, index));
  return { failure: { target: name, seed, index, input, error: `takes more than ${deadlineMs} ms` } };
}
