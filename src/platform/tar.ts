/** One thing in a tar archive: a regular file, a symbolic link or a directory. It belongs to root and is of 1970. */
export type Entry =
  & { readonly path: string }
  & (
    | { readonly kind: "file"; readonly mode: number; readonly bytes: Uint8Array }
    | { readonly kind: "link"; readonly target: string }
    | { readonly kind: "directory" }
  );

const BLOCK = 512;
const TYPE = { file: "0", link: "2", directory: "5" } as const;

/**
 * A tar archive in the POSIX ustar format: the entries by path, each folder on the way to one before it, and nothing
 * that depends on the moment or the machine. Paths have no leading slash.
 * @throws {RangeError} for a path or link target of more than 100 bytes, and for a file of 8 GiB or more
 */
export function tarArchive(entries: readonly Entry[]): Uint8Array<ArrayBuffer> {
  const all = new Map(entries.flatMap(({ path }) => foldersOf(path)).map((path) => [path, folder(path)]));
  for (const entry of entries) all.set(entry.path, entry);
  const parts = [...all.values()].sort((a, b) => a.path < b.path ? -1 : 1).flatMap(blocksOf);
  parts.push(new Uint8Array(2 * BLOCK)); // two empty blocks end an archive
  return concatenate(parts);
}

/** The bytes of all parts in a row. */
export function concatenate(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** `a` and `a/b` for `a/b/c`. */
function foldersOf(path: string): string[] {
  return path.split("/").slice(0, -1).map((_, index, names) => names.slice(0, index + 1).join("/"));
}

function folder(path: string): Entry {
  return { kind: "directory", path };
}

function blocksOf(entry: Entry): Uint8Array[] {
  const bytes = entry.kind === "file" ? entry.bytes : new Uint8Array(0);
  return [header(entry, bytes.length), bytes, new Uint8Array((BLOCK - bytes.length % BLOCK) % BLOCK)];
}

/** Field by field: where it begins, and what it says. What isn't named stays zero. */
function header(entry: Entry, size: number): Uint8Array {
  const block = new Uint8Array(BLOCK);
  const put = (at: number, text: string) => block.set(new TextEncoder().encode(text), at);
  put(0, fitting(entry.kind === "directory" ? `${entry.path}/` : entry.path, 100));
  put(100, octal(entry.kind === "file" ? entry.mode : entry.kind === "link" ? 0o777 : 0o755, 7));
  put(108, octal(0, 7)); // owner
  put(116, octal(0, 7)); // group
  put(124, octal(size, 11));
  put(136, octal(0, 11)); // time of last change
  put(148, " ".repeat(8)); // the sum is taken with spaces in its own place
  put(156, TYPE[entry.kind]);
  if (entry.kind === "link") put(157, fitting(entry.target, 100));
  put(257, "ustar\0" + "00");
  put(148, `${octal(block.reduce((sum, byte) => sum + byte, 0), 6)}\0 `);
  return block;
}

function fitting(text: string, bytes: number): string {
  if (new TextEncoder().encode(text).length <= bytes) return text;
  throw new RangeError(`a tar archive's names have at most ${bytes} bytes, and "${text}" is longer`);
}

function octal(value: number, digits: number): string {
  const text = value.toString(8).padStart(digits, "0");
  if (text.length <= digits) return text;
  throw new RangeError(`${value} needs more than the ${digits} octal digits that a tar archive has for it`);
}
