import type { Bench } from "../harness/bench.ts";
import { expectCpus, expectText, expectThat } from "../harness/expect.ts";
import { listText } from "../harness/overlaps.ts";
import { bestEffort, exclusive, forbidding, pinned, shared } from "../harness/pods.ts";
import type { Suite } from "../harness/suite.ts";

/** Whether a pod that runs already stays off what others are given meanwhile. */
async function follows(bench: Bench): Promise<void> {
  await bench.runAll({ burstable: shared(), besteffort: bestEffort() });
  const clearOf = async (...others: readonly string[]) => {
    const [burstable = [], bestEffort = [], ...taken] = await bench.cpusTogether(
      "burstable",
      "besteffort",
      ...others,
    );
    const hit = taken.flat().filter((cpu) => burstable.includes(cpu) || bestEffort.includes(cpu));
    expectThat(hit.length === 0, `shared pods have ${listText(hit)} of ${others}`);
  };
  await bench.run("integer", exclusive(3));
  await clearOf("integer");
  await bench.run("annotated", pinned("8-9"));
  await clearOf("integer", "annotated");
  await bench.end("integer");
  await clearOf("annotated");
  await bench.end("annotated");
}

async function onePool(bench: Bench): Promise<void> {
  await bench.runAll({ one: shared(), two: shared(), three: bestEffort(), integer: exclusive(2) });
  await bench.settles(async () => {
    const [one = [], ...others] = await bench.cpusTogether("one", "two", "three");
    for (const other of others) expectCpus("pods of one pool", other, one);
  });
}

async function keptAsAnotherEnds(bench: Bench): Promise<void> {
  await bench.runAll({ stays: shared(), goes: shared(), integer: exclusive(2) });
  await bench.end("goes");
  const [own = [], taken = []] = await bench.cpusTogether("stays", "integer");
  expectThat(!own.some((cpu) => taken.includes(cpu)), `the pod that stays has ${listText(own)}`);
}

async function refusedWithEmptyPool(bench: Bench): Promise<void> {
  const all = listText(bench.cpus);
  const message = await bench.refused("nowhere", shared(forbidding(all)));
  expectText("the refusal", message, /forbids all of the shared pool/);
}

async function neverEmpty(bench: Bench): Promise<void> {
  await bench.run("shared", shared());
  await bench.run("large", exclusive(bench.cpus.length - 2));
  expectThat((await bench.cpusOf("shared")).length === 2, "the shared pod hasn't what is left");
  const most = listText(await bench.cpusOf("shared"));
  const message = await bench.refused("rest", pinned(most));
  expectText("the refusal", message, /would leave 0 for the shared pool/);
}

export const sharedSuite: Suite = {
  name: "Shared Pod",
  tests: [
    {
      name: "is confined to the pool",
      needs: 1,
      run: async (bench) => {
        await bench.run("integer", exclusive(1));
        await bench.run("shared", shared());
        const [own = [], taken = []] = await bench.cpusTogether("shared", "integer");
        expectThat(
          !own.some((cpu) => taken.includes(cpu)),
          `it has ${listText(own)}, with ${listText(taken)} claimed`,
        );
      },
    },
    { name: "several share one pool", needs: 2, alone: true, run: onePool },
    { name: "one that runs follows each admission and end", needs: 10, run: follows },
    { name: "is kept when another shared pod ends", needs: 2, run: keptAsAnotherEnds },
    { name: "is refused when it forbids the whole pool", needs: 0, run: refusedWithEmptyPool },
    { name: "the pool is never empty", needs: 63, alone: true, run: neverEmpty },
  ],
};
