import { createHash } from "node:crypto";
import { attempt, type ErrnoName } from "../platform/errno.ts";
import { AT_FDCWD, cString, libc, O_CLOEXEC, O_CREAT, O_NOFOLLOW, O_WRONLY } from "../platform/libc.ts";
import { ELF_HEAD } from "./elf.ts";

/** Read at a time: the file is larger than the memory that a pod would like to spend on it. */
const CHUNK = 2 ** 20;

/** What a file is. */
export interface FileContent {
  /** SHA-256, in hexadecimal digits. */
  readonly sum: string;
  readonly size: number;
  readonly head: Uint8Array;
}

/** Reads a file to its end, and gives each part to `take`. */
export function contentOf(
  path: string,
  take: (part: Uint8Array<ArrayBuffer>) => void = () => {},
): FileContent {
  using file = Deno.openSync(path, { read: true });
  const [hash, buffer] = [createHash("sha256"), new Uint8Array(CHUNK)];
  let [size, head] = [0, new Uint8Array()];
  for (let count = file.readSync(buffer); count !== null; count = file.readSync(buffer)) {
    const part = buffer.subarray(0, count);
    if (size === 0) head = part.slice(0, ELF_HEAD);
    size += count;
    hash.update(part);
    take(part);
  }
  return { sum: hash.digest("hex"), size, head };
}

const O_EXCL = 0o200;

/**
 * Writes a new file, which may be executed once it is whole, to the disk itself. Through libc: Deno lets nobody write what the program
 * may start.
 * @throws {SystemError} where it can't be written; what is there then is to be removed
 */
export function copyTo(source: string, path: string): void {
  const flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  const file = done(path, () => libc().openat(AT_FDCWD, cString(path), flags, 0o600));
  try {
    let at = 0;
    contentOf(source, (part) => {
      for (let from = 0; from < part.length;) {
        const rest = part.subarray(from);
        const count = done(path, () => libc().pwrite(file, rest, BigInt(rest.length), BigInt(at)));
        [from, at] = [from + count, at + count];
      }
    });
    done(path, () => libc().fchmod(file, 0o755));
    done(path, () => libc().fsync(file));
  } finally {
    libc().close(file);
  }
}

/** @throws {SystemError} */
export function renameFile(from: string, to: string): void {
  done(from, () => libc().rename(cString(from), cString(to)));
}

/** A failed call of libc, as those of Deno have it. */
class SystemError extends Error {
  override name = "SystemError";
  constructor(readonly code: ErrnoName, text: string, path: string) {
    super(`${text}: ${path}`);
  }
}

function done(path: string, call: () => number | bigint): number {
  const result = attempt(call);
  if (result.kind === "done") return result.result;
  throw new SystemError(result.errno, result.text, path);
}
