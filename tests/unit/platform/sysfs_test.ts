import assert from "node:assert/strict";
import { readerOf } from "../../../src/platform/sysfs.ts";

// libc is loaded once for the life of the process, which Deno's leak check would blame on the first test.
const online = readerOf("/sys")("devices/system/cpu/online");

Deno.test("the kernel's own files are read, which Deno doesn't open with narrow permissions", () => {
  assert.match(online ?? "", /^\d[\d,-]*\n$/);
});

Deno.test("an absent file, a directory and a far too long file read as undefined", async () => {
  const dir = await Deno.makeTempDir();
  await Deno.writeTextFile(`${dir}/online`, "0-1\n");
  await Deno.writeTextFile(`${dir}/long`, "0,".repeat(100_000));
  const read = readerOf(dir);
  assert.deepEqual(["online", "none", ".", "long"].map(read), ["0-1\n", undefined, undefined, undefined]);
  await Deno.remove(dir, { recursive: true });
});

Deno.test("a file is read up to the given limit, and counts as unreadable beyond", () => {
  const root = Deno.makeTempDirSync();
  try {
    Deno.writeTextFileSync(`${root}/mountinfo`, "x".repeat(100_000));
    assert.equal(readerOf(root)("mountinfo"), undefined);
    assert.equal(readerOf(root, 200_000)("mountinfo")?.length, 100_000);
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
});
