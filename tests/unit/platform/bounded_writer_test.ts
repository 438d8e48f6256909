import assert from "node:assert/strict";
import { BoundedWriter, type WriteAll } from "../../../src/platform/bounded_writer.ts";

function writerTo(write: WriteAll, limit: number): BoundedWriter {
  return new BoundedWriter(write, { lines: limit, characters: 100 }, (count) => `dropped ${count}\n`);
}

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

/** A sink that works when it is told to. */
class Disk {
  text = "";
  works = false;

  readonly write = (bytes: Uint8Array): Promise<void> => {
    if (!this.works) return Promise.reject(new Error("disk full"));
    this.text += new TextDecoder().decode(bytes);
    return Promise.resolve();
  };
}

Deno.test("lines are written in order", async () => {
  let text = "";
  const writer = writerTo((bytes) => Promise.resolve(void (text += new TextDecoder().decode(bytes))), 10);
  for (const line of ["a\n", "b\n", "c\n"]) writer.push(line);
  await writer.flush();
  assert.equal(text, "a\nb\nc\n");
});

Deno.test("a reader that stalls costs lines, not memory, and their number is written", async () => {
  const reader = new SlowReader();
  const writer = writerTo(reader.write, 3);
  writer.push("first\n");
  for (let i = 0; i < 100; i++) writer.push(`line ${i}\n`);
  reader.takeNext();
  while (reader.taken.length < 2) await Promise.resolve();
  assert.deepEqual(reader.taken, ["first\n", "line 0\nline 1\nline 2\ndropped 97\n"]);
  reader.takeNext();
  await writer.flush();
});

Deno.test("long lines are dropped when a few reach the bound; short ones still fit in", async () => {
  const reader = new SlowReader();
  const writer = writerTo(reader.write, 10);
  writer.push("first\n");
  for (const line of ["a", "b", "c"]) writer.push(line.repeat(39) + "\n");
  writer.push("d".repeat(19) + "\n");
  writer.push("\n");
  reader.takeNext();
  while (reader.taken.length < 2) await Promise.resolve();
  assert.equal(reader.taken[1]?.replace(/(.)\1{9,}/g, "$1"), "a\nb\nd\ndropped 2\n");
  for (let i = 0; i < 20; i++) writer.push("e".repeat(9) + "\n");
  reader.takeNext();
  while (reader.taken.length < 3) await Promise.resolve();
  assert.equal(reader.taken[2], ("e".repeat(9) + "\n").repeat(10) + "dropped 10\n", "there is room again");
  reader.takeNext();
  await writer.flush();
});

Deno.test("lines whose write fails are lost, each new one is tried, and the loss is reported once a write succeeds", async () => {
  const disk = new Disk();
  const writer = writerTo(disk.write, 10);
  for (const line of ["lost\n", "lost too\n", "lost as well\n"]) {
    writer.push(line);
    await writer.flush();
  }
  disk.works = true;
  for (const line of ["kept\n", "also\n"]) {
    writer.push(line);
    await writer.flush();
  }
  assert.equal(disk.text, "kept\ndropped 3\nalso\n");
});

Deno.test("lines dropped beyond the bound are still counted after a write that failed", async () => {
  const disk = new Disk();
  const writer = writerTo(disk.write, 2);
  for (let i = 0; i < 5; i++) writer.push(`${i}\n`);
  await writer.flush();
  disk.works = true;
  writer.push("kept\n");
  await writer.flush();
  assert.equal(disk.text, "kept\ndropped 5\n");
});

Deno.test("a line that comes just as the writer falls idle is written too", async () => {
  for (let moments = 0; moments < 10; moments++) {
    let text = "";
    const writer = writerTo((bytes) => Promise.resolve(void (text += new TextDecoder().decode(bytes))), 10);
    writer.push("a\n");
    for (let i = 0; i < moments; i++) await Promise.resolve();
    writer.push("b\n");
    await writer.flush();
    assert.equal(text, "a\nb\n", `after ${moments} moments`);
  }
});
