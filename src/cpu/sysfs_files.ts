import { quoted } from "../quoted.ts";
import { CpuSet } from "./cpu_set.ts";

/**
 * Reads a file below the sysfs root, e.g. `devices/system/cpu/online`. `undefined` means that it isn't there or
 * can't be read.
 */
export type ReadFile = (path: string) => string | undefined;

/** Why a file told nothing: it is missing, or holds something odd. A value; discovery degrades on it. */
export class Fault {
  constructor(readonly reason: string) {}

  toString(): string {
    return this.reason;
  }
}

/**
 * The list in the first of `paths` that holds one which is `plausible` (the kernel renamed some files and keeps
 * both names for a while). The fault tells of the first file that was there, else of the first name.
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
  return odd ?? new Fault(`${paths[0]} is missing or can't be read`);
}

/** The whole numbers in a file, separated by spaces; a file without one is odd. */
export function readNumbers(read: ReadFile, path: string): number[] | Fault {
  const content = read(path);
  if (content === undefined) return new Fault(`${path} is missing or can't be read`);
  const words = content.trim().split(/\s+/);
  return words.every((word) => /^\d{1,9}$/.test(word)) ? words.map(Number) : oddContent(path, content);
}

/** The fault of a file that was there, with the beginning of what it holds. */
export function oddContent(path: string, content: string): Fault {
  return new Fault(`${path} holds ${quoted(content.trimEnd(), 40)}`);
}
