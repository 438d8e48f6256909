import assert from "node:assert/strict";
import { readerOf } from "../../../src/platform/sysfs.ts";
import { writeNewFile } from "../../../src/support/new_file.ts";
import { FileTree } from "../../kit/file_tree.ts";

// Loads libc, once for the process.
readerOf("/sys")("devices/system/cpu/online");

const BYTES = new TextEncoder().encode("content");

Deno.test("a new file is its owner's alone, whatever the umask", () => {
  using tree = new FileTree({ "folder/other": "" });
  const before = Deno.umask(0);
  try {
    writeNewFile(`${tree.root}//folder/./new`, BYTES);
  } finally {
    Deno.umask(before);
  }
  assert.equal(tree.read("folder/new"), "content");
  assert.equal((Deno.statSync(`${tree.root}/folder/new`).mode ?? 0) & 0o777, 0o600);
});

Deno.test("nothing is overwritten, and no link is followed, neither in place of the file nor on the way to it", () => {
  using tree = new FileTree({
    "there": "mine",
    "real/kept": "",
    "link": "->real",
    "dangling": "->real/made",
    "file/below": "",
  });
  const cases: readonly [path: string, sentence: RegExp][] = [
    ["there", /there is there already; name another file: --file PATH$/],
    ["dangling", /dangling is there already/],
    ["link/new", /a part of .*link\/new is a symbolic link or no directory/],
    ["there/new", /is a symbolic link or no directory/],
    ["none/new", /the directory of .*none\/new doesn't exist/],
    ["real", /real is there already/],
  ];
  for (const [path, sentence] of cases) {
    assert.throws(() => writeNewFile(`${tree.root}/${path}`, BYTES), { message: sentence });
  }
  assert.equal(tree.read("there"), "mine");
  assert.deepEqual([...Deno.readDirSync(`${tree.root}/real`)].map(({ name }) => name), ["kept"]);
});

Deno.test("devices are there already, and the kernel's file systems take no file", () => {
  assert.throws(() => writeNewFile("/dev/full", BYTES), /\/dev\/full is there already/);
  assert.throws(() => writeNewFile("/proc/new", BYTES), /\/proc\/new/);
});
