import { lastError } from "./libc.ts";

const NAMES = {
  1: "EPERM",
  2: "ENOENT",
  5: "EIO",
  13: "EACCES",
  16: "EBUSY",
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

/** The failure of the call just before this one: see {@link lastError} for what "just" means. */
export function lastErrno(): Errno {
  const { code, text } = lastError();
  const names: Readonly<Record<number, ErrnoName>> = NAMES;
  return { kind: "errno", errno: names[code] ?? `${code}`, text };
}
