import assert from "node:assert/strict";
import { Progress } from "../../../e2e/harness/progress.ts";

function shown(columns: number | undefined, body: (progress: Progress) => void): string {
  let text = "";
  body(new Progress((part) => text += part, columns));
  return text;
}

Deno.test("without a terminal each event is a line", () => {
  const text = shown(undefined, (progress) => {
    progress.runs(0, "one");
    progress.ended(0, "passed one");
  });
  assert.equal(text, "w0 runs    one\nw0 passed one\n");
});

Deno.test("on a terminal each worker has a line, cut to its width, below what has ended", () => {
  const text = shown(10, (progress) => {
    progress.runs(0, "one");
    progress.runs(1, "a long name");
    progress.ended(0, "passed one");
  });
  const again = "\x1b[1A\x1b[2K";
  assert.equal(
    text,
    `w0 one\n${again}w0 one\nw1 a long \n${again}${again}w0 passed one\nw0 \nw1 a long \n`,
  );
});
