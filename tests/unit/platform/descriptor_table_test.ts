import assert from "node:assert/strict";
import { makeRoomForDescriptors } from "../../../src/platform/descriptor_table.ts";
import { libc } from "../../../src/platform/libc.ts";

libc(); // loaded once for the life of the process, which Deno's leak check would blame on the first test

/** A figure of a file below /proc/self. */
function figure(file: string, pattern: RegExp): number {
  return Number(pattern.exec(Deno.readTextFileSync(`/proc/self/${file}`))?.[1]);
}

// Other tests of this process have descriptors too, but not so many.
Deno.test("the table of descriptors has room for as many, and none is left open; more than there may be are no error", async () => {
  const count = Math.min(15_000, figure("limits", /^Max open files +(\d+)/m) - 1);
  await makeRoomForDescriptors(count);
  assert(figure("status", /^FDSize:\t(\d+)$/m) > count);
  assert(![...Deno.readDirSync("/proc/self/fd")].some(({ name }) => name === `${count}`));
  await makeRoomForDescriptors(2 ** 30);
});
