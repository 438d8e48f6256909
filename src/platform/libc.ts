/**
 * The C library, for the few calls that Deno doesn't make for a program with narrow permissions: files below
 * /sys, /proc and /dev (which it opens only for a program that is allowed everything), an inherited socket, a
 * socket that is awaited without the event loop, a lock that is tried, the process's priority, masks of threads. Calling libc
 * needs no more than the permission to load this one library, so that running programs, the network and every other
 * library stay denied.
 */

/** Where distributions keep it: Debian and Ubuntu; Red Hat, SUSE and Amazon; by architecture. */
export const LIBC_PATHS: readonly string[] = [
  "/lib/x86_64-linux-gnu/libc.so.6",
  "/lib/aarch64-linux-gnu/libc.so.6",
  "/lib64/libc.so.6",
  "/usr/lib64/libc.so.6",
];

/**
 * `poll`, `pwriteSlowly`, `fcntlSlowly` and `flockBlocking` block a thread of Deno's pool, `pollBlocking` the thread of the program; the others return at
 * once, `connect`, `send` and `recv` where the socket or a flag says so.
 */
const SYMBOLS = {
  open: { parameters: ["buffer", "i32"], result: "i32" },
  openat: { parameters: ["i32", "buffer", "i32", "u32"], result: "i32" },
  /** No buffer has 2 GiB: what is read or written is a number then, for which nothing is allocated. */
  read: { parameters: ["i32", "buffer", "usize"], result: "i32" },
  pread: { parameters: ["i32", "buffer", "usize", "i64"], result: "i32" },
  pwrite: { parameters: ["i32", "buffer", "usize", "i64"], result: "i32" },
  pwriteSlowly: {
    name: "pwrite",
    parameters: ["i32", "buffer", "usize", "i64"],
    result: "isize",
    nonblocking: true,
  },
  ftruncate: { parameters: ["i32", "i64"], result: "i32" },
  fcntlSlowly: { name: "fcntl", parameters: ["i32", "i32", "i32"], result: "i32", nonblocking: true },
  fsync: { parameters: ["i32"], result: "i32" },
  rename: { parameters: ["buffer", "buffer"], result: "i32" },
  fchmod: { parameters: ["i32", "u32"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
  flock: { parameters: ["i32", "i32"], result: "i32" },
  flockBlocking: { name: "flock", parameters: ["i32", "i32"], result: "i32", nonblocking: true },
  poll: { parameters: ["buffer", "u64", "i32"], result: "i32", nonblocking: true },
  pollBlocking: { name: "poll", parameters: ["buffer", "u64", "i32"], result: "i32" },
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  connect: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  recv: { parameters: ["i32", "buffer", "usize", "i32"], result: "isize" },
  send: { parameters: ["i32", "buffer", "usize", "i32"], result: "isize" },
  shutdown: { parameters: ["i32", "i32"], result: "i32" },
  getsockopt: { parameters: ["i32", "i32", "i32", "buffer", "buffer"], result: "i32" },
  geteuid: { parameters: [], result: "u32" },
  malloc_trim: { parameters: ["usize"], result: "i32" },
  setpriority: { parameters: ["i32", "u32", "i32"], result: "i32" },
  sched_getaffinity: { parameters: ["i32", "usize", "buffer"], result: "i32" },
  lgetxattr: { parameters: ["buffer", "buffer", "buffer", "usize"], result: "isize" },
  lsetxattr: { parameters: ["buffer", "buffer", "buffer", "usize", "i32"], result: "i32" },
  lremovexattr: { parameters: ["buffer", "buffer"], result: "i32" },
  syscall: { parameters: ["i64", "i32", "buffer", "i32", "u32", "buffer"], result: "i64" },
  openat2: { name: "syscall", parameters: ["i64", "i32", "buffer", "buffer", "usize"], result: "i64" },
  __errno_location: { parameters: [], result: "pointer" },
  strerror: { parameters: ["i32"], result: "pointer" },
  memcpy: { parameters: ["buffer", "pointer", "usize"], result: "void" },
  strncpy: { parameters: ["buffer", "pointer", "usize"], result: "void" },
} as const;

/** Flags of open(2); these two differ between the architectures that we build for, see <asm/fcntl.h>. */
const ARM = Deno.build.arch === "aarch64";
export const O_DIRECTORY = ARM ? 0o40000 : 0o200000;
export const O_NOFOLLOW = ARM ? 0o100000 : 0o400000;
export const O_RDONLY = 0;
export const O_WRONLY = 1;
export const O_RDWR = 2;
export const O_CREAT = 0o100;
export const O_TRUNC = 0o1000;
export const O_CLOEXEC = 0o2000000;
/** A place only: to open what lies below it, not to be read itself. */
export const O_PATH = 0o10000000;
/** In place of a directory's descriptor: the current directory, see openat(2). */
export const AT_FDCWD = -100;

type Libc = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];
let loaded: Libc | undefined;

/**
 * The functions of libc, loaded at the first call. They are called as in C; where the reason of a failure counts,
 * through `attempt`.
 * @throws {Error} naming the places that were searched
 */
export function libc(): Libc {
  return loaded ??= load();
}

function load(): Libc {
  const problems: string[] = [];
  for (const path of LIBC_PATHS) {
    try {
      return Deno.dlopen(path, SYMBOLS).symbols;
    } catch (error) {
      problems.push((error as Error).message);
    }
  }
  throw new Error(
    `glibc's libc.so.6 is needed and was not found (${LIBC_PATHS.join(", ")}): ${problems.at(-1)}`,
  );
}

const encoder = new TextEncoder();

/** A string as C has them. */
export function cString(text: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(`${text}\0`);
}

/** The bytes of a file that is no longer than `buffer`, as a part of it; undefined when it can't be read or is longer. */
export function readInto(buffer: Uint8Array<ArrayBuffer>, path: string): Uint8Array | undefined {
  const { open, read, close } = libc();
  const file = open(cString(path), O_RDONLY | O_CLOEXEC);
  if (file < 0) return undefined;
  let length = 0;
  let count: number;
  do {
    count = read(file, buffer.subarray(length), BigInt(buffer.length - length));
    length += Math.max(count, 0);
  } while (count > 0 && length < buffer.length);
  close(file);
  return count === 0 ? buffer.subarray(0, length) : undefined;
}
