/** The benchmark's ways through an agent's life, on the executable, in a hurry: what they give isn't looked at. */
import assert from "node:assert/strict";
import { ours } from "../../tools/bench/events.ts";
import { measureCell } from "../../tools/bench/side_by_side.ts";
import { Stage } from "../../tools/bench/stage.ts";

const EXECUTABLE = new URL("../../dist/weka-cpuset", import.meta.url).pathname;
const HURRY = { firstStarts: 1, restarts: 1, warmUp: 0, least: 30, most: 30, measureMs: 0, restMs: 0 };

Deno.test({
  name: "the benchmark: two agents start, restart, and serve more exclusive pods than there are CPUs",
  // The harness loads libc for the life of the process.
  sanitizeResources: false,
  async fn() {
    await Stage.with([{ name: "", executable: EXECUTABLE }], () => {}, async (stage) => {
      const [machine] = stage.machines;
      assert(machine !== undefined);
      const programs = (["kernel-first", "runtime"] as const).map((apply) => ours(apply, EXECUTABLE, apply));
      const samples = await measureCell(stage, programs, { machine, live: 20 }, HURRY);
      for (const [what, byProgram] of samples) {
        for (const [program, values] of byProgram) assert(values.length > 0, `${what}, ${program}`);
        assert(byProgram.size === programs.length);
      }
      assert.deepEqual([...samples.get("create exclusive")?.values() ?? []].map(({ length }) => length), [
        30,
        30,
      ]);
    });
  },
});
