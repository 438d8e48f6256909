/** A text that is another one once a file has been written, or another was put in its place under the same name. */
export function versionOf({ dev, ino, size, mtime, ctime }: Deno.FileInfo): string {
  return `${dev} ${ino} ${size} ${mtime?.getTime()} ${ctime?.getTime()}`;
}
