// Programs that are measured side by side: each has a node of its own, and all of them take turns in each round, so that
// whatever else the machine does meets all alike.

import { create } from "@bufbuild/protobuf";
import { type LinuxResources, LinuxResourcesSchema } from "../../src/nri/gen/nri_pb.ts";
import { type Contestant, placed, Side } from "./side.ts";
import type { Machine, Stage } from "./stage.ts";
import { EXCLUSIVE_CPUS, type Named, pinnedTo } from "./subjects.ts";

/** What was measured, by what it is and by the program's name; of one thing the programs' measurements are in pairs. */
export type Samples = Map<string, Map<string, number[]>>;

/** What a container is, and how it is updated once it runs. */
interface Kind {
  readonly name: string;
  readonly wants: Omit<Named, "name">;
  readonly update: LinuxResources;
}

const PERIOD = 100_000;
const MORE_MEMORY = create(LinuxResourcesSchema, { memory: { limit: { value: 2n ** 30n } } });
const MORE_CPUS = create(LinuxResourcesSchema, {
  cpu: {
    shares: { value: BigInt(2 * EXCLUSIVE_CPUS * 1024) },
    quota: { value: BigInt(2 * EXCLUSIVE_CPUS * PERIOD) },
    period: { value: BigInt(PERIOD) },
  },
});

/** Updates change the memory's limit, that of the exclusive container the number of its CPUs. */
const KINDS: readonly Kind[] = [
  { name: "shared", wants: {}, update: MORE_MEMORY },
  // CPU 0 is the last that would be given exclusively.
  { name: "pinned", wants: pinnedTo(0), update: MORE_MEMORY },
  { name: "exclusive", wants: { cpus: EXCLUSIVE_CPUS }, update: MORE_CPUS },
];

/** How often and how long one node is measured. */
export interface Pace {
  readonly firstStarts: number;
  readonly restarts: number;
  /** Rounds that don't count. */
  readonly warmUp: number;
  /** At least so many rounds, and more up to `most` as long as there is time. */
  readonly least: number;
  readonly most: number;
  /** For each program. */
  readonly measureMs: number;
  readonly restMs: number;
}

/** The rest is the longest of the agent's periods. */
const PACE: Pace = {
  firstStarts: 3,
  restarts: 5,
  warmUp: 3,
  least: 12,
  most: 60,
  measureMs: 6000,
  restMs: 10_000,
};

/** Names of what is measured; requests are `create shared`, `stop exclusive` and so on, in ms. */
export const REGISTERED = "registered";
export const SYNCHRONIZED = "synchronized, at first";
export const RESTARTED = "synchronized, again";
export const RESIDENT = "resident, at rest";
export const AT_REST = "CPU time of ten seconds at rest";
export const cpuOf = (kind: string): string => `CPU time of 1000 requests, ${kind}`;
export const REQUESTS = KINDS.flatMap(({ name }) =>
  ["create", "update", "stop", "stop pod of"].map((request) => `${request} ${name}`)
);
export const ALL_KINDS = cpuOf("all kinds alike");
export const CPU_TIMES = [...KINDS.map(({ name }) => cpuOf(name)), ALL_KINDS];

/** One node: so many containers that live on such a machine. */
export interface Cell {
  readonly machine: Machine;
  readonly live: number;
}

