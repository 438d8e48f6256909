/** Of each log; the agent's own are rotated at 10 MiB by default. */
const MAX_BYTES = 512 * 1024;
/** The write permission of others, see inode(7). */
const WRITABLE_BY_ALL = 0o002;

/** The last lines of a log; undefined when it isn't a regular file that only some can write, or can't be read. */
export function logTail(path: string): string | undefined {
  try {
    const { isFile, mode, size } = Deno.lstatSync(path);
    if (!isFile || ((mode ?? WRITABLE_BY_ALL) & WRITABLE_BY_ALL) !== 0) return undefined;
    using file = Deno.openSync(path);
    const isCut = size > MAX_BYTES;
    if (isCut) file.seekSync(-MAX_BYTES, Deno.SeekMode.End);
    const bytes = new Uint8Array(MAX_BYTES);
    let length = 0;
    for (let count: number | null = 0; count !== null && length < bytes.length; length += count ?? 0) {
      count = file.readSync(bytes.subarray(length));
    }
    const text = new TextDecoder().decode(bytes.subarray(0, length));
    return isCut ? text.slice(text.indexOf("\n") + 1) : text;
  } catch {
    return undefined;
  }
}
