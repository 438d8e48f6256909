import assert from "node:assert/strict";
import { type ByteStream, connectUnix } from "../../../src/platform/socket.ts";
import { turn } from "../../kit/turn.ts";

Deno.test("a missing socket, a dead one and a regular file are each reported in one sentence with the path", async () => {
  const dir = await Deno.makeTempDir();
  const dead = `${dir}/dead.sock`;
  // A killed runtime leaves its socket file behind; Deno removes the one it listens at when it closes.
  const listener = Deno.listen({ transport: "unix", path: `${dir}/live.sock` });
  await Deno.rename(`${dir}/live.sock`, dead);
  listener.close();
  await assert.rejects(
    connectUnix(`${dir}/none.sock`),
    /^Error: there is no NRI socket at .*none\.sock; is the runtime running, with NRI enabled\?$/,
  );
  await assert.rejects(
    connectUnix(dead),
    /^Error: no process listens at .*dead\.sock; is the runtime running\?$/,
  );
  await Deno.remove(dir, { recursive: true });
});

Deno.test("what is written arrives whole, and then the end", async () => {
  const dir = await Deno.makeTempDir();
  const path = `${dir}/nri.sock`;
  const listener = Deno.listen({ transport: "unix", path });
  const accepted = listener.accept();
  const connection = await connectUnix(path);
  const peer = await accepted;
  const big = new Uint8Array(1 << 20).map((_, i) => i);
  const written = connection.write(big);
  const seen: number[] = [];
  const buffer = new Uint8Array(1 << 16);
  while (seen.length < big.length) seen.push(...buffer.subarray(0, await peer.read(buffer) ?? 0));
  await written;
  assert.deepEqual(Uint8Array.from(seen), big);
  peer.close();
  assert.equal(await connection.read(), undefined);
  connection.close();
  connection.close();
  listener.close();
  await Deno.remove(dir, { recursive: true });
});

Deno.test("a pending read ends when the connection is closed", async () => {
  const dir = await Deno.makeTempDir();
  const path = `${dir}/nri.sock`;
  const listener = Deno.listen({ transport: "unix", path });
  const accepted = listener.accept();
  const connection = await connectUnix(path);
  const reading = assert.rejects(connection.read());
  connection.close();
  await reading;
  (await accepted).close();
  listener.close();
  await Deno.remove(dir, { recursive: true });
});

/** Both ends of a connection, the first with all its manners, for the length of `play`. */
async function connected(play: (ours: ByteStream, peer: Deno.Conn) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  const listener = Deno.listen({ transport: "unix", path: `${dir}/nri.sock` });
  const accepted = listener.accept();
  const ours = await connectUnix(`${dir}/nri.sock`);
  const peer = await accepted;
  try {
    await play(ours, peer);
  } finally {
    ours.close();
    peer.close();
    listener.close();
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("messages queued for a slow reader arrive one after the other, none cut in two by another", async () => {
  await connected(async (ours, peer) => {
    const size = 1 << 20;
    const written = Promise.all([1, 2, 3].map((mark) => ours.write(new Uint8Array(size).fill(mark))));
    let seen = 0;
    const buffer = new Uint8Array(1 << 16);
    while (seen < 3 * size) {
      for (const byte of buffer.subarray(0, await peer.read(buffer) ?? 0)) {
        if (byte !== Math.floor(seen++ / size) + 1) assert.fail(`byte ${seen - 1} is of message ${byte}`);
      }
    }
    await written;
  });
});

Deno.test("writes to a reader that doesn't read end when the connection is closed", async () => {
  await connected(async (ours) => {
    const writes = [1, 2].map(() => ours.write(new Uint8Array(1 << 22)));
    const ended = writes.map((write) =>
      assert.rejects(write, /^Error: the connection to the runtime is closed$/)
    );
    await turn(); // until the first one waits
    ours.close();
    await Promise.all(ended);
    await assert.rejects(ours.write(new Uint8Array(1)), /closed/);
  });
});
