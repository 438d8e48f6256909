import assert from "node:assert/strict";
import fc from "fast-check";
import { RotatingFile } from "../../../src/platform/rotating_file.ts";

const encode = (text: string) => new TextEncoder().encode(text);

/** A log in a folder of its own. */
class Stage {
  readonly path: string;
  #file: RotatingFile;

  private constructor(readonly dir: string, maxBytes: number, keep: number) {
    this.path = `${dir}/agent.log`;
    this.#file = new RotatingFile({ path: this.path, maxBytes, keep });
  }

  static async with(maxBytes: number, keep: number, play: (stage: Stage) => Promise<void>): Promise<void> {
    const dir = await Deno.makeTempDir();
    try {
      await play(new Stage(dir, maxBytes, keep));
    } finally {
      await Deno.remove(dir, { recursive: true });
    }
  }

  async append(...batches: string[]): Promise<void> {
    for (const batch of batches) await this.#file.append(encode(batch));
  }

  reopen(maxBytes: number, keep: number): void {
    this.#file = new RotatingFile({ path: this.path, maxBytes, keep });
  }

  /** Every file's content by its name's ending: "", ".1" and so on. */
  files(): Record<string, string> {
    const names = [...Deno.readDirSync(this.dir)].map(({ name }) => name).sort();
    return Object.fromEntries(
      names.map((name) => [name.replace("agent.log", ""), Deno.readTextFileSync(`${this.dir}/${name}`)]),
    );
  }
}

Deno.test("lines are appended, also to those of an earlier run, and only the owner may read them", async () => {
  await Stage.with(100, 2, async (stage) => {
    await stage.append("one\n", "two\n");
    stage.reopen(100, 2);
    await stage.append("three\n");
    assert.deepEqual(stage.files(), { "": "one\ntwo\nthree\n" });
    assert.equal((Deno.statSync(stage.path).mode ?? 0) & 0o777, 0o600);
  });
});

Deno.test("a full file is kept under a number, the oldest one goes", async () => {
  await Stage.with(10, 2, async (stage) => {
    await stage.append("aaaa\n", "bbbb\n", "cccc\n", "dddd\n", "eeeeeeee\n", "ffff\n");
    assert.deepEqual(stage.files(), { "": "ffff\n", ".1": "eeeeeeee\n", ".2": "cccc\ndddd\n" });
    await stage.append("g\n", "hhhhhhhh\n");
    assert.deepEqual(stage.files(), { "": "hhhhhhhh\n", ".1": "ffff\ng\n", ".2": "eeeeeeee\n" });
  });
});

Deno.test("many lines at once are spread over the files", async () => {
  await Stage.with(10, 3, async (stage) => {
    await stage.append("old\n", "aaaa\nbbbb\ncccc\ndddd\ne\n");
    assert.deepEqual(stage.files(), { "": "dddd\ne\n", ".1": "bbbb\ncccc\n", ".2": "old\naaaa\n" });
  });
});

Deno.test("a line that no file has room for is spread as well", async () => {
  await Stage.with(4, 3, async (stage) => {
    await stage.append("a\n", "123456789\n");
    assert.deepEqual(stage.files(), { "": "9\n", ".1": "5678", ".2": "1234", ".3": "a\n" });
  });
});

Deno.test("with none to keep a full file is replaced", async () => {
  await Stage.with(10, 0, async (stage) => {
    await stage.append("aaaa\n", "bbbb\n", "cccc\n");
    assert.deepEqual(stage.files(), { "": "cccc\n" });
  });
});

Deno.test("files from before keep was reduced are removed", async () => {
  await Stage.with(5, 4, async (stage) => {
    await stage.append("aaaa\n", "bbbb\n", "cccc\n", "dddd\n", "eeee\n");
    assert.equal(Object.keys(stage.files()).length, 5);
    stage.reopen(5, 1);
    await stage.append("ffff\n");
    assert.deepEqual(stage.files(), { "": "ffff\n", ".1": "eeee\n" });
  });
});

