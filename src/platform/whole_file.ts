/** Small files that are replaced whole: who reads one finds the former or the new one, also after a power cut. */

const PUBLIC = 0o644;

/**
 * What is at `path` is replaced; a link there isn't followed.
 * @param mode of the file, less what the umask takes
 * @throws where it can't be written
 */
export function writeWhole(path: string, text: string, mode = PUBLIC): void {
  const fresh = `${path}.new`;
  removeFile(fresh);
  using file = Deno.openSync(fresh, { write: true, createNew: true, mode });
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
  file.syncSync();
  Deno.renameSync(fresh, path);
}

/** Whether it was there. */
export function removeFile(path: string): boolean {
  try {
    Deno.removeSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
