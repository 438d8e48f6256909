/** What a check of a node says. */
import { printable } from "../platform/printable.ts";

/** The sentence says what was found; `mend` is the line that mends it, a command or a line of a configuration. */
export type Verdict =
  | { readonly result: "pass"; readonly found: string }
  | { readonly result: "warn" | "fail"; readonly found: string; readonly mend: string };

/** A check's name with its verdict. */
export type Finding = Verdict & { readonly check: string };

export function pass(found: string): Verdict {
  return { result: "pass", found };
}

/** Works, but not as well as it could, or can't be known from here. */
export function warn(found: string, mend: string): Verdict {
  return { result: "warn", found, mend };
}

/** Containers would be placed wrongly, refused for ever, or not placed at all. */
export function fail(found: string, mend: string): Verdict {
  return { result: "fail", found, mend };
}

/** A value of another program's configuration, as a text that is safe to print; of whatever type it is. */
export function textOf(value: unknown): string {
  return printable(typeof value === "object" ? JSON.stringify(value) : String(value));
}