/** Measures all programs on one node. */
export async function measureCell(
  { dir, trees }: Pick<Stage, "dir" | "trees">,
  contestants: readonly Contestant[],
  { machine, live }: Cell,
  pace = PACE,
): Promise<Samples> {
  const samples = noSamples(contestants);
  await using stack = new AsyncDisposableStack();
  const sides: Side[] = [];
  for (let run = 1; run <= pace.firstStarts; run++) {
    for (const [at, contestant] of contestants.entries()) {
      const folders = { dir: `${dir}/side${at}`, cgroups: `${trees}/cgroup${at}` };
      const { side, started } = await Side.start(contestant, machine, live, folders);
      add(samples, REGISTERED, contestant, started.registered);
      add(samples, SYNCHRONIZED, contestant, started.synchronized);
      if (run === pace.firstStarts) sides.push(stack.use(side));
      else await side[Symbol.asyncDispose]();
    }
  }
  for (const side of sides) await side.settled();
  for (let run = 0; run < pace.restarts; run++) {
    for (const side of rotated(sides, run)) {
      const { registered, synchronized } = await side.restart();
      add(samples, REGISTERED, side.contestant, registered);
      add(samples, RESTARTED, side.contestant, synchronized);
    }
  }
  await measureRequests(sides, samples, pace);
  await measureRest(sides, samples, pace);
  return samples;
}

async function measureRequests(
  sides: readonly Side[],
  samples: Samples,
  { warmUp, least, most, measureMs }: Pace,
): Promise<void> {
  const began = performance.now();
  for (let round = -warmUp; round < most; round++) {
    if (round >= least && performance.now() - began > measureMs * sides.length) break;
    const cpu = new Map<Side, number>();
    for (const kind of KINDS) {
      for (const side of rotated(sides, round + warmUp)) {
        const took = await oneLife(side, kind, `event-${round + warmUp}`);
        cpu.set(side, (cpu.get(side) ?? 0) + (took[cpuOf(kind.name)] ?? NaN) / KINDS.length);
        if (round < 0) continue;
        for (const [what, value] of Object.entries(took)) add(samples, what, side.contestant, value);
      }
    }
    if (round >= 0) { for (const [side, ms] of cpu) add(samples, ALL_KINDS, side.contestant, ms); }
  }
}

/** A container comes, is updated and goes. Of each request the time, and of all the CPU time, in ms. */
async function oneLife(
  side: Side,
  { name: kind, wants, update }: Kind,
  name: string,
): Promise<Readonly<Record<string, number>>> {
  const { peer } = side;
  const [cpuBefore, requestsBefore] = [side.usage().cpuTime, peer.requests];
  const place = placed({ name: `${name}-${kind}`, ...wants });
  const { named } = place;
  const { took: created, cpus } = await peer.create(named);
  side.makeCgroup(place, cpus);
  await peer.start(named.name);
  const updated = await peer.update(named.name, update);
  side.removeCgroup(place);
  const { stop, stopPod } = await peer.end(named.name);
  await side.settled();
  const cpu = (side.usage().cpuTime - cpuBefore) / (peer.requests - requestsBefore) * 1000;
  return {
    [`create ${kind}`]: created,
    [`update ${kind}`]: updated,
    [`stop ${kind}`]: stop,
    [`stop pod of ${kind}`]: stopPod,
    [cpuOf(kind)]: cpu,
  };
}

async function measureRest(sides: readonly Side[], samples: Samples, { restMs }: Pace): Promise<void> {
  const before = sides.map((side) => side.usage().cpuTime);
  await new Promise((resolve) => setTimeout(resolve, restMs));
  for (const [at, side] of sides.entries()) {
    const { cpuTime, resident } = side.usage();
    add(samples, AT_REST, side.contestant, cpuTime - (before[at] ?? NaN));
    add(samples, RESIDENT, side.contestant, resident);
  }
}

function noSamples(contestants: readonly Contestant[]): Samples {
  const names = [REGISTERED, SYNCHRONIZED, RESTARTED, ...REQUESTS, ...CPU_TIMES, AT_REST, RESIDENT];
  return new Map(names.map((what) => [what, new Map(contestants.map(({ name }) => [name, []]))]));
}

function add(samples: Samples, what: string, { name }: Contestant, value: number): void {
  const list = samples.get(what)?.get(name);
  if (list === undefined) throw new Error(`${what} of ${name} isn't measured`);
  list.push(value);
}

/** Each round begins with another one. */
function rotated<T>(all: readonly T[], round: number): T[] {
  const first = round % all.length;
  return [...all.slice(first), ...all.slice(0, first)];
}
