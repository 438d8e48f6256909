import assert from "node:assert/strict";
import { Descriptor } from "../../../src/platform/descriptor.ts";
import { statusOf } from "../../../src/platform/file_status.ts";
import { openInherited } from "../../../src/platform/inherited_fd.ts";
import type { ByteStream } from "../../../src/platform/socket.ts";
import { Child } from "../../kit/child.ts";
import { socketPair } from "../../kit/socket_pair.ts";

statusOf(0); // loads libc outside of the tests, where it is no leak

const MIB = 1 << 20;

/** Both ends of a socket pair, for the length of a test. */
async function joined(play: (a: ByteStream, b: ByteStream, numbers: [number, number]) => Promise<void>) {
  const numbers = socketPair();
  const [a, b] = [openInherited(numbers[0]), openInherited(numbers[1])];
  try {
    await play(a, b, numbers);
  } finally {
    a.close();
    b.close();
  }
}

async function readAll(connection: ByteStream, length: number): Promise<Uint8Array> {
  const all = new Uint8Array(length);
  for (let at = 0; at < length;) {
    const bytes = await connection.read();
    assert(bytes !== undefined, `the end after ${at} of ${length} bytes`);
    all.set(bytes, at);
    at += bytes.length;
  }
  return all;
}

function bytes(length: number, seed: number): Uint8Array {
  return new Uint8Array(length).map((_, i) => (i * 31 + seed) % 251);
}

Deno.test("what is no stream socket is refused in one sentence", async () => {
  const dir = await Deno.makeTempDir();
  const file = await Deno.open(dir);
  const [a, b] = socketPair("datagram");
  const wrong: [number, RegExp][] = [
    [10_000, /^Error: descriptor 10000 is no socket \(Bad file descriptor\); it should be the socket/],
    [0, /^Error: descriptor 0 is no socket \(Socket operation on non-socket\)/],
    [a, /^Error: descriptor \d+ is a socket of another kind than a stream/],
    [NaN, /^Error: descriptor NaN is no number of a descriptor/],
    [-1, /^Error: descriptor -1 is no number of a descriptor/],
    [3.5, /^Error: descriptor 3.5 is no number of a descriptor/],
  ];
  for (const [descriptor, sentence] of wrong) assert.throws(() => openInherited(descriptor), sentence);
  for (const descriptor of [a, b]) new Descriptor(descriptor).close();
  file.close();
  await Deno.remove(dir);
});

Deno.test("what is written arrives whole, also when it is more than the kernel holds at once", async () => {
  await joined(async (a, b) => {
    const sent = bytes(4 * MIB, 1);
    const written = a.write(sent);
    assert.deepEqual(await readAll(b, sent.length), sent);
    await written;
  });
});

Deno.test("both directions are independent: both ends write while none reads", async () => {
  await joined(async (a, b) => {
    const written = Promise.all([a.write(bytes(MIB, 1)), b.write(bytes(MIB, 2))]);
    assert.deepEqual(await readAll(a, MIB), bytes(MIB, 2));
    assert.deepEqual(await readAll(b, MIB), bytes(MIB, 1));
    await written;
  });
});

Deno.test("a write in parts isn't cut in two by the next one", async () => {
  await joined(async (a, b) => {
    const written = Promise.all([1, 2, 3].map((seed) => a.write(new Uint8Array(MIB).fill(seed))));
    const all = await readAll(b, 3 * MIB);
    await written;
    assert.deepEqual([1, 2, 3].map((seed) => [all.indexOf(seed), all.lastIndexOf(seed)]), [
      [0, MIB - 1],
      [MIB, 2 * MIB - 1],
      [2 * MIB, 3 * MIB - 1],
    ]);
  });
});

Deno.test("the peer's end comes after its last bytes, and stays", async () => {
  await joined(async (a, b) => {
    await a.write(bytes(10, 1));
    a.close();
    assert.deepEqual(await readAll(b, 10), bytes(10, 1));
    assert.equal(await b.read(), undefined);
    assert.equal(await b.read(), undefined);
  });
});

Deno.test("a closed peer is an error of the write, not the end of the process", async () => {
  await joined(async (a, b) => {
    a.close();
    await assert.rejects(
      b.write(bytes(10, 1)),
      /^Error: writing to the runtime's socket failed: Broken pipe$/,
    );
  });
});

Deno.test("a peer that closed with bytes unread is an error of the read", async () => {
  await joined(async (a, b) => {
    await b.write(bytes(10, 1));
    a.close();
    await assert.rejects(
      b.read(),
      /^Error: reading from the runtime's socket failed: Connection reset by peer$/,
    );
  });
});

Deno.test("closing ends a pending read, closes the peer's end, and can be repeated", async () => {
  await joined(async (a, b) => {
    const reading = a.read();
    a.close();
    a.close();
    assert.equal(await reading, undefined);
    assert.equal(await a.read(), undefined);
    assert.equal(await b.read(), undefined);
  });
});

Deno.test("closing ends a pending write, and those behind it", async () => {
  await joined(async (a) => {
    const writes = [a.write(bytes(4 * MIB, 1)), a.write(bytes(1, 1))];
    await Promise.resolve(); // the first has filled the kernel's buffer and waits
    a.close();
    for (const write of writes) await assert.rejects(write, /^Error: the runtime's socket is closed$/);
  });
});

Deno.test("the descriptor is closed, but not while a thread still uses it", async () => {
  await joined(async (a, _b, [number]) => {
    const { identity } = statusOf(number) ?? assert.fail();
    const reading = a.read();
    a.close();
    assert.equal(statusOf(number)?.identity, identity);
    await reading;
    // Another test, in another thread, may have the number by now.
    assert.notEqual(statusOf(number)?.identity, identity);
  });
});

const ECHO = (descriptor: number) => `
  import { openInherited } from "src/platform/inherited_fd.ts";
  const connection = openInherited(${descriptor});
  for (let bytes = await connection.read(); bytes; bytes = await connection.read()) await connection.write(bytes);
  console.log("the end");
`;

Deno.test("a child that inherits the descriptor, with the executable's permissions, serves it", async () => {
  const [ours, childs] = socketPair();
  await Child.with([ECHO(childs)], async (child) => {
    const connection = openInherited(ours);
    for (const length of [1, 100, 2 * MIB]) {
      const written = connection.write(bytes(length, length));
      assert.deepEqual(await readAll(connection, length), bytes(length, length));
      await written;
    }
    connection.close();
    await child.says("the end");
    assert.equal((await child.process.status).code, 0);
  });
  new Descriptor(childs).close();
});

Deno.test("a pending read doesn't delay Deno.exit", async () => {
  const [ours, childs] = socketPair();
  const program = `
    import { openInherited } from "src/platform/inherited_fd.ts";
    const connection = openInherited(${childs});
    connection.read().then(() => console.log("was read"));
    setTimeout(() => Deno.exit(7));
  `;
  await Child.with([program], async (child) => {
    assert.equal((await child.process.status).code, 7);
    assert.equal(await child.line(), undefined);
  });
  for (const descriptor of [ours, childs]) new Descriptor(descriptor).close();
});
