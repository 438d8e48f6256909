import { openNameByName } from "../cgroup/directory.ts";
import { attempt, type Errno } from "../platform/errno.ts";
import { cString, libc, O_CLOEXEC, O_CREAT, O_NOFOLLOW, O_WRONLY } from "../platform/libc.ts";

/** See open(2): the file mustn't be there. */
const O_EXCL = 0o200;

/**
 * Makes a file that only its owner can read. Nothing is overwritten, and no symbolic link followed on the way to it.
 * @throws {Error} one sentence, after which there is no new file
 */
export function writeNewFile(path: string, bytes: Uint8Array<ArrayBuffer>): void {
  const absolute = path.startsWith("/") ? path : `${Deno.cwd()}/${path}`;
  const names = absolute.split("/").filter((name) => name !== "" && name !== ".");
  const name = names.pop() ?? "";
  const directory = openNameByName(["", ...names].join("/"));
  if (directory.kind === "errno") throw new Error(explained(path, directory));
  try {
    const flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    const file = attempt(() => libc().openat(directory.result, cString(name), flags, 0o600));
    if (file.kind === "errno") throw new Error(explained(path, file));
    const problem = written(file.result, bytes);
    libc().close(file.result);
    if (problem === undefined) return;
    Deno.removeSync(absolute);
    throw new Error(explained(path, problem));
  } finally {
    libc().close(directory.result);
  }
}

/** The failure; undefined when all is written. */
function written(file: number, bytes: Uint8Array<ArrayBuffer>): Errno | undefined {
  for (let at = 0; at < bytes.length;) {
    const rest = bytes.subarray(at);
    const wrote = attempt(() => libc().pwrite(file, rest, BigInt(rest.length), BigInt(at)));
    if (wrote.kind === "errno") return wrote;
    at += wrote.result;
  }
  return undefined;
}

function explained(path: string, { errno, text }: Errno): string {
  switch (errno) {
    case "17": // EEXIST
      return `${path} is there already; name another file: --file PATH`;
    case "ELOOP":
    case "ENOTDIR":
      return `a part of ${path} is a symbolic link or no directory; name the place itself: --file PATH`;
    case "ENOENT":
      return `the directory of ${path} doesn't exist; make it, or name another one: --file PATH`;
    default:
      return `${path} can't be written (${errno}): ${text}`;
  }
}
