/**
 * A machine's CPUs and who may run on them, drawn with characters: a block for each NUMA node, in it a box for each
 * core with its threads side by side and its lowest CPU id above; and a legend. Pure: topology and owners in, text out.
 */
import { CpuSet } from "../cpu/cpu_set.ts";
import type { Core, Topology } from "../cpu/topology.ts";

/** A running container. */
export interface Owner {
  /** The one character that stands for it; shared containers aren't drawn one by one. */
  mark: string;
  kind: "pinned" | "exclusive" | "shared";
  name: string;
  cpus: CpuSet;
}

export interface MapStyle {
  /** Columns, at most. */
  width: number;
  /** With terminal colours; without them the text says the same. */
  colour: boolean;
}

/** A CPU that nobody has claimed. */
const POOL = ".";
/** Several pinned owners, which may share. */
const SEVERAL = "+";
/** Owners that must never meet. */
const CLASH = "!";

const PALETTE = [32, 33, 34, 35, 36, 92, 93, 94, 95, 96];
const DIM = 2;
const RED_GROUND = 41;
const GAP = 3;
const MAX_LIST = 28;

/** Lines of one width, as a reader sees them. */
interface Block {
  width: number;
  lines: string[];
}

type Paint = (mark: string) => string;

/** The map and its legend; every line ends with a newline. */
export function cpuMap(topology: Topology, owners: readonly Owner[], style: MapStyle): string {
  const paint: Paint = style.colour ? coloured : (mark) => mark;
  const draw = (cpu: number) => paint(markOf(cpu, owners));
  const lines = topology.groups.sockets.flatMap((socket) => {
    const [cpu = 0] = socket;
    const blocks = topology.groups.numaNodes
      .filter((node) => node.intersects(socket))
      .map((node) => blockOf(topology, node.intersection(socket), draw, style.width - GAP));
    return [`socket ${topology.cpu(cpu)?.socket ?? 0}`, ...sideBySide(blocks, style.width)];
  });
  lines.push("", ...legend(topology, owners, paint, style.width));
  return lines.map((line) => `${line.trimEnd()}\n`).join("");
}

/** What stands for a CPU: its owner's mark, or that there is none or more than one. */
function markOf(cpu: number, owners: readonly Owner[]): string {
  const here = owners.filter((owner) => owner.cpus.has(cpu));
  const claims = here.filter((owner) => owner.kind !== "shared");
  const [first] = claims;
  if (!first) return POOL;
  if (here.length === 1) return first.mark;
  return here.every((owner) => owner.kind === "pinned") ? SEVERAL : CLASH;
}

function blockOf(topology: Topology, cpus: CpuSet, draw: (cpu: number) => string, room: number): Block {
  const cores = topology.cores.filter(({ threads }) => threads.some((cpu) => cpus.has(cpu)));
  const threads = Math.max(...cores.map((core) => core.threads.length));
  const cell = Math.max(threads + 2, ...cores.map((core) => `${core.id}`.length + 1));
  const title = shortened(`NUMA node ${cores[0]?.node ?? 0}: CPUs ${cpus}`, room);
  const row = coresPerRow(cores.length, Math.floor(room / cell));
  const width = Math.max(row * cell, title.length);
  const lines = [title.padEnd(width)];
  for (let from = 0; from < cores.length; from += row) {
    const part = cores.slice(from, from + row);
    const rest = " ".repeat(width - part.length * cell);
    lines.push(part.map((core) => `${core.id}`.padStart(cell - 1) + " ").join("") + rest);
    lines.push(
      part.map((core) => " ".repeat(cell - core.threads.length - 2) + box(core, draw)).join("") + rest,
    );
  }
  return { width, lines };
}

function box(core: Core, draw: (cpu: number) => string): string {
  return `[${core.threads.map(draw).join("")}]`;
}

/** All of them where they fit, else a multiple of 8 where one fits. */
function coresPerRow(cores: number, fit: number): number {
  if (cores <= fit) return cores;
  return fit >= 8 ? fit - fit % 8 : Math.max(1, fit);
}

/** As many blocks next to each other as fit, then the next ones below. */
function sideBySide(blocks: readonly Block[], width: number): string[] {
  const rows: Block[][] = [];
  let used = Infinity;
  for (const block of blocks) {
    if (used + GAP + block.width > width) {
      rows.push([]);
      used = 0;
    }
    rows.at(-1)?.push(block);
    used += GAP + block.width;
  }
  return rows.flatMap((row) => {
    const height = Math.max(...row.map((block) => block.lines.length));
    return Array.from(
      { length: height },
      (_, y) => row.map(({ width, lines }) => " ".repeat(GAP) + (lines[y] ?? " ".repeat(width))).join(""),
    );
  });
}

function legend(topology: Topology, owners: readonly Owner[], paint: Paint, width: number): string[] {
  const entries = owners
    .filter((owner) => owner.kind !== "shared")
    .map(({ mark, kind, cpus, name }) => ({ mark, kind: kind as string, cpus: `${cpus}`, name }));
  const pools = Map.groupBy(owners.filter((owner) => owner.kind === "shared"), (owner) => `${owner.cpus}`);
  for (const [cpus, sharing] of pools) {
    entries.push({ mark: POOL, kind: "shared", cpus, name: named(sharing) });
  }
  const claimed = CpuSet.unionOf(owners.map((owner) => owner.cpus));
  const idle = topology.online.difference(claimed);
  if (!idle.isEmpty) entries.push({ mark: POOL, kind: "idle", cpus: `${idle}`, name: "" });
  const drawn = new Set(topology.online.toArray().map((cpu) => markOf(cpu, owners)));
  if (drawn.has(SEVERAL)) {
    entries.push({ mark: SEVERAL, kind: "pinned", cpus: "", name: "several pinned containers" });
  }
  if (drawn.has(CLASH)) {
    entries.push({ mark: CLASH, kind: "WRONG", cpus: "", name: "owners that must not meet" });
  }
  const list = Math.min(MAX_LIST, Math.max(0, ...entries.map((entry) => entry.cpus.length)));
  return entries.map(({ mark, kind, cpus, name }) => {
    const text = `${kind.padEnd(9)}  ${shortened(cpus, list).padEnd(list)}  ${name}`;
    return `${" ".repeat(GAP)}${paint(mark)}  ${shortened(text, width - GAP - 3)}`;
  });
}

/** One by its name, more with their number first: their names may not fit. */
function named(owners: readonly Owner[]): string {
  const names = owners.map((owner) => owner.name).join(", ");
  return owners.length === 1 ? names : `${owners.length} containers: ${names}`;
}

function shortened(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, width - 1)}…`;
}

/** One mark, one colour, at every step. */
function coloured(mark: string): string {
  const code = mark === POOL
    ? DIM
    : mark === CLASH
    ? RED_GROUND
    : PALETTE[mark.toLowerCase().charCodeAt(0) % PALETTE.length];
  return `\x1b[${code}m${mark}\x1b[0m`;
}
