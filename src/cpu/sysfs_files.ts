import { quoted } from "../quoted.ts";
import { CpuSet } from "./cpu_set.ts";

/**
 * Reads a file below the sysfs root, e.g. `devices/system/cpu/online`. `undefined` means that it isn't there or
 * can't be read.
 */
export type ReadFile = (path: string) => string | undefined;

/** Why sysfs has no value for something: a file is missing, or holds something odd. Discovery degrades on it. */
export interface Fault {
  readonly kind: "fault";
  readonly reason: string;
}

export function isFault(value: object): value is Fault {
  return "kind" in value;
}

/**
 * The list in the first of `paths` that holds one which is `plausible` (the kernel renamed some files and keeps
 * both names for a while). The reason names the first file that was there, else the first name.
 */
export function readList(
  read: ReadFile,
  paths: readonly string[],
  plausible: (list: CpuSet) => boolean,
): CpuSet | Fault {
  let odd: Fault | undefined;
  for (const path of paths) {
    const content = read(path);
    if (content === undefined) continue;
    const list = CpuSet.parse(content);
    if (list instanceof CpuSet && plausible(list)) return list;
    odd ??= oddContent(path, content);
  }
  return odd ?? { kind: "fault", reason: `${paths[0]} is missing or can't be read` };
}

/** The whole numbers in a file, separated by spaces; a file without one is odd. */
export function readNumbers(read: ReadFile, path: string): number[] | Fault {
  const content = read(path);
  if (content === undefined) return { kind: "fault", reason: `${path} is missing or can't be read` };
  const words = content.trim().split(/\s+/);
  return words.every((word) => /^\d{1,9}$/.test(word)) ? words.map(Number) : oddContent(path, content);
}

/** The reason for a file that is there: the beginning of what it holds. */
export function oddContent(path: string, content: string): Fault {
  return { kind: "fault", reason: `${path} holds ${quoted(content.trimEnd(), 40)}` };
}
