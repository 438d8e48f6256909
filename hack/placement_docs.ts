/**
 * docs/placement.md: the scenarios of tests/scenarios whose head has a `draw` line, drawn. A CPU is its id and its
 * owner's mark; columns are cores, rows their threads; `|` parts the cache groups of a NUMA node.
 *
 *     deno run --allow-all hack/placement_docs.ts
 */
import { CpuSet } from "../src/cpu/cpu_set.ts";
import type { Topology } from "../src/cpu/topology.ts";
import { kubeletDistributed, kubeletPacked } from "../tests/unit/cpu/kubelet_oracle.ts";
import { topologyOf } from "../tests/kit/sysfs.ts";
import { Player } from "../tests/scenarios/play.ts";
import { parseScript, type Script } from "../tests/scenarios/script.ts";
import { eventText, type ScriptEvent } from "../tests/scenarios/words.ts";

const ROOT = new URL("..", import.meta.url);
const FILE = new URL("docs/placement.md", ROOT);
const SCRIPTS = new URL("tests/scenarios/", ROOT);
const COMMAND = "deno run --allow-all hack/placement_docs.ts";

const HEAD = `# Which CPUs, and why

What an exclusive container gets, in the order in which it matters:

1. everything in one last-level cache, else in one NUMA node, else in one socket, else in as few sockets and nodes as can be;
2. whole cores;
3. for an odd CPU, a core that others have broken already;
4. the place with the least to spare, so that large places stay free for large claims;
5. the lowest numbers. CPU 0's core is given away last.

The drawings below are made from scenarios in [tests/scenarios](../tests/scenarios) that the tests play on the agent itself, so they are what it does. A column is a core and a row its threads; behind each CPU's number stands who has it: a letter, a dot for the shared pool, a dash for nobody. \`|\` parts caches. Where nothing is changed while it runs, kubelet's static CPU manager stands beside it, as [its documented behaviour](../tests/unit/cpu/kubelet_oracle.ts) has it: with CPU 0 reserved, since it demands one, and with the option distribute-cpus-across-numa beside \`spread\`. It knows no forbidden CPUs.

<!-- made by ${COMMAND} -->
`;

/** Who has what at some moment. */
interface State {
  /** Containers with CPUs of their own, in the order in which they came. */
  readonly owners: ReadonlyMap<string, CpuSet>;
  readonly pool: CpuSet;
}

const NOTHING: State = { owners: new Map(), pool: CpuSet.empty };

type Marks = ReadonlyMap<string, string>;

/** The whole document, as it should be. */
export function placementDocs(): string {
  const drawn = [...Deno.readDirSync(SCRIPTS)].map(({ name }) => name)
    .filter((name) => name.endsWith(".txt") && !name.endsWith(".todo.txt")).sort()
    .flatMap((name) => chapter(name, parseScript(Deno.readTextFileSync(new URL(name, SCRIPTS)), name)));
  return [HEAD, ...drawn].join("\n");
}

function chapter(name: string, script: Script): string[] {
  const { caption, sentence, blocks } = script;
  if (caption === undefined) return [];
  const events = blocks.map(({ events }) => events.map(({ event }) => event));
  const states = played(script);
  const [before = NOTHING, after = NOTHING] = [states.at(-2), states.at(-1)];
  const marks = marksOf(events.flat());
  const map = (state: State) => cpuMap(topologyOf(script.machine), state, marks);
  const live = changes(events.flat());
  const theirs = live ? NOTHING : kubelets(topologyOf(script.machine), events.flat());
  const picture = live
    ? sideBySide([["before", map(before)], ["after", map(after)]])
    : sideBySide([["this agent", map(after)], ["kubelet", map(theirs)]]);
  const lines = [...events.flat().map(eventText), "", ...picture, "", ...legend(after, theirs, marks)];
  return [
    `## ${sentence.replace(/\.$/, "")}\n\n${caption}\n`,
    `\`\`\`\n${lines.join("\n")}\n\`\`\`\n`,
    `([${name}](../tests/scenarios/${name}))\n`,
  ];
}

