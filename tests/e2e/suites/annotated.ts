import type { Bench } from "../harness/bench.ts";
import { expectCpus, expectText, expectThat } from "../harness/expect.ts";
import { listText } from "../harness/overlaps.ts";
import { exclusive, pinned, shared } from "../harness/pods.ts";
import type { Suite } from "../harness/suite.ts";
import { numbers } from "../../system/node/machine.ts";

/** Lists that are refused, and what the refusal has to name. */
const INVALID: readonly (readonly [value: string, names: RegExp])[] = [
  ["999", /999/],
  ["0-", /"0-"/],
  ["a,b,c", /"a"/],
  ["0,,2", /0,,2|empty/],
  ["5-2", /reversed/],
  ["", /empty|names no CPU|CPU list/],
];

async function pins(bench: Bench, list: string): Promise<void> {
  await bench.run("pinned", pinned(list));
  expectCpus(`the pod with ${list}`, await bench.cpusOf("pinned"), numbers(list));
}

async function movesExclusive(bench: Bench): Promise<void> {
  await bench.run("integer", exclusive(2));
  const before = await bench.cpusOf("integer");
  const wanted = before.slice(0, 1);
  await bench.run("annotated", pinned(listText(wanted)));
  expectCpus("the annotated pod", await bench.cpusOf("annotated"), wanted);
  const after = await bench.cpusOf("integer");
  expectThat(
    after.length === 2 && !after.includes(wanted[0] ?? -1),
    `the integer pod has ${after} after the move`,
  );
}

async function holdsTheNode(bench: Bench): Promise<void> {
  const most = bench.cpus.slice(1, -2);
  await bench.run("annotated", pinned(listText(most)));
  const message = await bench.refused("integer", exclusive(4));
  expectText("the refusal", message, /needs 4 exclusive CPUs, \d+ (is|are) free/);
  await bench.end("annotated");
  await bench.running("integer");
  await bench.check();
}

async function staysAsThePoolChanges(bench: Bench): Promise<void> {
  await bench.run("annotated", pinned("2,4"));
  for (let round = 0; round < 3; round++) {
    await bench.runAll({ integer: exclusive(2), shared: shared() });
    expectCpus("the annotated pod", await bench.cpusOf("annotated"), [2, 4]);
    await bench.end("integer", "shared");
    expectCpus("the annotated pod", await bench.cpusOf("annotated"), [2, 4]);
  }
}

async function bindsMemory(bench: Bench): Promise<void> {
  const { memsOf, cpus } = bench.options.view;
  const ofNode = Map.groupBy(cpus, (cpu) => `${memsOf([cpu])}`);
  const [[first = 0] = [], [second = 0] = []] = [...ofNode.values()];
  await bench.runAll({
    one: pinned(`${first}`),
    several: pinned(listText([first, second])),
    integer: exclusive(1),
    shared: shared(),
  });
  expectCpus("memory nodes of CPUs on one node", (await bench.seen("one")).mems, memsOf([first]));
  expectCpus("memory nodes of CPUs on two", (await bench.seen("several")).mems, memsOf([first, second]));
  for (const name of ["integer", "shared"]) {
    expectCpus(`memory nodes of the ${name} pod`, (await bench.seen(name)).mems, memsOf(cpus));
  }
}

export const annotated: Suite = {
  name: "Annotated Pod",
  tests: [
    { name: "pins to one CPU", needs: 1, run: (bench) => pins(bench, "1") },
    { name: "pins to a list", needs: 5, run: (bench) => pins(bench, "0,2,4") },
    { name: "pins to ranges", needs: 7, run: (bench) => pins(bench, "0-2,6") },
    {
      name: "pods share CPUs with each other",
      needs: 5,
      run: async (bench) => {
        await bench.runAll({ one: pinned("0,2,4"), two: pinned("0,2,4"), three: pinned("2") });
        for (const name of ["one", "two"]) expectCpus(name, await bench.cpusOf(name), [0, 2, 4]);
        expectCpus("three", await bench.cpusOf("three"), [2]);
      },
    },
    ...INVALID.map(([value, names]) => ({
      name: `refuses ${value === "" ? "an empty list" : value}, and names what is wrong`,
      needs: 0,
      run: async (bench: Bench) => {
        const message = await bench.refused("wrong", pinned(value));
        expectText("the refusal", message, /weka\.io\/cores-ids/);
        expectText("the refusal", message, names);
      },
    })),
    { name: "memory nodes follow its CPUs, and are nobody else's", needs: 4, run: bindsMemory },
    {
      name: "an integer pod is refused when annotated pods hold all but too few",
      needs: 62,
      alone: true,
      run: holdsTheNode,
    },
    { name: "an annotated pod moves an integer pod off its CPUs", needs: 5, run: movesExclusive },
    { name: "stays as it is while the shared pool changes", needs: 6, run: staysAsThePoolChanges },
  ],
};
