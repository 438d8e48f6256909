import assert from "node:assert/strict";
import { BoundedWriter } from "../../src/host/bounded_writer.ts";

/** A reader that takes a write only when it is told to. */
class SlowReader {
  readonly taken: string[] = [];
  #release: (() => void) | undefined;

  readonly write = (bytes: Uint8Array): Promise<void> => {
    this.taken.push(new TextDecoder().decode(bytes));
    return new Promise((resolve) => this.#release = resolve);
  };

  takeNext(): void {
    this.#release?.();
  }
}

Deno.test("lines are written in order", async () => {
  let text = "";
  const writer = new BoundedWriter(
    (bytes) => Promise.resolve(void (text += new TextDecoder().decode(bytes))),
    10,
  );
  for (const line of ["a\n", "b\n", "c\n"]) writer.push(line);
  await writer.flush();
  assert.equal(text, "a\nb\nc\n");
});

Deno.test("a reader that stalls costs lines, not memory, and is told how many", async () => {
  const reader = new SlowReader();
  const writer = new BoundedWriter(reader.write, 3);
  writer.push("first\n");
  for (let i = 0; i < 100; i++) writer.push(`line ${i}\n`);
  reader.takeNext();
  while (reader.taken.length < 2) await Promise.resolve();
  assert.deepEqual(reader.taken, [
    "first\n",
    "line 0\nline 1\nline 2\ndropped 97 log lines, the reader was too slow\n",
  ]);
  reader.takeNext();
  await writer.flush();
});

Deno.test("a sink that fails loses its lines and nothing else", async () => {
  let works = false;
  let text = "";
  const write = (bytes: Uint8Array) => {
    if (!works) return Promise.reject(new Error("disk full"));
    text += new TextDecoder().decode(bytes);
    return Promise.resolve();
  };
  const writer = new BoundedWriter(write, 10);
  writer.push("lost\n");
  await writer.flush();
  works = true;
  writer.push("kept\n");
  await writer.flush();
  assert.equal(text, "kept\n");
});
