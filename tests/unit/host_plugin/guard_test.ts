import assert from "node:assert/strict";
import { answering, guarded, look, type Sight } from "../../../src/host_plugin/guard.ts";
import { placeIn } from "../../../src/host_plugin/place.ts";
import { runtimeAt, writeNote } from "../../../src/host_plugin/note.ts";
import { fileIdentity, writeLaunchedNote } from "../../../src/platform/launched_note.ts";
import { readerOf } from "../../../src/platform/sysfs.ts";

readerOf("/sys")("kernel/osrelease"); // loads libc outside of the tests, where it is no leak

const [RUNS, RESTARTED, REGISTERED] = [
  { isRegistered: false, isRestarted: false },
  { isRegistered: false, isRestarted: true },
  { isRegistered: true, isRestarted: true },
];

/** The outcome, and after how many seconds, where from each of these seconds on that is seen. */
async function play(waitSeconds: number, seen: Readonly<Record<number, Sight>>): Promise<string> {
  let [now, sight] = [0, RUNS];
  const looked = () => Promise.resolve(sight = seen[now / 1000] ?? sight);
  const rest = (ms: number) => Promise.resolve(void (now += ms));
  return `${await guarded(looked, waitSeconds * 1000, { now: () => now, rest })} after ${now / 1000} s`;
}

Deno.test("a plugin has a minute from the runtime's start to register, however long that takes to come", async () => {
  assert.equal(await play(600, { 100: RESTARTED, 103: REGISTERED }), "registered after 103 s");
  assert.equal(await play(600, { 100: RESTARTED, 159: REGISTERED }), "registered after 159 s");
  assert.equal(await play(600, { 100: RESTARTED, 161: REGISTERED }), "not registered after 160 s");
  assert.equal(await play(600, { 599: RESTARTED, 640: REGISTERED }), "registered after 640 s");
});

Deno.test("where the runtime isn't restarted nothing is put back, and who has registered isn't waited for", async () => {
  assert.equal(await play(30, {}), "not restarted after 30 s");
  assert.equal(await play(0, {}), "not restarted after 0 s");
  assert.equal(await play(0, { 0: REGISTERED }), "registered after 0 s");
  assert.equal(await play(Infinity, { 86_400: RESTARTED }), "not registered after 86460 s");
});

Deno.test("a runtime that is down fails as one that has been started", async () => {
  assert.equal(await play(600, { 10: RESTARTED, 20: RUNS, 69: RUNS }), "not registered after 70 s");
});

Deno.test("it is seen that the runtime was started anew or is down, and that it has launched this very file", async () => {
  const dir = await Deno.makeTempDir();
  const place = placeIn(`${dir}/nri`);
  await Deno.mkdir(place.plugins, { recursive: true });
  await Deno.writeTextFile(place.target, "");
  const [socket, cri] = [`${dir}/nri.sock`, `${dir}/cri.sock`];
  const runDir = `${dir}/run`;
  const guard = { place, runDir, socket, criSockets: [`${dir}/none.sock`, cri] };
  const note = { installed: "", hadFormer: false, rejected: "", own: [] };
  try {
    using listener = Deno.listen({ transport: "unix", path: cri });
    await Deno.writeTextFile(socket, "");
    writeNote(place, { ...note, runtime: runtimeAt(socket) });
    assert.deepEqual(await look(guard), RUNS);
    await Deno.utime(socket, 1, 1); // one that was made later and has got the number of the former one's inode
    assert.deepEqual(await look(guard), RESTARTED);
    writeNote(place, { ...note, runtime: runtimeAt(socket) });
    writeLaunchedNote(runDir, fileIdentity(place.target), "the former one");
    await Deno.writeTextFile(`${place.target}.new`, "new");
    await Deno.rename(`${place.target}.new`, place.target);
    assert.deepEqual(await look(guard), RUNS);
    await Deno.remove(socket);
    assert.deepEqual(await look(guard), RESTARTED);
    writeLaunchedNote(runDir, fileIdentity(place.target), "the new one");
    assert.deepEqual(await look(guard), REGISTERED);
    await Deno.writeTextFile(socket, "");
    writeNote(place, { ...note, runtime: runtimeAt(socket) });
    listener.close();
    await Deno.remove(`${runDir}/launched.json`);
    assert.deepEqual(await look(guard), RESTARTED);
    await Deno.remove(socket);
    writeNote(place, { ...note, runtime: "" });
    assert.deepEqual(await look(guard), RUNS);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("a runtime of which no socket is known, or that is too busy to answer, isn't down", async () => {
  const dir = await Deno.makeTempDir();
  const place = placeIn(`${dir}/nri`);
  await Deno.mkdir(place.plugins, { recursive: true });
  const [socket, cri, none] = [`${dir}/nri.sock`, `${dir}/cri.sock`, `${dir}/none.sock`];
  const waiting: Deno.Conn[] = [];
  try {
    using _listener = Deno.listen({ transport: "unix", path: cri });
    await Deno.writeTextFile(socket, "");
    const runtime = runtimeAt(socket);
    writeNote(place, { installed: "", hadFormer: false, rejected: "", own: [], runtime });
    const guard = { place, runDir: `${dir}/run`, socket };
    assert.deepEqual(await answering([none, socket, cri]), [cri]);
    assert.deepEqual(await look({ ...guard, criSockets: await answering([none]) }), RUNS);
    const full = async () => {
      for (;;) waiting.push(await Deno.connect({ transport: "unix", path: cri }));
    };
    await assert.rejects(full(), Deno.errors.WouldBlock);
    assert.deepEqual(await look({ ...guard, criSockets: [cri] }), RUNS);
  } finally {
    for (const each of waiting) each.close();
    await Deno.remove(dir, { recursive: true });
  }
});
