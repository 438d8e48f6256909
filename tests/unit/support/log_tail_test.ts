import assert from "node:assert/strict";
import { logTail } from "../../../src/support/log_tail.ts";
import { FileTree } from "../../kit/file_tree.ts";

Deno.test("the last whole lines of a long log, all of a short one", () => {
  const line = `${"x".repeat(99)}\n`;
  using tree = new FileTree({ "long": line.repeat(10_000) + "last\n", "short": "one\ntwo\n", "empty": "" });
  const tail = logTail(`${tree.root}/long`) ?? "";
  assert(tail.length <= 512 * 1024 && tail.length > 511 * 1024, `${tail.length}`);
  assert(tail.startsWith(line) && tail.endsWith("last\n"));
  assert.equal(logTail(`${tree.root}/short`), "one\ntwo\n");
  assert.equal(logTail(`${tree.root}/empty`), "");
});

Deno.test("a link, a folder, and what anybody can write are left out", () => {
  using tree = new FileTree({ "log": "text", "link": "->log", "open": "text" });
  Deno.chmodSync(`${tree.root}/open`, 0o666);
  for (const name of ["link", "open", "none", "."]) {
    assert.equal(logTail(`${tree.root}/${name}`), undefined, name);
  }
});
