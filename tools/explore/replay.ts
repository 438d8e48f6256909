/** A list of events played step by step, with what is there after each. */
import { describe, type Event, parseEvent } from "./events.ts";
import { problemOf } from "./invariants.ts";
import { unrestOf } from "./rest.ts";
import { type Box, CLASS, isAlive, type Mode, MODES, type Node, ofClass } from "./node.ts";
import { KeySet } from "./key_set.ts";
import { type Doubles, Player } from "./player.ts";

/** `kernel: run pinned; stop 0a`. */
export function pathText(mode: Mode, path: readonly Event[]): string {
  return `${mode}: ${path.map(describe).join("; ")}`;
}

export function parsePath(text: string): { readonly mode: Mode; readonly path: Event[] } {
  const [name = "", events = ""] = text.split(":");
  const mode = MODES.find((mode) => mode === name.trim());
  if (mode === undefined) throw new Error(`no mode: ${name}; there are ${MODES.join(", ")}`);
  return { mode, path: events.split(";").filter((event) => event.trim() !== "").map(parseEvent) };
}

/** What is printed of a path, and the first problem; at the end the node is brought to rest. */
export function replay(
  mode: Mode,
  path: readonly Event[],
  doubles?: Doubles,
): { readonly lines: string[]; readonly problem: string | undefined } {
  const player = new Player(mode, doubles);
  let node = player.empty;
  const lines: string[] = [];
  for (const event of path) {
    const played = player.play(node, event);
    node = played.node;
    const problem = played.problem ?? problemOf(node);
    lines.push(describe(event), ...linesOf(node));
    if (problem !== undefined) return { lines: [...lines, `    ${problem}`], problem };
  }
  const unrest = unrestOf(player, node, new KeySet());
  if (unrest === undefined) return { lines, problem: undefined };
  const { problem, events } = unrest;
  return { lines: [...lines, ...events.map(describe), `    ${problem}`], problem };
}

function linesOf(node: Node): string[] {
  const ledger = node.agent?.state.ledger;
  const boxes = node.boxes.map((box) => `    ${box.id} ${boxText(node, box)}`);
  const gone =
    ledger?.assignments.keys().filter((id) => id !== CLASS && !node.boxes.some((box) => box.id === id)) ?? [];
  const asked = node.asked.length === 0 ? [] : [`    asked of the runtime: ${node.asked.join(", ")}`];
  const group = ledger?.assignments.get(CLASS);
  const known = group === undefined || ledger === undefined
    ? "not in the ledger"
    : `should have ${ledger.desired(group)}, may have ${ledger.mayRunOn(group)} (${group.delivery.state})`;
  const around = node.mode === "fence" ? [`    the class has ${ofClass(node)}; ${known}`] : [];
  return [...boxes, ...around, ...gone.map((id) => `    ${id} is only in the ledger`), ...asked];
}

function boxText({ agent }: Node, box: Box): string {
  const { kind, life, record, written, held, isHidden } = box;
  const faults = `${held.isEmpty ? "" : `, ${held} held`}${isHidden ? ", unreadable" : ""}`;
  const kernel = isAlive(box) ? `, kernel ${written.isEmpty ? "inherits" : written}${faults}` : "";
  const ledger = agent?.state.ledger;
  const own = ledger?.assignments.get(box.id);
  const known = own === undefined || ledger === undefined
    ? "not in the ledger"
    : `should be on ${ledger.desired(own)}, may be on ${
      ledger.mayRunOn(own)
    } (${own.delivery.by}, ${own.delivery.state})`;
  return `${kind}, ${life}, record ${record ?? "none"}${kernel}; ${known}`;
}
