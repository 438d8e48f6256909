import type { Bench } from "../harness/bench.ts";
import { expectCpus, expectThat } from "../harness/expect.ts";
import { listText } from "../harness/overlaps.ts";
import { exclusive, pinned, shared } from "../harness/pods.ts";
import type { Suite } from "../harness/suite.ts";

const WATCHED_MS = 30_000;

/** Nobody ends or is restarted by being moved, for half a minute of moves. */
async function staysRunning(bench: Bench): Promise<void> {
  await bench.runAll({ integer: exclusive(2), shared: shared() });
  const end = Date.now() + WATCHED_MS;
  let moves = 0;
  while (Date.now() < end) {
    const before = await bench.cpusOf("integer");
    await bench.run("annotated", pinned(listText(before.slice(0, 1))));
    const after = await bench.cpusOf("integer");
    expectThat(listText(before) !== listText(after), "the integer pod wasn't moved");
    moves++;
    await bench.end("annotated");
  }
  bench.log(`${moves} moves`);
  for (const name of ["integer", "shared"]) {
    const [main] = bench.pod(name).status.containerStatuses ?? [];
    expectThat(main?.restartCount === 0 && main.state.running !== undefined, `${name} was restarted`);
  }
}

async function rapid(bench: Bench): Promise<void> {
  const integers = Array.from({ length: 5 }, (_, at) => `integer-${at}`);
  await bench.runAll(Object.fromEntries(integers.map((name) => [name, exclusive(2)])));
  const held = (await Promise.all(integers.map((name) => bench.cpusOf(name)))).flat();
  const annotated = held.map((cpu) => [`annotated-${cpu}`, pinned(`${cpu}`)] as const);
  await bench.runAll(Object.fromEntries(annotated));
  for (const cpu of held) expectCpus(`annotated-${cpu}`, await bench.cpusOf(`annotated-${cpu}`), [cpu]);
  for (const name of integers) {
    const own = await bench.cpusOf(name);
    expectThat(own.length === 2 && !own.some((cpu) => held.includes(cpu)), `${name} has ${listText(own)}`);
  }
}

async function poolGivesWay(bench: Bench): Promise<void> {
  await bench.run("shared", shared());
  await bench.run("annotated", pinned("3"));
  expectThat(!(await bench.cpusOf("shared")).includes(3), "the shared pod still has CPU 3");
  await bench.run("integer", exclusive(2));
  await bench.end("annotated");
  await bench.end("integer");
}

/** Resizes a container in place through the API, and resolves when kubelet says that it did. */
export async function resize(bench: Bench, name: string, cpu: string): Promise<void> {
  bench.log(`resize ${name} to ${cpu}`);
  const resources = { requests: { cpu }, limits: { cpu } };
  await bench.kube.patch(
    `/api/v1/namespaces/${bench.namespace}/pods/${name}/resize`,
    { spec: { containers: [{ name: "main", resources }] } },
    "strategic-merge",
  );
}

async function resizes(bench: Bench): Promise<void> {
  await bench.runAll({ integer: exclusive(2), shared: shared() });
  const two = await bench.cpusOf("integer");
  await resize(bench, "integer", "4");
  const four = await bench.settles(() => hasCount(bench, "integer", 4));
  expectThat(two.every((cpu) => four.includes(cpu)), `it grew from ${listText(two)} to ${listText(four)}`);
  await bench.check();
  await resize(bench, "integer", "1");
  const one = await bench.settles(() => hasCount(bench, "integer", 1));
  expectThat(one.every((cpu) => four.includes(cpu)), `it shrank from ${listText(four)} to ${listText(one)}`);
  await bench.check();
}

async function hasCount(bench: Bench, name: string, count: number): Promise<readonly number[]> {
  const own = await bench.cpusOf(name);
  expectThat(own.length === count, `${name} has ${listText(own)}, not ${count} CPUs`);
  return own;
}

async function infeasible(bench: Bench): Promise<void> {
  await bench.run("integer", exclusive(2));
  const before = await bench.cpusOf("integer");
  await resize(bench, "integer", `${bench.cpus.length * 2}`);
  await bench.until(
    "integer",
    "to be infeasible",
    ({ status }) =>
      status.conditions?.some(({ type, reason }) => type === "PodResizePending" && reason === "Infeasible") ||
      undefined,
  );
  expectCpus("the pod", await bench.cpusOf("integer"), before);
}

async function deferred(bench: Bench): Promise<void> {
  await bench.runAll({ integer: exclusive(2), large: exclusive(bench.cpus.length - 6) });
  await resize(bench, "integer", "8");
  await bench.until(
    "integer",
    "to be deferred",
    ({ status }) =>
      status.conditions?.some(({ type, reason }) => type === "PodResizePending" && reason === "Deferred") ||
      undefined,
  );
  expectThat((await bench.cpusOf("integer")).length === 2, "it was resized without room");
  await bench.end("large");
  await bench.settles(() => hasCount(bench, "integer", 8));
  await bench.check();
}

export const live: Suite = {
  name: "Live CPU Reallocation",
  tests: [
    { name: "the pool gives way to what is claimed", needs: 4, run: poolGivesWay },
    { name: "ten annotated pods over integers at once", needs: 30, run: rapid },
    { name: "pods stay running through half a minute of moves", needs: 4, run: staysRunning },
    { name: "a resize in place grows and shrinks", needs: 4, alone: true, run: resizes },
    { name: "an infeasible resize changes nothing", needs: 2, alone: true, run: infeasible },
    { name: "a deferred resize is done when there is room", needs: 63, alone: true, run: deferred },
  ],
};
