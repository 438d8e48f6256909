/** A text that changes when a file is written, or replaced under the same name. */
export function versionOf({ dev, ino, size, mtime, ctime }: Deno.FileInfo): string {
  return `${dev} ${ino} ${size} ${mtime?.getTime()} ${ctime?.getTime()}`;
}
