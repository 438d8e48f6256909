/** Kernel files are short: the longest here is a CPU list. */
const MAX_SIZE = 64 * 1024;

/**
 * A reader of the small text files below `root` (/sys, /proc): the content, or undefined when the file
 * isn't there or can't be read. What that means is for the caller to know.
 */
export function readerOf(root: string): (path: string) => string | undefined {
  const base = root.endsWith("/") ? root : `${root}/`;
  return (path) => {
    try {
      const text = Deno.readTextFileSync(base + path);
      return text.length <= MAX_SIZE ? text : undefined;
    } catch {
      return undefined;
    }
  };
}
