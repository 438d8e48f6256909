/** Masks of threads, given from outside as by taskset(1). */
import assert from "node:assert/strict";
import { online } from "./machine.ts";

/** Since Linux 6.2 the mask of a thread outlasts what is written into its cgroup. */
const [major = 0, minor = 0] = Deno.osRelease().split(".").map(Number);
export const MASKS_LAST = major > 6 || (major === 6 && minor >= 2);

const { symbols: { sched_setaffinity } } = Deno.dlopen("libc.so.6", {
  sched_setaffinity: { parameters: ["i32", "usize", "buffer"], result: "i32" },
});

/** As taskset(1) does it, for one thread; CPUs below 32. */
export function taskset(tid: number, cpus: readonly number[]): void {
  const mask = new Uint32Array([cpus.reduce((mask, cpu) => mask | (1 << cpu), 0)]);
  const bytes = new Uint8Array(8);
  bytes.set(new Uint8Array(mask.buffer));
  assert.equal(sched_setaffinity(tid, 8n, bytes), 0, `thread ${tid}`);
}

/**
 * Lets `body` run while the containerd in `dir` is kept on these CPUs, as by CPUAffinity of its unit: what it starts meanwhile
 * has that mask too, a shim with each pod.
 */
export async function withRuntimeOn(
  dir: string,
  cpus: readonly number[],
  body: () => Promise<void>,
): Promise<void> {
  const threads = threadsOf(containerd(dir));
  for (const thread of threads) taskset(thread, cpus);
  try {
    await body();
  } finally {
    for (const thread of threads) taskset(thread, online());
  }
}

/** The process of the containerd in `dir`. */
function containerd(dir: string): number {
  const pids = [...Deno.readDirSync("/proc")].map(({ name }) => Number(name)).filter((pid) => pid > 0);
  const found = pids.filter((pid) => commandOf(pid).endsWith(`--config\0${dir}/config.toml\0`));
  assert.equal(found.length, 1, `${found}`);
  return found[0] ?? 0;
}

/** Empty where it has ended. */
function commandOf(pid: number): string {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/cmdline`);
  } catch {
    return "";
  }
}

function threadsOf(pid: number): number[] {
  return [...Deno.readDirSync(`/proc/${pid}/task`)].map(({ name }) => Number(name));
}
