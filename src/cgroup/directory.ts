import { attempt, type Done, type Errno } from "../platform/errno.ts";
import { AT_EMPTY_PATH, SYS_STATX } from "../platform/file_status.ts";
import {
  AT_FDCWD,
  cString,
  libc,
  O_CLOEXEC,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_PATH,
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
  O_WRONLY,
} from "../platform/libc.ts";

/** The longest cpuset list of a kernel with 8192 CPUs has half of that. */
const MAX_BYTES = 64 * 1024;
/** glibc has getdents64(2) by name only from 2.30 on, so it is called by number. */
const SYS_GETDENTS64 = Deno.build.arch === "aarch64" ? 61n : 217n;
/** Offsets in struct linux_dirent64, the same on every architecture; and the type of a directory. */
const D_RECLEN = 16;
const D_TYPE = 18;
const D_NAME = 19;
const DT_DIR = 4;

/** In the mask of statx(2): how many links there are. */
export const STATX_NLINK = 4;
const STX_NLINK = 16;
/** openat2(2), the same on every architecture. Its struct open_how has flags, mode and how names are resolved. */
const SYS_OPENAT2 = 437n;
const RESOLVE_NO_SYMLINKS = 4n;
const DIRECTORY = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
const HOW = new BigUint64Array([BigInt(DIRECTORY), 0n, RESOLVE_NO_SYMLINKS]);

const EMPTY = cString("");
const status = new DataView(new ArrayBuffer(256));
let hasOpenat2 = true;
const buffer = new Uint8Array(MAX_BYTES);
const one = new Uint8Array(1);
const view = new DataView(buffer.buffer);
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The text of a file, without white space around it. */
export interface CgroupText {
  readonly kind: "text";
  readonly text: string;
}

/** A file that stays open, and what was read there last. */
export interface KeptFile {
  readonly file: number;
  readonly bytes: Uint8Array;
  readonly content: CgroupText;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** An open directory of a cgroup hierarchy. No symbolic link is followed on the way to it, nor to a file in it. */
export class CgroupDirectory implements Disposable {
  readonly kind = "directory";
  /** -1 once it is closed: its number may be another file's by then. */
  #file: number;
  /** By name, see {@link keep}; undefined: none. */
  #kept: Map<string, Mutable<KeptFile>> | undefined;
  /** Of those. */
  #isWritten = false;

  private constructor(file: number, readonly path: string) {
    this.#file = file;
  }

  /**
   * Opens the cgroup `path` below `root`. ELOOP or ENOTDIR: a link, or something else that is no directory, is on
   * the way.
   * @param root the hierarchy's, absolute and without links: {@link CpusetHierarchy}
   * @param path empty for the root, else clean and with a slash before each name
   */
  static open(root: string, path: string): CgroupDirectory | Errno {
    const opened = openWithoutLinks(`${root}${path}`);
    return opened.kind === "done" ? new CgroupDirectory(opened.result, path) : opened;
  }