Deno.test("whatever is written: never more than the bound, always the newest, and no line cut", async () => {
  const line = fc.integer({ min: 0, max: 29 }).map((length) => `${"x".repeat(length)}\n`);
  const batches = fc.array(fc.array(line, { minLength: 1, maxLength: 8 }), { maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(batches, fc.integer({ min: 0, max: 3 }), async (batches, keep) => {
      await Stage.with(30, keep, async (stage) => {
        let all = "";
        for (const batch of batches) {
          await stage.append(batch.join(""));
          all += batch.join("");
          const files = Object.entries(stage.files());
          assert(files.length <= keep + 1);
          for (const [, text] of files) assert(text.length <= 30 && text.endsWith("\n"));
          assert(all.endsWith(files.reverse().map(([, text]) => text).join("")));
        }
      });
    }),
    { numRuns: 30 },
  );
});

Deno.test("a file that was moved or deleted is created again", async () => {
  await Stage.with(100, 1, async (stage) => {
    await stage.append("a\n");
    Deno.renameSync(stage.path, `${stage.path}.moved`);
    await stage.append("b\n");
    Deno.removeSync(stage.path);
    await stage.append("c\n");
    assert.deepEqual(stage.files(), { "": "c\n", ".moved": "a\n" });
  });
});

/** Appends while each write ends in the middle: after four bytes, and then `meanwhile`, it fails. */
async function failing(stage: Stage, meanwhile: () => void): Promise<void> {
  const { open } = Deno;
  Deno.open = async (...args) => {
    const file = await open(...args);
    let writes = 0;
    file.write = (bytes) => {
      if (writes++ === 0) return Promise.resolve(file.writeSync(bytes.subarray(0, 4)));
      meanwhile();
      return Promise.reject(new Error("no space left"));
    };
    return file;
  };
  try {
    await assert.rejects(stage.append("cut off\n"), /no space left/);
  } finally {
    Deno.open = open;
  }
}

Deno.test("a write that fails in the middle leaves no half a line", async () => {
  await Stage.with(100, 1, async (stage) => {
    await stage.append("one\n");
    await failing(stage, () => {});
    assert.deepEqual(stage.files(), { "": "one\n" });
  });
});

Deno.test("a file that is emptied while a write fails isn't made longer", async () => {
  await Stage.with(100, 1, async (stage) => {
    await stage.append("one\n");
    await failing(stage, () => Deno.truncateSync(stage.path));
    assert.deepEqual(stage.files(), { "": "" });
  });
});

/** What is in the way; the reason that is given. */
const REFUSED: readonly [name: string, make: (stage: Stage) => void, reason: RegExp][] = [
  ["a link", ({ dir, path }) => Deno.symlinkSync(`${dir}/victim`, path), /^Error: it is no regular file$/],
  ["a folder", ({ path }) => Deno.mkdirSync(path), /^Error: it is no regular file$/],
  [
    "a pipe",
    ({ path }) => new Deno.Command("mkfifo", { args: [path] }).outputSync(),
    /^Error: it is no regular file$/,
  ],
  [
    "a world-writable directory",
    ({ dir }) => Deno.chmodSync(dir, 0o1777),
    /^Error: .* is world-writable$/,
  ],
  ["no folder at all", ({ dir }) => Deno.removeSync(dir), /^NotFound: /],
];

for (const [name, make, reason] of REFUSED) {
  Deno.test(`${name} where the log should be is refused, and used once it is gone`, async () => {
    await Stage.with(100, 1, async (stage) => {
      make(stage);
      await assert.rejects(stage.append("a\n"), reason);
      await Deno.remove(stage.dir, { recursive: true }).catch(() => {});
      await Deno.mkdir(stage.dir);
      await stage.append("b\n");
      assert.deepEqual(stage.files(), { "": "b\n" });
    });
  });
}

Deno.test("a log of no bytes is a bug", () => {
  assert.throws(
    () => new RotatingFile({ path: "x", maxBytes: 0, keep: 1 }),
    /a log of 1 \+ 1 files of 0 bytes/,
  );
});
