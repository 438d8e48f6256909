import assert from "node:assert/strict";
import { connectUnix } from "../../src/host/socket.ts";

Deno.test("a missing socket, a dead one and a plain file are each said in one sentence with the path", async () => {
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
    /^Error: nobody listens at .*dead\.sock; is the runtime running\?$/,
  );
  await Deno.remove(dir, { recursive: true });
});

Deno.test("what is written arrives whole, and the end is the end", async () => {
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

Deno.test("a read that waits ends when the connection is closed", async () => {
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
