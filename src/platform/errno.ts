import { lastError } from "./libc.ts";

/** Why a call of the kernel failed. */
export interface Errno {
  /** Its name as in errno(3), such as `EBUSY`; a number where it is none of those that are told apart here. */
  readonly errno: string;
  /** The C library's words for it. */
  readonly text: string;
}

const NAMES: Readonly<Record<number, string>> = {
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
};

/** The failure of the call just before this one: see {@link lastError} for what "just" means. */
export function lastErrno(): Errno {
  const { code, text } = lastError();
  return { errno: NAMES[code] ?? `${code}`, text };
}
