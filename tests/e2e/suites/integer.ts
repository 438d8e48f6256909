import type { Bench } from "../harness/bench.ts";
import { expectCpus, expectText, expectThat } from "../harness/expect.ts";
import { bestEffort, exclusive, guaranteed, pinned, type PodWish, shared, small } from "../harness/pods.ts";
import type { Suite } from "../harness/suite.ts";
import { listText } from "../harness/overlaps.ts";

/** All at once; each has as many CPUs as it asked for, and no two have one in common. */
async function disjoint(bench: Bench, ...counts: readonly number[]): Promise<void> {
  const names = counts.map((count, at) => `integer-${at}-${count}`);
  await bench.runAll(Object.fromEntries(names.map((name, at) => [name, exclusive(counts[at] ?? 0)])));
  const sets = await bench.cpusTogether(...names);
  sets.forEach((set, at) => expectThat(set.length === counts[at], `${names[at]} has ${listText(set)}`));
  const all = sets.flat();
  expectThat(new Set(all).size === all.length, `the sets ${sets.map(listText).join(" and ")} overlap`);
}

async function isShared(bench: Bench, pod: PodWish): Promise<void> {
  await bench.run("other", exclusive(1));
  await bench.run("pod", pod);
  const [own = [], others = []] = await bench.cpusTogether("pod", "other");
  expectThat(
    !own.some((cpu) => others.includes(cpu)),
    `it has ${listText(own)}, of which others are claimed`,
  );
  // The node-wide check has compared it with the whole pool.
}

/** The scheduler doesn't count a pinned CPU, nor the one that is the pool's, so it sends a pod for which there is no room. */
async function refusedWithoutRoom(bench: Bench): Promise<void> {
  await bench.run("large", exclusive(bench.cpus.length - 5));
  await bench.run("shared", bestEffort());
  await bench.run("annotated", pinned("0"));
  const before = await bench.cpusOf("large");
  const message = await bench.refused("late", exclusive(4));
  expectText("the refusal", message, /needs 4 exclusive CPUs, 3 are free/);
  expectCpus("the pod that was there", await bench.cpusOf("large"), before);
  await bench.end("late");
  await bench.run("fits", exclusive(3));
}

async function poolShrinksAndGrows(bench: Bench): Promise<void> {
  await bench.run("shared", shared());
  await bench.run("integer", exclusive(2));
  const [taken = [], narrow = []] = await bench.cpusTogether("integer", "shared");
  expectThat(!narrow.some((cpu) => taken.includes(cpu)), `the shared pod has ${listText(narrow)}`);
  await bench.end("integer");
  await bench.settles(async () => {
    const wide = await bench.cpusOf("shared");
    expectThat(wide.length > narrow.length, `the shared pod still has ${listText(wide)}`);
  });
}

/** Client, compute and drive, as in deploy/samples: 1, 4 and 2 CPUs, the last one on CPUs of its own choice. */
async function trio(bench: Bench): Promise<void> {
  await bench.runAll({ client: exclusive(1), compute: exclusive(4), drive: exclusive(2) });
  const sets = await bench.cpusTogether("client", "compute", "drive");
  expectThat(new Set(sets.flat()).size === 7, `they have ${sets.map(listText).join(" and ")}`);
}

async function manyContainers(bench: Bench): Promise<void> {
  const side = { ...guaranteed("500m", "side") };
  await bench.run("several", { containers: [guaranteed("2", "one"), guaranteed("3", "two"), side] });
  const [one, two, third] = await bench.cpusTogether("several/one", "several/two", "several/side");
  expectThat(one?.length === 2 && two?.length === 3, `they have ${one} and ${two}`);
  expectThat(!third?.some((cpu) => one?.includes(cpu) || two?.includes(cpu)), `the side-car has ${third}`);
}

async function restartsInPlace(bench: Bench): Promise<void> {
  const dies = { ...guaranteed("2"), command: ["sh", "-c", "sleep 4; exit 1"] };
  await bench.run("again", { containers: [dies] });
  const before = await bench.cpusOf("again");
  await bench.until("again", "to be restarted", ({ status }) => {
    const [main] = status.containerStatuses ?? [];
    return main !== undefined && main.restartCount > 0 && main.state.running ? true : undefined;
  });
  expectCpus("the container's next life", await bench.cpusOf("again"), before);
}

async function completedFrees(bench: Bench): Promise<void> {
  await bench.run("shared", shared());
  await bench.create("job", {
    restartPolicy: "Never",
    containers: [{ ...guaranteed("2"), command: ["sh", "-c", "exit 0"] }],
  });
  await bench.until("job", "to complete", ({ status }) => status.phase === "Succeeded" ? true : undefined);
  await bench.settles(async () => {
    const free = bench.cpus.length - claimsOf(await bench.options.view.look()).size;
    const pool = (await bench.cpusOf("shared")).length;
    expectThat(pool === free, `the shared pod has ${pool} of ${free} CPUs after the job's end`);
  });
}

function claimsOf(all: readonly { wish: { kind: string }; cpus: readonly number[] }[]): Set<number> {
  return new Set(all.filter(({ wish }) => wish.kind !== "shared").flatMap(({ cpus }) => cpus));
}

async function staysMovable(bench: Bench): Promise<void> {
  await bench.run("integer", exclusive(2));
  const [first = 0] = await bench.cpusOf("integer");
  await bench.run("annotated", pinned(`${first}`));
  expectThat(!(await bench.cpusOf("integer")).includes(first), `the integer pod still has CPU ${first}`);
}

export const integer: Suite = {
  name: "Integer Pod",
  tests: [
    { name: "a 1-CPU pod has one of its own", needs: 1, run: (bench) => disjoint(bench, 1) },
    { name: "a 2-CPU pod has two exclusive CPUs", needs: 2, run: (bench) => disjoint(bench, 2) },
    { name: "two 1-CPU pods differ", needs: 2, run: (bench) => disjoint(bench, 1, 1) },
    { name: "5 and 7 CPUs, exact and disjoint", needs: 12, run: (bench) => disjoint(bench, 5, 7) },
    { name: "4 and 3 CPUs, disjoint", needs: 7, run: (bench) => disjoint(bench, 4, 3) },
    { name: "client, compute and drive are disjoint", needs: 7, run: trio },
    { name: "60 CPUs of 64", needs: 60, alone: true, run: (bench) => disjoint(bench, 60) },
    {
      name: "is refused without room, and nothing else changes",
      needs: 63,
      alone: true,
      run: refusedWithoutRoom,
    },
    {
      name: "1.5 CPUs are shared",
      needs: 2, // by what the scheduler counts
      run: (bench) => isShared(bench, { containers: [guaranteed("1500m")] }),
    },
    {
      name: "a request below the limit is shared",
      needs: 1,
      run: (bench) =>
        isShared(bench, {
          containers: [{
            ...small(),
            requests: { cpu: "1", memory: "16Mi" },
            limits: { cpu: "2", memory: "16Mi" },
          }],
        }),
    },
    {
      name: "the shared pool shrinks at admission and grows at the end",
      needs: 2,
      alone: true,
      run: poolShrinksAndGrows,
    },
    { name: "stays movable", needs: 3, run: staysMovable },
    { name: "several containers in a pod", needs: 5, run: manyContainers },
    { name: "a container that is restarted has its CPUs again", needs: 2, alone: true, run: restartsInPlace },
    { name: "a completed pod frees its CPUs", needs: 2, run: completedFrees },
  ],
};
