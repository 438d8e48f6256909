import type { Bench } from "../harness/bench.ts";
import { expectCpus, expectThat } from "../harness/expect.ts";
import { listText } from "../harness/overlaps.ts";
import { exclusive, forbidding, pinned, type PodWish, shared } from "../harness/pods.ts";
import type { Suite } from "../harness/suite.ts";
import { numbers, without } from "../../system/node/machine.ts";

async function avoids(bench: Bench, pod: PodWish, forbidden: string): Promise<void> {
  await bench.run("avoiding", pod);
  const hit = (await bench.cpusOf("avoiding")).filter((cpu) => numbers(forbidden).includes(cpu));
  expectThat(hit.length === 0, `it has ${listText(hit)} of the forbidden ${forbidden}`);
}

async function eachItsOwn(bench: Bench): Promise<void> {
  const sets = { one: "0-7", two: "1,3,5", three: "32-47" };
  await bench.runAll(
    Object.fromEntries(Object.entries(sets).map(([name, list]) => [name, shared(forbidding(list))])),
  );
  await bench.run("integer", exclusive(2));
  // The node-wide check compares each with the pool less its own.
  for (const [name, list] of Object.entries(sets)) {
    const hit = (await bench.cpusOf(name)).filter((cpu) => numbers(list).includes(cpu));
    expectThat(hit.length === 0, `${name} has ${listText(hit)} of the forbidden ${list}`);
  }
}

async function invalidIsIgnored(bench: Bench): Promise<void> {
  await bench.runAll({
    wrong: shared(forbidding("5-2,x")),
    integer: exclusive(2, forbidding("-")),
    right: shared(),
  });
  await bench.settles(async () =>
    expectCpus("the pod with an invalid list", await bench.cpusOf("wrong"), await bench.cpusOf("right"))
  );
}

async function annotatedIgnores(bench: Bench): Promise<void> {
  await bench.run("both", pinned("2-3", forbidding("2-5")));
  expectCpus("the annotated pod", await bench.cpusOf("both"), [2, 3]);
}

async function lastsThroughPoolChanges(bench: Bench): Promise<void> {
  await bench.run("avoiding", shared(forbidding("0,2,4")));
  for (let round = 0; round < 2; round++) {
    await bench.run("integer", exclusive(3));
    await bench.run("annotated", pinned("6"));
    expectThat(
      !(await bench.cpusOf("avoiding")).some((cpu) => [0, 2, 4].includes(cpu)),
      "forbidden CPUs are back",
    );
    await bench.end("integer", "annotated");
    expectThat(
      !(await bench.cpusOf("avoiding")).some((cpu) => [0, 2, 4].includes(cpu)),
      "forbidden CPUs are back",
    );
  }
}

async function lastsThroughMoves(bench: Bench): Promise<void> {
  const forbidden = listText(without(bench.cpus, bench.cpus.slice(8, 16)));
  await bench.run("integer", exclusive(2, forbidding(forbidden)));
  const before = await bench.cpusOf("integer");
  await bench.run("annotated", pinned(listText(before)));
  const after = await bench.cpusOf("integer");
  expectThat(!after.some((cpu) => before.includes(cpu)), `the integer pod still has ${listText(after)}`);
  expectThat(!after.some((cpu) => numbers(forbidden).includes(cpu)), `it was moved to ${listText(after)}`);
}

export const forbidden: Suite = {
  name: "Forbidden CPU",
  tests: [
    {
      name: "an integer pod avoids 1,3,5",
      needs: 2,
      run: (bench) => avoids(bench, exclusive(2, forbidding("1,3,5")), "1,3,5"),
    },
    {
      name: "a shared pod avoids 0,2,4",
      needs: 1, // of the pool, on a node with two CPUs
      run: (bench) => avoids(bench, shared(forbidding("0,2,4")), "0,2,4"),
    },
    {
      name: "ranges",
      needs: 20,
      run: (bench) => avoids(bench, exclusive(4, forbidding("0-15,32-47")), "0-15,32-47"),
    },
    {
      name: "a small node: a shared pod avoids 1",
      needs: 1, // of the pool, on a node with two CPUs
      run: (bench) => avoids(bench, shared(forbidding("1")), "1"),
    },
    { name: "an invalid list is ignored, and the pod runs", needs: 2, alone: true, run: invalidIsIgnored },
    { name: "an annotated pod ignores it", needs: 2, run: annotatedIgnores },
    { name: "three shared pods with different lists", needs: 9, run: eachItsOwn },
    { name: "lasts through changes of the pool", needs: 7, run: lastsThroughPoolChanges },
    { name: "lasts through moves", needs: 16, alone: true, run: lastsThroughMoves },
  ],
};
