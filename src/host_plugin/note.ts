/** What was written to a node by this program, so that it removes nothing else. Kept beside the plugins. */
import { statusAt } from "../platform/file_status.ts";
import { fileIdentity } from "../platform/launched_note.ts";
import { at, parseJson, textAt } from "../platform/json_at.ts";
import { writeWhole } from "../platform/whole_file.ts";
import type { PluginPlace } from "./place.ts";

export interface InstallNote {
  /** SHA-256 of what was installed last; empty: nothing. */
  readonly installed: string;
  /** Something else was there before it. */
  readonly hadFormer: boolean;
  /** Of the latest that was installed and put away again, since it didn't register. */
  readonly rejected: string;
  /** Of all that was ever installed here, the latest few. */
  readonly own: readonly string[];
  /** What was at the runtime's socket then, {@link runtimeAt}: another one shows that the runtime was started again. */
  readonly runtime: string;
}

/** Of the runtime that has made its socket there; empty: there is none. */
export function runtimeAt(socket: string): string {
  return statusAt(socket) === undefined ? "" : fileIdentity(socket);
}

const NONE: InstallNote = { installed: "", hadFormer: false, rejected: "", own: [], runtime: "" };
const MAX_OWN = 8;
const SUM = /^[0-9a-f]{64}$/;

/** One that can't be read counts as none: then nothing there is ours. */
export function readNote({ note }: PluginPlace): InstallNote {
  let value: unknown;
  try {
    value = parseJson(Deno.readTextFileSync(note));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return NONE;
    throw error;
  }
  const own = at(value, "own");
  return {
    installed: textAt(value, "installed"),
    hadFormer: at(value, "hadFormer") === true,
    rejected: textAt(value, "rejected"),
    own: Array.isArray(own) ? own.filter((sum) => typeof sum === "string" && SUM.test(sum)) : [],
    runtime: textAt(value, "runtime"),
  };
}

export function writeNote({ note }: PluginPlace, value: InstallNote): void {
  writeWhole(note, `${JSON.stringify(value)}\n`);
}

export function withOwn(note: InstallNote, sum: string): InstallNote {
  return { ...note, own: [...note.own.filter((each) => each !== sum), sum].slice(-MAX_OWN) };
}
