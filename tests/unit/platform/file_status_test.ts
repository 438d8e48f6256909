import assert from "node:assert/strict";
import { statusAt, statusOf } from "../../../src/platform/file_status.ts";

statusAt("/"); // loads libc outside of the tests, where it is no leak

Deno.test("a file is distinguished from a directory and a link; an absent one has no status", async () => {
  const dir = await Deno.makeTempDir();
  const path = `${dir}/file`;
  await Deno.writeTextFile(path, "");
  await Deno.chmod(path, 0o640);
  await Deno.symlink(path, `${dir}/link`);
  assert.deepEqual([dir, path, `${dir}/link`].map((p) => statusAt(p)?.kind), ["directory", "file", "other"]);
  assert.equal(statusAt(path)?.mode, 0o640);
  assert.equal(statusAt(`${dir}/none`), undefined);
  await Deno.remove(dir, { recursive: true });
});

Deno.test("two names of one file have one identity, two files have two", async () => {
  const dir = await Deno.makeTempDir();
  for (const name of ["a", "b"]) await Deno.writeTextFile(`${dir}/${name}`, "");
  await Deno.link(`${dir}/a`, `${dir}/also-a`);
  const [a, b, alsoA] = ["a", "b", "also-a"].map((name) => statusAt(`${dir}/${name}`)?.identity);
  assert.equal(a, alsoA);
  assert.notEqual(a, b);
  assert(a?.endsWith(`:${(await Deno.stat(`${dir}/a`)).ino}`));
  await Deno.remove(dir, { recursive: true });
});

Deno.test("the owner is the user, not the group", { ignore: Deno.uid() !== 0 }, async () => {
  const file = await Deno.makeTempFile();
  await Deno.chown(file, 65534, 12345);
  assert.equal(statusAt(file)?.uid, 65534);
  await Deno.remove(file);
});

Deno.test("an open descriptor has a status, a closed one has none", () => {
  assert.notEqual(statusOf(0), undefined);
  assert.equal(statusOf(10_000), undefined);
});
