/** The largest file that is read, in bytes; as many characters as are parsed (src/config/parse.ts). */
const MAX_SIZE = 32 * 1024;
/** The permission of everybody to write. */
const WRITABLE_BY_ALL = 0o002;

/** What became of reading a file: its text, or one clause that says why there is none. */
export type FileText =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "absent" }
  | { readonly kind: "unusable"; readonly why: string };

/**
 * Reads a configuration file. A program that runs as root takes nothing from where everybody can write: neither
 * the file nor the directory that it lies in may be writable by all. A symlink is followed; it may itself lie in a
 * directory that is writable by all if it leads to a file of root's: this is how kubelet lays out a ConfigMap.
 */
export function readConfigFile(path: string): FileText {
  try {
    const real = Deno.realPathSync(path);
    const why = distrust(path, real);
    return why === undefined ? readText(real) : unusable(why);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return { kind: "absent" };
    return unusable(`it can't be read: ${(error as Error).message}`);
  }
}

/** Why the file mustn't be read, or shouldn't. */
function distrust(path: string, real: string): string | undefined {
  const file = Deno.statSync(real);
  // Opening a pipe would wait for somebody who writes to it.
  if (!file.isFile) return "it is not a regular file";
  if (isWritableByAll(file)) return "everybody can write to it; take that right away (chmod o-w)";
  const isRedirected = dirname(real) !== dirname(path);
  const places = isRedirected && file.uid !== 0 ? [dirname(real), dirname(path)] : [dirname(real)];
  const open = places.find((place) => isWritableByAll(Deno.statSync(place)));
  if (open !== undefined) {
    return `everybody can write to the directory ${open}; take that right away (chmod o-w)`;
  }
  if (file.size > MAX_SIZE) return `it has ${file.size} bytes, and ${MAX_SIZE} is the most that is read`;
}

function dirname(path: string): string {
  const end = path.lastIndexOf("/");
  return end < 0 ? "." : path.slice(0, end) || "/";
}

function isWritableByAll({ mode }: Deno.FileInfo): boolean {
  return mode === null || (mode & WRITABLE_BY_ALL) !== 0;
}

function readText(path: string): FileText {
  const bytes = Deno.readFileSync(path);
  try {
    return { kind: "text", text: new TextDecoder("utf-8", { fatal: true }).decode(bytes) };
  } catch {
    return unusable("it is not UTF-8 text");
  }
}

function unusable(why: string): FileText {
  return { kind: "unusable", why };
}
