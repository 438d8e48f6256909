import { readInto } from "./libc.ts";

/** Most kernel files are short, such as a CPU list. A longer one is not the expected file. */
const MAX_BYTES = 64 * 1024;

/**
 * A reader of the small text files below `root` (/sys, /proc, the cgroup tree): the content, or undefined when
 * the file isn't there or can't be read. The caller knows what that means.
 *
 * @param maxBytes of a file; a longer one counts as unreadable
 */
export function readerOf(root: string, maxBytes: number = MAX_BYTES): (path: string) => string | undefined {
  const base = root.endsWith("/") ? root : `${root}/`;
  const buffer = new Uint8Array(maxBytes);
  const decoder = new TextDecoder();
  return (path) => {
    const bytes = path.includes("\0") ? undefined : readInto(buffer, base + path);
    return bytes && decoder.decode(bytes);
  };
}
