import { libc } from "./libc.ts";

const NAMES = {
  1: "EPERM",
  2: "ENOENT",
  4: "EINTR",
  5: "EIO",
  11: "EAGAIN",
  13: "EACCES",
  16: "EBUSY",
  18: "EXDEV",
  19: "ENODEV",
  20: "ENOTDIR",
  22: "EINVAL",
  23: "ENFILE",
  24: "EMFILE",
  28: "ENOSPC",
  30: "EROFS",
  34: "ERANGE",
  36: "ENAMETOOLONG",
  38: "ENOSYS",
  40: "ELOOP",
  111: "ECONNREFUSED",
  122: "EDQUOT",
} as const;

/** A name of errno(3); the number where no code here distinguishes it. */
export type ErrnoName = (typeof NAMES)[keyof typeof NAMES] | `${number}`;

/** Why a system call failed. */
export interface Errno {
  readonly kind: "errno";
  readonly errno: ErrnoName;
  /** The C library's description. */
  readonly text: string;
}

/** What a call returned. */
export interface Done {
  readonly kind: "done";
  /** Not negative. */
  readonly result: number;
}

const ENOENT = 2;

/**
 * A call of libc that returns at once, and may be made again where it failed: what it returned, or why it failed.
 *
 * Between a call and the reading of errno the same thread may make another one: V8 looks for the frequency of the time
 * stamp counter in sysfs once, at any moment, and where that isn't there, errno is ENOENT. So this one counts only when the
 * call has given it twice.
 */
export function attempt(call: () => number | bigint): Done | Errno {
  let code = ENOENT;
  for (let tries = 0; tries < 2 && code === ENOENT; tries++) {
    const result = Number(call());
    if (result >= 0) return { kind: "done", result };
    code = errno();
  }
  const names: Readonly<Record<number, ErrnoName>> = NAMES;
  return { kind: "errno", errno: names[code] ?? `${code}`, text: textOf(code) };
}

const errorNumber = new Int32Array(1);
const errorText = new Uint8Array(128);
const decoder = new TextDecoder();

/** errno(3) of this thread. */
function errno(): number {
  const { __errno_location, memcpy } = libc();
  // Reading through a pointer object would need the permission for all of FFI; copying by libc doesn't.
  memcpy(errorNumber, __errno_location(), BigInt(errorNumber.byteLength));
  return errorNumber[0] ?? 0;
}

function textOf(code: number): string {
  const { strerror, strncpy } = libc();
  strncpy(errorText, strerror(code), BigInt(errorText.length - 1));
  return decoder.decode(errorText.subarray(0, errorText.indexOf(0)));
}