  /**
   * Keeps the directory and some of its files, of one record each, open beyond the end of its use: only {@link close} closes them
   * then. A file of a cgroup that has been removed answers ENODEV, also where there is another cgroup in its place (kernfs).
   * The failure, after which nothing is kept; undefined when there was none.
   *
   * @param isWritten they are open for writing too
   */
  keep(names: readonly string[], isWritten: boolean): Errno | undefined {
    const kept = new Map<string, Mutable<KeptFile>>();
    for (const name of names) {
      const opened = openAt(this.#file, name, (isWritten ? O_RDWR : O_RDONLY) | O_NOFOLLOW);
      if (opened.kind === "errno") {
        for (const { file } of kept.values()) libc().close(file);
        return opened;
      }
      kept.set(name, { file: opened.result, bytes: new Uint8Array(), content: { kind: "text", text: "" } });
    }
    [this.#kept, this.#isWritten] = [kept, isWritten];
    return undefined;
  }

  get isKept(): boolean {
    return this.#kept !== undefined;
  }

  /** Whether a file that is kept open can still be read, so that the cgroup is there. */
  get isAlive(): boolean {
    const [kept] = this.#kept?.values() ?? [];
    return kept !== undefined && attempt(() => libc().pread(kept.file, one, 1n, 0n)).kind === "done";
  }

  /** One of the files that are kept open. */
  keptFile(name: string): KeptFile | undefined {
    return this.#kept?.get(name);
  }

  /** The text of one of its files. Of one that is kept open it is the same object as long as its bytes are the same. */
  read(name: string): CgroupText | Errno {
    const kept = this.#kept?.get(name);
    if (kept !== undefined) return readKept(kept);
    const opened = openAt(this.#file, name, O_RDONLY | O_NOFOLLOW);
    if (opened.kind === "errno") return opened;
    const filled = fill(opened.result);
    libc().close(opened.result);
    return textOf(filled);
  }

  /**
   * Reads the beginning of one of its files, opened anew, into a buffer: how many bytes; less than 0 where it can't be read.
   * @param name as C has it
   */
  readInto(bytes: Uint8Array<ArrayBuffer>, name: Uint8Array<ArrayBuffer>): number {
    const file = libc().openat(this.#file, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC, 0);
    if (file < 0) return file;
    const length = libc().read(file, bytes, BigInt(bytes.length));
    libc().close(file);
    return length;
  }

  /** Replaces the content of one of its files, which must exist. The failure; undefined when there was none. */
  write(name: string, text: string): Errno | undefined {
    const kept = this.#isWritten ? this.#kept?.get(name) : undefined;
    if (kept !== undefined) {
      libc().ftruncate(kept.file, 0n);
      return writeTo(kept.file, text);
    }
    const opened = openAt(this.#file, name, O_WRONLY | O_NOFOLLOW | O_TRUNC);
    if (opened.kind === "errno") return opened;
    const failure = writeTo(opened.result, text);
    libc().close(opened.result);
    return failure;
  }

  /**
   * Replaces the content of one of its files, as {@link write}, in another thread: for what the kernel takes its time for.
   * Whether that succeeded; why it didn't isn't known, since errno is the other thread's.
   */
  async writeSlowly(name: string, text: string): Promise<boolean> {
    const opened = openAt(this.#file, name, O_WRONLY | O_NOFOLLOW | O_TRUNC);
    if (opened.kind === "errno") return false;
    const bytes = encoder.encode(text);
    const wrote = await libc().pwriteSlowly(opened.result, bytes, BigInt(bytes.length), 0n);
    libc().close(opened.result);
    return Number(wrote) === bytes.length;
  }

  /** Why one of its files can't be opened for writing; undefined where it can. Nothing is written. */
  writeProblem(name: string): Errno | undefined {
    const opened = openAt(this.#file, name, O_WRONLY | O_NOFOLLOW);
    if (opened.kind === "errno") return opened;
    libc().close(opened.result);
    return undefined;
  }

  /** The names of its first `limit` directories; none once it has been removed. */
  directories(limit: number): string[] {
    if (this.#hasNoDirectories()) return [];
    const opened = openAt(this.#file, ".", O_RDONLY | O_DIRECTORY);
    if (opened.kind === "errno") return [];
    const names: string[] = [];
    while (names.length < limit) {
      const length = Number(libc().syscall(SYS_GETDENTS64, opened.result, buffer, MAX_BYTES, 0, null));
      if (length <= 0) break;
      names.push(...directoriesAmong(length));
    }
    libc().close(opened.result);
    return names.slice(0, limit);
  }

  /** By its links: two of its own, and one of each directory in it. Some file systems (btrfs) don't count them. */
  #hasNoDirectories(): boolean {
    libc().syscall(SYS_STATX, this.#file, EMPTY, AT_EMPTY_PATH, STATX_NLINK, status);
    return status.getUint32(STX_NLINK, true) === 2;
  }

  [Symbol.dispose](): void {
    if (this.#kept === undefined) this.close();
  }

  /** Closes it, also where it is kept open; every later call fails with EBADF. */
  close(): void {
    for (const { file } of this.#kept?.values() ?? []) libc().close(file);
    if (this.#file >= 0) libc().close(this.#file);
    this.#kept = undefined;
    this.#file = -1;
  }
}

/** In one call, on a kernel that has it (5.6); otherwise name by name, which takes twice as long. */
function openWithoutLinks(path: string): Done | Errno {
  if (hasOpenat2) {
    const opened = attempt(() =>
      libc().openat2(SYS_OPENAT2, AT_FDCWD, cString(path), HOW, BigInt(HOW.byteLength))
    );
    // Container runtimes answer EPERM to a call that their filter doesn't know.
    if (opened.kind === "done" || (opened.errno !== "ENOSYS" && opened.errno !== "EPERM")) return opened;
    hasOpenat2 = false;
  }
  return openNameByName(path);
}

/** Exported for tests: the way for an old kernel. */
export function openNameByName(path: string): Done | Errno {
  let opened = openAt(AT_FDCWD, "/", DIRECTORY);
  for (const name of path.split("/").slice(1)) {
    if (opened.kind === "errno") break;
    const below = openAt(opened.result, name, DIRECTORY);
    libc().close(opened.result);
    opened = below;
  }
  return opened;
}

/** The directories among the entries that fill the first `length` bytes of the buffer. */
function* directoriesAmong(length: number): Generator<string> {
  for (let at = 0; at < length; at += view.getUint16(at + D_RECLEN, true)) {
    if (buffer[at + D_TYPE] !== DT_DIR) continue;
    const name = decoder.decode(buffer.subarray(at + D_NAME, buffer.indexOf(0, at + D_NAME)));
    if (name !== "." && name !== "..") yield name;
  }
}

function openAt(directory: number, path: string, flags: number): Done | Errno {
  return attempt(() => libc().openat(directory, cString(path), flags | O_CLOEXEC, 0));
}

/** Reads a file that was just opened to its end into the buffer, and ignores what doesn't fit; its length. */
function fill(file: number): Done | Errno {
  let length = 0;
  while (length < MAX_BYTES) {
    const read = attempt(() => libc().read(file, buffer.subarray(length), BigInt(MAX_BYTES - length)));
    if (read.kind === "errno") return read;
    if (read.result === 0) break;
    length += read.result;
  }
  return { kind: "done", result: length };
}

/** As {@link fill}, for a file of one record: the kernel gives that whole where there is room (seq_file). */
function readKept(kept: Mutable<KeptFile>): CgroupText | Errno {
  const read = attempt(() => libc().pread(kept.file, buffer, BigInt(MAX_BYTES), 0n));
  if (read.kind === "errno" || isSame(kept.bytes, read.result)) {
    return read.kind === "errno" ? read : kept.content;
  }
  kept.bytes = buffer.slice(0, read.result);
  return kept.content = { kind: "text", text: decoder.decode(kept.bytes).trim() };
}

/** Whether the first `length` bytes of the buffer are these. */
function isSame(bytes: Uint8Array, length: number): boolean {
  if (bytes.length !== length) return false;
  for (let at = 0; at < length; at++) if (bytes[at] !== buffer[at]) return false;
  return true;
}

function textOf(filled: Done | Errno): CgroupText | Errno {
  if (filled.kind === "errno") return filled;
  return { kind: "text", text: decoder.decode(buffer.subarray(0, filled.result)).trim() };
}

function writeTo(file: number, text: string): Errno | undefined {
  const bytes = encoder.encode(text);
  const wrote = attempt(() => libc().pwrite(file, bytes, BigInt(bytes.length), 0n));
  if (wrote.kind === "errno") return wrote;
  const isCut = wrote.result < bytes.length;
  return isCut ? { kind: "errno", errno: "EIO", text: "Only a part was written" } : undefined;
}
