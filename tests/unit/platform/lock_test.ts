import assert from "node:assert/strict";
import { statusAt } from "../../../src/platform/file_status.ts";
import { LeaderLock, type LockHolder } from "../../../src/platform/lock.ts";
import { Child } from "../../kit/child.ts";
import { turn } from "../../kit/turn.ts";

statusAt("/"); // loads libc outside of the tests, where it is no leak

const never = new AbortController().signal;

async function inFolder(play: (dir: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    await play(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

function free(dir: string, who = "a test"): Promise<LeaderLock> {
  return LeaderLock.acquire(dir, who, never, (holder) => assert.fail(`held by ${holder().name}`));
}

/** A contender within this process: whom it waited for, each as an event that can be awaited. */
function contend(dir: string, who: string) {
  const holders: string[] = [];
  let told: (() => void) | undefined;
  const gained = LeaderLock.acquire(dir, who, never, (holder) => {
    holders.push(holder().name);
    told?.();
  });
  const waitedFor = async (count: number) => {
    while (holders.length < count) await new Promise<void>((resolve) => told = resolve);
    return holders;
  };
  return { gained, waitedFor };
}

/** A program that says when it waits and when it owns, and then stays. */
const CONTENDER = (dir: string, who: string) => `
  import { LeaderLock } from "src/platform/lock.ts";
  const waiting = (holder) => console.log("waits for " + holder().name);
  await LeaderLock.acquire("${dir}", "${who}", new AbortController().signal, waiting);
  console.log("owns");
  setInterval(() => {}, 1e6);
`;

Deno.test("a free lock is acquired at once, its file names the holder, and only the owner can open either", async () => {
  await inFolder(async (dir) => {
    const lock = await free(`${dir}/run/agent`, "pid 7, external, 1.2.3");
    assert.match(
      await Deno.readTextFile(`${dir}/run/agent/owner.lock`),
      /^pid 7, external, 1\.2\.3\n20\d\d-\d\d-\d\dT.*Z\n$/,
    );
    assert.equal(statusAt(`${dir}/run/agent`)?.mode, 0o700);
    assert.equal(statusAt(`${dir}/run/agent/owner.lock`)?.mode, 0o600);
    lock.release();
  });
});

Deno.test("when its holder is killed the next process holds it, and its file names that one", async () => {
  await inFolder(async (dir) => {
    await Child.with([CONTENDER(dir, "first")], async (first) => {
      await first.says("owns");
      await Child.with([CONTENDER(dir, "second")], async (second) => {
        await second.says("waits for first");
        await first.kill();
        await second.says("owns");
        assert.match(await Deno.readTextFile(`${dir}/owner.lock`), /^second\n/);
      });
    });
    (await free(dir)).release();
  });
});

Deno.test("whether the lock is free is known as soon as acquire has been called", async () => {
  await inFolder(async (dir) => {
    const lock = await free(dir);
    let waits = false;
    const gained = LeaderLock.acquire(dir, "second", never, () => waits = true);
    assert(waits);
    lock.release();
    (await gained).release();
  });
});

Deno.test("each of many waiting processes acquires it, one at a time", async () => {
  await inFolder(async (dir) => {
    let owners = 0;
    const first = await free(dir);
    const contenders = ["a", "b", "c"].map((who) => contend(dir, who));
    for (const { waitedFor } of contenders) await waitedFor(1);
    first.release();
    await Promise.all(contenders.map(async ({ gained }) => {
      const lock = await gained;
      assert.equal(++owners, 1);
      await turn();
      owners--;
      lock.release();
    }));
  });
});

Deno.test("a lock file that other users could open, and so lock, becomes readable by its owner alone", async () => {
  await inFolder(async (dir) => {
    await Deno.writeTextFile(`${dir}/owner.lock`, "", { mode: 0o644 });
    (await free(dir)).release();
    assert.equal(statusAt(`${dir}/owner.lock`)?.mode, 0o600);
  });
});

Deno.test("releasing twice doesn't close another file", async () => {
  await inFolder(async (dir) => {
    const first = await free(dir);
    first.release();
    const second = await free(dir);
    first.release();
    const { gained, waitedFor } = contend(dir, "third");
    await waitedFor(1);
    second.release();
    (await gained).release();
  });
});

Deno.test("a shorter name replaces a longer one wholly, and control characters are not shown", async () => {
  await inFolder(async (dir) => {
    (await free(dir, "a very long name indeed")).release();
    const lock = await free(dir, "x\x1b[2J\x9bevil");
    assert((await Deno.readTextFile(`${dir}/owner.lock`)).startsWith("x\x1b[2J\x9bevil\n"));
    const { gained, waitedFor } = contend(dir, "next");
    assert.deepEqual(await waitedFor(1), ["x [2J evil"]);
    lock.release();
    (await gained).release();
  });
});

Deno.test("a holder that has written nothing yet is unknown", async () => {
  await inFolder(async (dir) => {
    const lock = await free(dir);
    await Deno.truncate(`${dir}/owner.lock`);
    const { gained, waitedFor } = contend(dir, "next");
    assert.deepEqual(await waitedFor(1), ["unknown"]);
    lock.release();
    (await gained).release();
  });
});

Deno.test("those who wait can read at any time since when the lock is held, and what its holder is doing", async () => {
  await inFolder(async (dir) => {
    const lock = await free(dir, "first");
    let read = (): LockHolder => assert.fail("it isn't held");
    const gained = LeaderLock.acquire(dir, "next", never, (holder) => read = holder);
    const { since } = read();
    assert(Math.abs(Date.parse(since) - Date.now()) < 60_000);
    assert.deepEqual(read(), { name: "first", since, activity: "" });
    lock.describe("a long activity");
    lock.describe("serving");
    assert.deepEqual(read(), { name: "first", since, activity: "serving" });
    lock.release();
    lock.describe("nothing");
    (await gained).release();
    assert.match(await Deno.readTextFile(`${dir}/owner.lock`), /^next\n/);
  });
});

Deno.test("a lock file of an earlier version has the holder's name only", async () => {
  await inFolder(async (dir) => {
    const lock = await free(dir);
    await Deno.writeTextFile(`${dir}/owner.lock`, "pid 4711, launched, 0.1.0\n");
    let read: LockHolder | undefined;
    const gained = LeaderLock.acquire(dir, "next", never, (holder) => read = holder());
    assert.deepEqual(read, { name: "pid 4711, launched, 0.1.0", since: "", activity: "" });
    lock.release();
    (await gained).release();
  });
});

Deno.test("a lock whose file is replaced meanwhile has no effect: the new file's lock is acquired", async () => {
  await inFolder(async (dir) => {
    const first = await free(dir, "first");
    const { gained, waitedFor } = contend(dir, "patient");
    await waitedFor(1);
    await Deno.remove(`${dir}/owner.lock`);
    const second = await free(dir, "second");
    first.release();
    assert.deepEqual(await waitedFor(2), ["first", "second"]);
    second.release();
    (await gained).release();
  });
});

Deno.test("aborted before it begins, it touches nothing", async () => {
  await inFolder(async (dir) => {
    const stopped = AbortSignal.abort(new Error("enough"));
    await assert.rejects(LeaderLock.acquire(`${dir}/run`, "x", stopped, () => {}), /^Error: enough$/);
    assert.deepEqual([...Deno.readDirSync(dir)], []);
  });
});

Deno.test("an aborted wait ends at once, and its thread doesn't delay Deno.exit", async () => {
  await inFolder(async (dir) => {
    const lock = await free(dir);
    const program = `
      import { LeaderLock } from "src/platform/lock.ts";
      const stop = new AbortController();
      try {
        await LeaderLock.acquire("${dir}", "x", stop.signal, () => setTimeout(() => stop.abort(new Error("enough"))));
      } catch (error) {
        console.log(String(error));
        Deno.exit(7);
      }`;
    await Child.with([program], async (child) => {
      await child.says("Error: enough");
      assert.equal((await child.process.status).code, 7);
    });
    lock.release();
  });
});

Deno.test("an aborted wait releases the lock once it has it, and too many at once are a bug", async () => {
  await inFolder(async (dir) => {
    const program = `
      import { LeaderLock } from "src/platform/lock.ts";
      const never = new AbortController().signal;
      const first = await LeaderLock.acquire("${dir}", "first", never, () => {});
      for (let i = 0; i < 5; i++) {
        const stop = new AbortController();
        await LeaderLock.acquire("${dir}", "x", stop.signal, () => setTimeout(() => stop.abort("enough")))
          .catch((error) => console.log(String(error)));
      }
      first.release();
      console.log("released");
      setInterval(() => {}, 1e6);
    `;
    await Child.with([program], async (child) => {
      for (let i = 0; i < 4; i++) await child.says("enough");
      await child.says(/more than 4 waits for the leader lock at once/);
      await child.says("released");
      (await contend(dir, "next").gained).release();
    });
  });
});

const nobody = 65534;

/** What must not be used, as it is made below `dir`; the sentence that is said. */
const REFUSED: readonly [name: string, make: (dir: string) => void, sentence: RegExp, asRoot?: boolean][] = [
  [
    "a link as the lock file",
    (dir) => Deno.symlinkSync(`${dir}/elsewhere`, `${dir}/owner.lock`),
    /owner\.lock can't be opened \(Too many levels of symbolic links\); the leader lock needs a file of this user/,
  ],
  [
    "a folder as the lock file",
    (dir) => Deno.mkdirSync(`${dir}/owner.lock`),
    /owner\.lock can't be opened \(Is a directory\)/,
  ],
  [
    "a device as the lock file",
    (dir) => new Deno.Command("mkfifo", { args: [`${dir}/owner.lock`] }).outputSync(),
    /owner\.lock is no file;/,
  ],
  [
    "a world-writable lock file",
    (dir) => {
      Deno.writeTextFileSync(`${dir}/owner.lock`, "");
      Deno.chmodSync(`${dir}/owner.lock`, 0o666);
    },
    /owner\.lock is world-writable; /,
  ],
  [
    "another user's lock file",
    (dir) => {
      Deno.writeTextFileSync(`${dir}/owner.lock`, "");
      Deno.chownSync(`${dir}/owner.lock`, nobody, nobody);
    },
    /owner\.lock belongs to user 65534, and this is user 0; /,
    true,
  ],
  [
    "a world-writable run directory",
    (dir) => Deno.chmodSync(dir, 0o777),
    /run is world-writable; the leader lock needs a directory of this user, no link$/,
  ],
  [
    "another user's run directory",
    (dir) => Deno.chownSync(dir, nobody, nobody),
    /run belongs to user 65534, and this is user 0; /,
    true,
  ],
  [
    "a link as the run directory",
    (dir) => {
      Deno.renameSync(dir, `${dir}.real`);
      Deno.symlinkSync(`${dir}.real`, dir);
    },
    /run can't be opened \((Not a directory|Too many levels of symbolic links)\); .* directory of this user, no link$/,
  ],
  [
    "a file as the run directory",
    (dir) => {
      Deno.removeSync(dir);
      Deno.writeTextFileSync(dir, "");
    },
    /^Error: can't make the run directory .*run: /,
  ],
];

for (const [name, make, sentence, asRoot] of REFUSED) {
  Deno.test({
    name: `${name} is refused, and nothing is written there`,
    ignore: asRoot === true && Deno.uid() !== 0,
    fn: () =>
      inFolder(async (dir) => {
        Deno.mkdirSync(`${dir}/run`);
        make(`${dir}/run`);
        await assert.rejects(free(`${dir}/run`), sentence);
        assert.equal(statusAt(`${dir}/run/elsewhere`), undefined);
      }),
  });
}
