/** As many characters are parsed (src/config/parse.ts). */
const MAX_BYTES = 32 * 1024;
/** The write permission of others, see inode(7). */
const WRITABLE_BY_ALL = 0o002;

/** The text of a file, or one clause that says why there is none. */
export type FileText =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "absent" }
  | { readonly kind: "unusable"; readonly reason: string };

/**
 * Reads a configuration file. A program that runs as root must not read what any user can write: neither the file
 * nor its directory may be world-writable. A symlink is followed; it may itself lie in a world-writable directory if
 * it leads to a file of root's: this is how kubelet lays out a ConfigMap.
 */
export function readConfigFile(path: string, maxBytes: number = MAX_BYTES): FileText {
  try {
    const real = Deno.realPathSync(path);
    const reason = whyUnusable(path, real, maxBytes);
    return reason === undefined ? readText(real) : unusable(reason);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return { kind: "absent" };
    return unusable(`it can't be read: ${(error as Error).message}`);
  }
}

/** Why the file must not be read; undefined where it may be. */
function whyUnusable(path: string, real: string, maxBytes: number): string | undefined {
  const file = Deno.statSync(real);
  // Opening a pipe would block until a writer opens it.
  if (!file.isFile) return "it is not a regular file";
  if (isWritableByAll(file)) return "it is world-writable; remove that permission (chmod o-w)";
  const isRedirected = dirname(real) !== dirname(path);
  const places = isRedirected && file.uid !== 0 ? [dirname(real), dirname(path)] : [dirname(real)];
  const open = places.find((place) => isWritableByAll(Deno.statSync(place)));
  if (open !== undefined) {
    return `the directory ${open} is world-writable; remove that permission (chmod o-w)`;
  }
  if (file.size > maxBytes) return `it has ${file.size} bytes, more than the limit of ${maxBytes}`;
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

function unusable(reason: string): FileText {
  return { kind: "unusable", reason };
}