/** The state after each block. */
function played(script: Script): State[] {
  const player = new Player(script);
  return script.blocks.map(({ events }) => {
    for (const { event } of events) player.event(event);
    const { assignments, sharedPool } = player.link.agent.state.ledger;
    const names = [...player.runtime.boxes.keys()];
    const grants = names.map((name) => [name, assignments.get(name)?.grant ?? CpuSet.empty] as const);
    return { owners: new Map(grants.filter(([, cpus]) => !cpus.isEmpty)), pool: sharedPool };
  });
}

/**
 * What kubelet's static policy would have chosen for the same containers, one after the other. It demands a reserved
 * CPU, which is CPU 0.
 */
function kubelets(topology: Topology, events: readonly ScriptEvent[]): State {
  const owners = new Map<string, CpuSet>();
  let pool = topology.online;
  for (const { verb, subject, words } of events) {
    const count = Number(words.get("cpus") ?? 0);
    const choose = words.get("placement") === "spread" ? kubeletDistributed : kubeletPacked;
    const cpus = verb === "run" && count > 0
      ? choose(topology, pool.difference(CpuSet.of(0)), count)
      : undefined;
    if (cpus !== undefined) owners.set(subject, cpus);
    if (verb === "end") owners.delete(subject);
    pool = topology.online.difference(CpuSet.unionOf(owners.values()));
  }
  return { owners, pool };
}

/** Whether somebody's CPUs are changed while it runs, so that before and after are worth a picture each. */
function changes(events: readonly ScriptEvent[]): boolean {
  return events.some(({ verb, words }) => verb === "update" || verb === "offline" || words.has("cores-ids"));
}

/** For each container the first letter of its name that no other one has. */
function marksOf(events: readonly ScriptEvent[]): Marks {
  const marks = new Map<string, string>();
  for (const { verb, subject } of events) {
    const used = new Set(marks.values());
    if (verb === "run") marks.set(subject, [...subject].find((letter) => !used.has(letter)) ?? "?");
  }
  return marks;
}

/** A few lines for each NUMA node. */
function cpuMap(topology: Topology, { owners, pool }: State, marks: Marks): string[] {
  const markOf = (cpu: number) => {
    const [owner] = [...owners].find(([, cpus]) => cpus.has(cpu)) ?? [];
    if (owner === undefined) return pool.has(cpu) ? "." : "-";
    return marks.get(owner) ?? "?";
  };
  const width = `${topology.online.toArray().at(-1) ?? 0}`.length + 1;
  return topology.nodes.flatMap(({ id, cpus }) => {
    const cores = topology.cores.filter((core) => cpus.has(core.id));
    const threads = Math.max(0, ...cores.map((core) => core.threads.length));
    const rows = Array.from({ length: threads }, (_, row) =>
      cores.map((core, index) => {
        const cpu = core.threads[row];
        const parted = index > 0 && core.cacheGroup !== cores[index - 1]?.cacheGroup ? " |" : "";
        return `${parted} ${(cpu === undefined ? "" : `${cpu}${markOf(cpu)}`).padStart(width)}`;
      }).join(""));
    const socket = cores[0]?.socket ?? 0;
    const title = topology.groups.sockets.length > 1 ? `socket ${socket}, node ${id}` : `node ${id}`;
    return topology.nodes.length > 1 ? [title, ...rows] : rows;
  });
}

function legend({ owners }: State, theirs: State, marks: Marks): string[] {
  return [...owners].map(([name, cpus]) => {
    const other = theirs.owners.get(name);
    return `${marks.get(name)}  ${name}: ${cpus}${other === undefined ? "" : `; kubelet: ${other}`}`;
  });
}

/** Titled pictures next to each other. */
function sideBySide(pictures: readonly (readonly [title: string, lines: readonly string[]])[]): string[] {
  const columns = pictures.map(([title, lines]) => [title, ...lines]);
  const height = Math.max(...columns.map((lines) => lines.length));
  const widths = columns.map((lines) => Math.max(...lines.map((line) => line.length)));
  return Array.from(
    { length: height },
    (_, row) =>
      columns.map((lines, index) => (lines[row] ?? "").padEnd(widths[index] ?? 0)).join("      ").trimEnd(),
  );
}

if (import.meta.main) Deno.writeTextFileSync(FILE, placementDocs());
