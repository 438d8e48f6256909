/** How commands print: for people or for programs, with colours only where they can be seen and nobody objects. */
import type { MapStyle } from "../draw/cpu_map.ts";

export type OutputForm = "table" | "json";

/** Where no terminal says how wide it is. */
const WIDTH = 100;

/** Prints one of the two; each is made only when it is. */
export function print(output: OutputForm, text: () => string, json: () => unknown): void {
  console.log(output === "json" ? JSON.stringify(json(), undefined, 2) : text());
}

/** Colours on a terminal, except with NO_COLOR (no-color.org): Deno knows both. */
export function styleOf(): MapStyle {
  const isTerminal = Deno.stdout.isTerminal();
  // A terminal that doesn't say how wide it is has no columns.
  const columns = isTerminal ? Deno.consoleSize().columns : 0;
  return { colour: isTerminal && !Deno.noColor, width: columns === 0 ? WIDTH : columns };
}
