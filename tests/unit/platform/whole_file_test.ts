import assert from "node:assert/strict";
import { writeWhole } from "../../../src/platform/whole_file.ts";

function inFolder(play: (dir: string) => void): void {
  const dir = Deno.makeTempDirSync();
  try {
    play(dir);
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
}

Deno.test("a file is replaced whole: who has the former one open goes on reading that", () =>
  inFolder((dir) => {
    Deno.writeTextFileSync(`${dir}/note`, "the former one");
    using former = Deno.openSync(`${dir}/note`);
    writeWhole(`${dir}/note`, "the new one", 0o600);
    const bytes = new Uint8Array(99);
    assert.equal(new TextDecoder().decode(bytes.subarray(0, former.readSync(bytes) ?? 0)), "the former one");
    assert.equal(Deno.readTextFileSync(`${dir}/note`), "the new one");
    assert.equal((Deno.statSync(`${dir}/note`).mode ?? 0) & 0o777, 0o600);
    assert.deepEqual([...Deno.readDirSync(dir)].map(({ name }) => name), ["note"]);
  }));

Deno.test("links in its place, or in that of what a try before has left, are replaced and not followed", () =>
  inFolder((dir) => {
    Deno.writeTextFileSync(`${dir}/victim`, "untouched");
    for (const name of ["note", "note.new"]) Deno.symlinkSync(`${dir}/victim`, `${dir}/${name}`);
    writeWhole(`${dir}/note`, "the new one");
    assert.equal(Deno.readTextFileSync(`${dir}/victim`), "untouched");
    assert.equal(Deno.lstatSync(`${dir}/note`).isSymlink, false);
  }));
