import type { Errno } from "./errno.ts";
import { lastErrno } from "./errno.ts";
import {
  AT_FDCWD,
  cString,
  libc,
  O_CLOEXEC,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_RDONLY,
  O_TRUNC,
  O_WRONLY,
} from "./libc.ts";

/** The longest cpuset list of a kernel with 8192 CPUs has half of that. */
const MAX_SIZE = 64 * 1024;
/** glibc has getdents64(2) by name only from 2.30 on, so it is called by number. */
const SYS_GETDENTS64 = Deno.build.arch === "aarch64" ? 61n : 217n;
/** Offsets in struct linux_dirent64, the same on every architecture; and the type of a directory. */
const D_RECLEN = 16;
const D_TYPE = 18;
const D_NAME = 19;
const DT_DIR = 4;

const buffer = new Uint8Array(MAX_SIZE);
const view = new DataView(buffer.buffer);
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** An open folder of a cgroup hierarchy. No symbolic link is ever followed on the way to it, nor below it. */
export class CgroupDirectory implements Disposable {
  #file: number;

  private constructor(file: number) {
    this.#file = file;
  }

  /**
   * Opens the cgroup `path` below `root`, name by name. ELOOP or ENOTDIR: there is a link on the way, or something
   * else that is no folder.
   * @param root where the hierarchy is mounted: the administrator's word, and links in it are followed
   * @param path empty for the root, else clean and with a slash before each name
   */
  static open(root: string, path: string): CgroupDirectory | Errno {
    let file = openAt(AT_FDCWD, root, O_RDONLY | O_DIRECTORY);
    for (const name of path.split("/").slice(1)) {
      if (typeof file !== "number") break;
      const below = openAt(file, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
      libc().close(file);
      file = below;
    }
    return typeof file === "number" ? new CgroupDirectory(file) : file;
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

  /** The names of the first folders in it, `most` at most; empty once it has been removed. */
  folders(most: number): string[] {
    const names: string[] = [];
    while (names.length < most) {
      const length = Number(libc().syscall(SYS_GETDENTS64, this.#file, buffer, MAX_SIZE, 0, null));
      if (length <= 0) break;
      for (let at = 0; at < length; at += view.getUint16(at + D_RECLEN, true)) {
        const name = decoder.decode(buffer.subarray(at + D_NAME, buffer.indexOf(0, at + D_NAME)));
        if (buffer[at + D_TYPE] === DT_DIR && name !== "." && name !== "..") names.push(name);
      }
    }
    return names.slice(0, most);
  }

  [Symbol.dispose](): void {
    libc().close(this.#file);
    this.#file = -1;
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
