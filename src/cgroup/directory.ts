import type { Errno } from "../platform/errno.ts";
import { lastErrno } from "../platform/errno.ts";
import {
  AT_FDCWD,
  cString,
  libc,
  O_CLOEXEC,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_PATH,
  O_RDONLY,
  O_TRUNC,
  O_WRONLY,
} from "../platform/libc.ts";

/** The longest cpuset list of a kernel with 8192 CPUs has half of that. */
const MAX_SIZE = 64 * 1024;
/** glibc has getdents64(2) by name only from 2.30 on, so it is called by number. */
const SYS_GETDENTS64 = Deno.build.arch === "aarch64" ? 61n : 217n;
/** Offsets in struct linux_dirent64, the same on every architecture; and the type of a directory. */
const D_RECLEN = 16;
const D_TYPE = 18;
const D_NAME = 19;
const DT_DIR = 4;

/** statx(2), see file_status.ts. */
const SYS_STATX = Deno.build.arch === "aarch64" ? 291n : 332n;
const AT_EMPTY_PATH = 0x1000;
const STATX_NLINK = 4;
const STX_NLINK = 16;
/** openat2(2), the same on every architecture: its struct open_how is flags, mode and how names are resolved. */
const SYS_OPENAT2 = 437n;
const RESOLVE_NO_SYMLINKS = 4n;
const FOLDER = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
const HOW = new BigUint64Array([BigInt(FOLDER), 0n, RESOLVE_NO_SYMLINKS]);

const EMPTY = cString("");
const status = new DataView(new ArrayBuffer(256));
let hasOpenat2 = true;
const buffer = new Uint8Array(MAX_SIZE);
const view = new DataView(buffer.buffer);
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A folder of a cgroup hierarchy, held. No symbolic link is followed on the way to it, nor to a file in it. */
export class CgroupDirectory implements Disposable {
  readonly #file: number;

  private constructor(file: number, readonly path: string) {
    this.#file = file;
  }

  /**
   * Holds the cgroup `path` below `root`. ELOOP or ENOTDIR: there is a link on the way, or something else that is no
   * folder.
   * @param root the hierarchy's, absolute and without links: {@link CpusetHierarchy}
   * @param path empty for the root, else clean and with a slash before each name
   */
  static open(root: string, path: string): CgroupDirectory | Errno {
    const file = openWithoutLinks(`${root}${path}`);
    return typeof file === "number" ? new CgroupDirectory(file, path) : file;
  }

  /** The text of one of its files, without white space around it. */
  read(name: string): string | Errno {
    const file = openAt(this.#file, name, O_RDONLY | O_NOFOLLOW);
    if (typeof file !== "number") return file;
    const length = fill(file);
    const text = typeof length === "number" ? decoder.decode(buffer.subarray(0, length)).trim() : length;
    libc().close(file);
    return text;
  }

  /** Writes one of its files, whole; it isn't made when it isn't there. Undefined when that was done. */
  write(name: string, text: string): Errno | undefined {
    const file = openAt(this.#file, name, O_WRONLY | O_NOFOLLOW | O_TRUNC);
    if (typeof file !== "number") return file;
    const bytes = encoder.encode(text);
    const count = Number(libc().pwrite(file, bytes, BigInt(bytes.length), 0n));
    const failure = count < 0 ? lastErrno() : undefined;
    libc().close(file);
    return count >= 0 && count < bytes.length ? { errno: "EIO", text: "Only a part was written" } : failure;
  }

  /** Why one of its files can't be opened for writing; undefined where it can. Nothing is written. */
  unwritable(name: string): Errno | undefined {
    const file = openAt(this.#file, name, O_WRONLY | O_NOFOLLOW);
    if (typeof file !== "number") return file;
    libc().close(file);
    return undefined;
  }

  /** The names of the first folders in it, `most` at most; none once it has been removed. */
  folders(most: number): string[] {
    if (this.#hasNoFolders()) return [];
    const file = openAt(this.#file, ".", O_RDONLY | O_DIRECTORY);
    if (typeof file !== "number") return [];
    const names: string[] = [];
    while (names.length < most) {
      const length = Number(libc().syscall(SYS_GETDENTS64, file, buffer, MAX_SIZE, 0, null));
      if (length <= 0) break;
      names.push(...foldersAmong(length));
    }
    libc().close(file);
    return names.slice(0, most);
  }

  /** By its links: two of its own, and one of each folder in it. Some file systems (btrfs) don't count them. */
  #hasNoFolders(): boolean {
    libc().syscall(SYS_STATX, this.#file, EMPTY, AT_EMPTY_PATH, STATX_NLINK, status);
    return status.getUint32(STX_NLINK, true) === 2;
  }

  [Symbol.dispose](): void {
    libc().close(this.#file);
  }
}

/** In one call, on a kernel that has it (5.6); otherwise name by name, which takes twice as long. */
function openWithoutLinks(path: string): number | Errno {
  if (hasOpenat2) {
    const file = Number(libc().openat2(SYS_OPENAT2, AT_FDCWD, cString(path), HOW, BigInt(HOW.byteLength)));
    if (file >= 0) return file;
    const failure = lastErrno();
    // EPERM is what container runtimes say to a call that they have never heard of.
    if (failure.errno !== "ENOSYS" && failure.errno !== "EPERM") return failure;
    hasOpenat2 = false;
  }
  return openNameByName(path);
}

/** Exported for tests: what an old kernel is asked. */
export function openNameByName(path: string): number | Errno {
  let file = openAt(AT_FDCWD, "/", FOLDER);
  for (const name of path.split("/").slice(1)) {
    if (typeof file !== "number") break;
    const below = openAt(file, name, FOLDER);
    libc().close(file);
    file = below;
  }
  return file;
}

/** The folders among the entries that fill the first `length` bytes of the buffer. */
function* foldersAmong(length: number): Generator<string> {
  for (let at = 0; at < length; at += view.getUint16(at + D_RECLEN, true)) {
    if (buffer[at + D_TYPE] !== DT_DIR) continue;
    const name = decoder.decode(buffer.subarray(at + D_NAME, buffer.indexOf(0, at + D_NAME)));
    if (name !== "." && name !== "..") yield name;
  }
}

function openAt(directory: number, path: string, flags: number): number | Errno {
  const file = libc().openat(directory, cString(path), flags | O_CLOEXEC, 0);
  return file < 0 ? lastErrno() : file;
}

/** Reads a file to its end into the buffer; what doesn't fit is left. Its length. */
function fill(file: number): number | Errno {
  let length = 0;
  while (length < MAX_SIZE) {
    const count = Number(libc().read(file, buffer.subarray(length), BigInt(MAX_SIZE - length)));
    if (count < 0) return lastErrno();
    if (count === 0) break;
    length += count;
  }
  return length;
}
