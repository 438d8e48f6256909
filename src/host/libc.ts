/**
 * The C library, for the few things that Deno doesn't do for a program with narrow permissions. Deno opens
 * files below /sys, /proc and /dev only for a program that is allowed everything; calling libc needs no more
 * than the permission to load this one library, so that running programs, the network and every other
 * library stay denied.
 */

/** Where distributions keep it: Debian and Ubuntu; Red Hat, SUSE and Amazon; by architecture. */
export const LIBC_PATHS: readonly string[] = [
  "/lib/x86_64-linux-gnu/libc.so.6",
  "/lib/aarch64-linux-gnu/libc.so.6",
  "/lib64/libc.so.6",
  "/usr/lib64/libc.so.6",
];

const SYMBOLS = {
  open: { parameters: ["buffer", "i32"], result: "i32" },
  read: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  close: { parameters: ["i32"], result: "i32" },
} as const;

/** open(2): O_RDONLY | O_CLOEXEC, as on every Linux architecture that we build for. */
const READ_ONLY = 0o2000000;

type Libc = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];
let loaded: Libc | undefined;

/**
 * The functions of libc, loaded at the first call.
 * @throws {Error} naming the places that were searched
 */
function libc(): Libc {
  const problems: string[] = [];
  for (const path of loaded === undefined ? LIBC_PATHS : []) {
    try {
      loaded = Deno.dlopen(path, SYMBOLS).symbols;
      break;
    } catch (error) {
      problems.push((error as Error).message);
    }
  }
  if (loaded === undefined) {
    throw new Error(
      `glibc's libc.so.6 is needed and was not found (${LIBC_PATHS.join(", ")}): ${problems.at(-1)}`,
    );
  }
  return loaded;
}

const encoder = new TextEncoder();

/** The bytes of a file that is no longer than `buffer`, as a part of it; undefined when it can't be read or is longer. */
export function readInto(buffer: Uint8Array<ArrayBuffer>, path: string): Uint8Array | undefined {
  const { open, read, close } = libc();
  const file = open(encoder.encode(`${path}\0`), READ_ONLY);
  if (file < 0) return undefined;
  let length = 0;
  let count: number;
  do {
    count = Number(read(file, buffer.subarray(length), BigInt(buffer.length - length)));
    length += Math.max(count, 0);
  } while (count > 0 && length < buffer.length);
  close(file);
  return count === 0 ? buffer.subarray(0, length) : undefined;
}
