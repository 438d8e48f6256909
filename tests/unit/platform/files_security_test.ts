/** Root writes files where others may write too, or did: nothing of theirs is written through or over. */
import assert from "node:assert/strict";
import { statusAt } from "../../../src/platform/file_status.ts";
import { LeaderLock } from "../../../src/platform/lock.ts";
import { RotatingFile } from "../../../src/platform/rotating_file.ts";

statusAt("/"); // loads libc outside of the tests, where it is no leak

const LINE = new TextEncoder().encode("12345678\n");

async function inFolder(play: (dir: string, victim: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  const victim = `${dir}/victim`;
  Deno.writeTextFileSync(victim, "precious");
  try {
    await Deno.mkdir(`${dir}/log`);
    await play(`${dir}/log`, victim);
    assert.equal(Deno.readTextFileSync(victim), "precious");
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("a dangling link in place of the log creates no file at its target", async () => {
  await inFolder(async (dir) => {
    Deno.symlinkSync(`${dir}/../made`, `${dir}/a.log`);
    const log = new RotatingFile({ path: `${dir}/a.log`, maxBytes: 100, keep: 1 });
    await assert.rejects(log.append(LINE), /it is no regular file/);
    assert.equal(statusAt(`${dir}/../made`), undefined);
  });
});

Deno.test("links among the older logs are replaced or removed, never followed", async () => {
  await inFolder(async (dir, victim) => {
    for (const number of [1, 2, 3]) Deno.symlinkSync(victim, `${dir}/a.log.${number}`);
    const log = new RotatingFile({ path: `${dir}/a.log`, maxBytes: 10, keep: 2 });
    for (let lines = 0; lines < 4; lines++) await log.append(LINE);
    for (const name of ["a.log", "a.log.1", "a.log.2"]) {
      assert.equal(statusAt(`${dir}/${name}`)?.kind, "file");
    }
    assert.equal(statusAt(`${dir}/a.log.3`), undefined);
  });
});

Deno.test("a log that becomes a link after the check isn't written", async () => {
  await inFolder(async (dir, victim) => {
    const path = `${dir}/a.log`;
    const log = new RotatingFile({ path, maxBytes: 100, keep: 1 });
    await log.append(LINE);
    const { lstat } = Deno;
    try {
      Deno.lstat = async (asked) => {
        const seen = await lstat(asked);
        Deno.lstat = lstat;
        Deno.removeSync(path);
        Deno.symlinkSync(victim, path);
        return seen;
      };
      await assert.rejects(log.append(LINE), /it is no regular file/);
    } finally {
      Deno.lstat = lstat;
    }
  });
});

Deno.test("a link as the lock file is refused, and its target is neither written nor created", async () => {
  await inFolder(async (dir, victim) => {
    const stop = new AbortController().signal;
    for (const target of [victim, `${dir}/../made`]) {
      Deno.symlinkSync(target, `${dir}/owner.lock`);
      await assert.rejects(LeaderLock.acquire(dir, "a test", stop, () => {}), /owner\.lock can't be opened/);
      Deno.removeSync(`${dir}/owner.lock`);
    }
    assert.equal(statusAt(`${dir}/../made`), undefined);
  });
});

Deno.test("only the owner can read lock and log, whatever the process' umask", async () => {
  await inFolder(async (dir) => {
    const before = Deno.umask(0);
    try {
      const lock = await LeaderLock.acquire(`${dir}/run`, "a test", new AbortController().signal, () => {});
      lock.release();
      await new RotatingFile({ path: `${dir}/a.log`, maxBytes: 100, keep: 1 }).append(LINE);
    } finally {
      Deno.umask(before);
    }
    const modes = ["run", "run/owner.lock", "a.log"].map((name) => statusAt(`${dir}/${name}`)?.mode);
    assert.deepEqual(modes, [0o700, 0o600, 0o600]);
  });
});
