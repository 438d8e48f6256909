import assert from "node:assert/strict";
import { repository } from "../../node/requirements.ts";

/** What `sample.ts` has seen. */
export interface Sampled {
  /** How often it looked, the longest time in milliseconds from one look to the next, and for how long it did. */
  readonly samples: number;
  readonly longestMs: number;
  readonly seconds: number;
  /** The tasks that it met, and those that might run on a CPU on which they must not. */
  readonly tasks: number;
  readonly tasksHit: number;
  /** The same, each counted every time that it was looked at. */
  readonly hits: number;
  /** Looks that met a task while the kernel was moving it into its cgroup. */
  readonly moving: number;
  /** The first hit, in words. */
  readonly first: string;
}

/** Looks at all tasks below the cgroup directories `classes` while `body` runs: may they run on one of `cpus`? */
export async function sampledDuring(
  classes: readonly string[],
  cpus: readonly number[],
  body: () => Promise<void>,
): Promise<Sampled> {
  const words = ["run", "--quiet", "--allow-all", "--no-check", "--no-config", "--no-lock"];
  const child = new Deno.Command(Deno.execPath(), {
    args: [...words, `${repository}/tests/system/vm/sample.js`, `${cpus}`, ...classes],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const said = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  try {
    assert.match((await said.read()).value ?? "", /looking/, "the sampler doesn't start");
    await body();
  } finally {
    await child.stdin.close();
  }
  let text = "";
  for (let part = await said.read(); !part.done; part = await said.read()) text += part.value;
  assert((await child.status).success, "the sampler failed");
  return JSON.parse(text);
}
