import type { Bench } from "../harness/bench.ts";
import { expectCpus, expectText, expectThat } from "../harness/expect.ts";
import { listText } from "../harness/overlaps.ts";
import { exclusive, pinned } from "../harness/pods.ts";
import type { Suite } from "../harness/suite.ts";

/** An annotated pod on the first `hit` CPUs of an integer pod with `count`. */
async function conflict(bench: Bench, count: number, hit: number): Promise<void> {
  await bench.run("integer", exclusive(count));
  const before = await bench.cpusOf("integer");
  const wanted = before.slice(0, hit);
  await bench.run("annotated", pinned(listText(wanted)));
  expectCpus("the annotated pod", await bench.cpusOf("annotated"), wanted);
  const after = await bench.cpusOf("integer");
  expectThat(
    after.length === count && !after.some((cpu) => wanted.includes(cpu)),
    `the integer pod went from ${listText(before)} to ${listText(after)}`,
  );
  const { status } = bench.pod("integer");
  expectThat(status.containerStatuses?.[0]?.restartCount === 0, "the integer pod was restarted");
  expectCpus(
    "the annotated pod's memory",
    (await bench.seen("annotated")).mems,
    bench.options.view.memsOf(wanted),
  );
}

/** The claim needs more room than there is for those who would have to move. */
async function impossible(bench: Bench): Promise<void> {
  const half = bench.cpus.length / 2 - 2;
  await bench.runAll({ one: exclusive(half), two: exclusive(half) });
  const [one, two] = [await bench.cpusOf("one"), await bench.cpusOf("two")];
  const message = await bench.refused(
    "annotated",
    pinned(listText([...one.slice(0, 4), ...two.slice(0, 4)])),
  );
  expectText(
    "the refusal",
    message,
    /held exclusively by .*; cannot reallocate it: moving it needs \d+ CPUs, \d+ (is|are) free/,
  );
  expectCpus("the first integer pod", await bench.cpusOf("one"), one);
  expectCpus("the second integer pod", await bench.cpusOf("two"), two);
}

async function whole(bench: Bench): Promise<void> {
  const { cores } = bench.options.view;
  const count = Math.max(...cores.map((core) => core.length));
  const isCore = async () => {
    const own = await bench.cpusOf("integer");
    return cores.some((core) => own.every((cpu) => core.includes(cpu)));
  };
  await bench.run("integer", exclusive(count));
  expectThat(await isCore(), "the CPUs of an integer pod on an empty node aren't one core");
  await bench.run("annotated", pinned(listText((await bench.cpusOf("integer")).slice(0, 1))));
  expectThat(await isCore(), "after the move its CPUs aren't one core");
}

async function unmovable(bench: Bench): Promise<void> {
  await bench.run("integer", exclusive(2, { "weka.io/movable": "false" }));
  const before = await bench.cpusOf("integer");
  const message = await bench.refused("annotated", pinned(listText(before.slice(0, 1))));
  expectText("the refusal", message, /cannot reallocate it: it may not be moved/);
  expectCpus("the integer pod", await bench.cpusOf("integer"), before);
}

export const conflicts: Suite = {
  name: "CPU Conflict Resolution",
  tests: [
    { name: "one conflicting CPU", needs: 3, run: (bench) => conflict(bench, 2, 1) },
    { name: "several conflicting CPUs", needs: 12, run: (bench) => conflict(bench, 8, 4) },
    { name: "all of an integer pod's CPUs", needs: 8, run: (bench) => conflict(bench, 4, 4) },
    { name: "a move completes cores", needs: 5, alone: true, run: whole },
    {
      name: "impossible: refused with numbers, the integer pods keep their CPUs",
      needs: 63,
      alone: true,
      run: impossible,
    },
    { name: "one that may not be moved isn't", needs: 3, run: unmovable },
  ],
};
