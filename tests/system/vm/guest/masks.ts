import assert from "node:assert/strict";
import { allowedCpus, cpusetDirectory, numbers, online, without } from "../../node/machine.ts";
import { exclusive, pinned } from "../../node/pods.ts";
import type { Scene } from "./scene.ts";
import type { Check } from "./story.ts";

/** Since Linux 6.2 the mask of a thread outlasts what is written into its cgroup. */
const [major = 0, minor = 0] = Deno.osRelease().split(".").map(Number);
const LASTS = major > 6 || (major === 6 && minor >= 2);

/** Threads with masks of their own: a program's, and what a runtime hands on. */
export async function masks(scene: Scene, check: Check): Promise<void> {
  await check("a claim that would move a pod which has pinned its own threads is refused", async () => {
    await scene.prepare({ tight: exclusive(2) });
    await scene.claim("tight");
    const cpus = scene.of("tight");
    const [first = 0, second = 0] = cpus;
    taskset(scene.the("tight").pid, [first]);
    await scene.prepare({ wide: pinned(`${second}`) });
    await scene.assertRefused(
      "wide",
      /held exclusively by .*, which may not be moved: it pins its own threads/,
    );
    assert.deepEqual(allowedCpus(scene.the("tight").pid), [first]);
    taskset(scene.the("tight").pid, online());
    await scene.assertRefused("wide", /it pins its own threads/);
    await scene.end("tight");
    await scene.settles();
  });

  await check(
    "what a container inherits from its runtime's mask is seen before its program runs",
    async () => {
      const said = scene.agent.lines.length;
      // CPU N's sibling is N + 8: half of each core.
      const half = online().filter((cpu) => cpu < 8);
      const runtime = threadsOf(containerd(scene.node.dir));
      for (const thread of runtime) taskset(thread, half);
      try {
        await scene.prepare({ narrow: exclusive(2) });
        await scene.claim("narrow");
      } finally {
        for (const thread of runtime) taskset(thread, online());
      }
      const { pid } = scene.the("narrow");
      const set = numbers(Deno.readTextFileSync(`${cpusetDirectory(pid)}/cpuset.cpus`));
      const rest = without(set, half);
      assert.deepEqual([set.length, rest.length], [2, 1], `${set}`);
      if (LASTS) {
        assert.deepEqual(allowedCpus(pid), without(set, rest));
        await scene.agent.says(
          /container narrowed: its threads may use a part of its CPUs.*CPUAffinity/,
          said,
        );
      } else {
        assert.deepEqual(allowedCpus(pid), set);
        assert.deepEqual(scene.agent.lines.slice(said).filter((line) => line.includes("narrowed")), []);
      }
      await scene.end("narrow");
      await scene.settles();
    },
  );
}

const { symbols: { sched_setaffinity } } = Deno.dlopen("libc.so.6", {
  sched_setaffinity: { parameters: ["i32", "usize", "buffer"], result: "i32" },
});

/** As taskset(1) does it, for one thread. */
function taskset(tid: number, cpus: readonly number[]): void {
  const mask = new Uint32Array([cpus.reduce((mask, cpu) => mask | (1 << cpu), 0)]);
  const bytes = new Uint8Array(8);
  bytes.set(new Uint8Array(mask.buffer));
  assert.equal(sched_setaffinity(tid, 8n, bytes), 0, `thread ${tid}`);
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
