import { AT_FDCWD, cString, libc } from "./libc.ts";

/** Type, owner and permissions of a file. */
interface FileStatus {
  readonly kind: "file" | "directory" | "socket" | "other";
  /** The permission bits. */
  readonly mode: number;
  /** The owner's user id. */
  readonly uid: number;
  /** The group's id. */
  readonly gid: number;
  /** Two names with the same identity are the same file. */
  readonly identity: string;
}

/** glibc has statx(2) by name only from 2.28 on, and fstat only from 2.33 on; so it is called by number. */
export const SYS_STATX = Deno.build.arch === "aarch64" ? 291n : 332n;
const AT_SYMLINK_NOFOLLOW = 0x100;
/** Of the descriptor itself, where the path is empty. */
export const AT_EMPTY_PATH = 0x1000;
const STATX_BASIC_STATS = 0x7ff;
/** Bits of the file type in st_mode, see inode(7). */
const S_IFMT = 0o170000;
const KINDS: Readonly<Record<number, FileStatus["kind"]>> = {
  0o100000: "file",
  0o040000: "directory",
  0o140000: "socket",
};

/** The file behind an open descriptor; undefined when there is none. */
export function statusOf(file: number): FileStatus | undefined {
  return statx(file, "", AT_EMPTY_PATH);
}

/** The file at `path`, itself when it is a symbolic link; undefined when there is none. */
export function statusAt(path: string): FileStatus | undefined {
  return statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW);
}

/** Offsets are those of struct statx, the same on every architecture. */
function statx(directory: number, path: string, flags: number): FileStatus | undefined {
  const answer = new DataView(new ArrayBuffer(256));
  const result = libc().syscall(SYS_STATX, directory, cString(path), flags, STATX_BASIC_STATS, answer);
  if (result < 0n) return undefined;
  const mode = answer.getUint16(28, true);
  const [inode, major, minor] = [
    answer.getBigUint64(32, true),
    answer.getUint32(136, true),
    answer.getUint32(140, true),
  ];
  return {
    kind: KINDS[mode & S_IFMT] ?? "other",
    mode: mode & ~S_IFMT,
    uid: answer.getUint32(20, true),
    gid: answer.getUint32(24, true),
    identity: `${major}:${minor}:${inode}`,
  };
}
