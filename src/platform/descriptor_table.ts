import { AT_FDCWD, cString, libc, O_CLOEXEC, O_PATH } from "./libc.ts";

/** fcntl(2), the same on every architecture. */
const F_DUPFD_CLOEXEC = 1030;

/**
 * Makes room for so many descriptors at once. The kernel's table of them doubles when it is full, and each time the thread that
 * opens a file waits until all processors have let go of the old one (expand_fdtable, RCU): some ten milliseconds. So a thread of
 * Deno's pool waits for that, once; where it fails the table grows by itself.
 */
export async function makeRoomForDescriptors(count: number): Promise<void> {
  const place = libc().openat(AT_FDCWD, cString("/"), O_PATH | O_CLOEXEC, 0);
  if (place < 0) return;
  const last = Number(await libc().fcntlSlowly(place, F_DUPFD_CLOEXEC, count));
  for (const each of [place, last]) if (each >= 0) libc().close(each);
}
