import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { install, remove, rollBack, versionOf } from "../../../src/host_plugin/install.ts";
import { lockedIn, placeIn } from "../../../src/host_plugin/place.ts";
import { readNote } from "../../../src/host_plugin/note.ts";
import { readerOf } from "../../../src/platform/sysfs.ts";
import { tinyElf } from "../../kit/tiny_elf.ts";

readerOf("/sys")("kernel/osrelease"); // loads libc outside of the tests, where it is no leak

const DUP = Deno.dlopen("libc.so.6", {
  dup: { parameters: ["i32"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
});

type Place = ReturnType<typeof placeIn>;

/** A node's /opt/nri, and builds to be installed there. */
class Stage implements Disposable {
  readonly dir = Deno.makeTempDirSync();
  readonly place: Place = placeIn(`${this.dir}/nri`);
  readonly said: string[] = [];

  build(version: string, bytes = tinyElf(`weka-cpuset ${version}\n`)): string {
    const file = `${this.dir}/weka-cpuset-${version}`;
    Deno.writeFileSync(file, bytes, { mode: 0o755 });
    return file;
  }

  async install(file: string, dryRun = false, config?: string): Promise<string> {
    const source = { file, machine: Deno.build.arch, socket: `${this.dir}/nri.sock` };
    return await install(this.place, source, { dryRun, config, say: (line) => this.said.push(line) });
  }

  async remove(dryRun = false): Promise<void> {
    await remove(this.place, { dryRun, say: (line) => this.said.push(line) });
  }

  /** All that is there, each with its mode and content. */
  get content(): Record<string, string> {
    const found: Record<string, string> = {};
    const walk = (folder: string) => {
      for (const { name, isDirectory } of Deno.readDirSync(folder)) {
        const path = `${folder}/${name}`;
        if (isDirectory) walk(path);
        else {
          const mode = ((Deno.lstatSync(path).mode ?? 0) & 0o7777).toString(8);
          const text = new TextDecoder().decode(Deno.readFileSync(path));
          const said = /weka-cpuset [^\s"]+/.exec(text)?.[0] ?? "something else";
          found[path.slice(this.dir.length + 1)] = name.endsWith(".json") ? "note" : `${mode} ${said}`;
        }
      }
    };
    if (exists(`${this.dir}/nri`)) walk(`${this.dir}/nri`);
    return found;
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.dir, { recursive: true });
  }
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

const [TARGET, FORMER, NOTE] = [
  "nri/plugins/99-weka-cpuset",
  "nri/.99-weka-cpuset.former",
  "nri/.99-weka-cpuset.json",
];

Deno.test("it is installed, updated with the former one kept, left alone where it is there, and removed", async () => {
  using stage = new Stage();
  await stage.install(stage.build("1"));
  assert.deepEqual(stage.content, { [TARGET]: "755 weka-cpuset 1", [NOTE]: "note" });
  await stage.install(stage.build("2"));
  const both = { [TARGET]: "755 weka-cpuset 2", [FORMER]: "755 weka-cpuset 1", [NOTE]: "note" };
  assert.deepEqual(stage.content, both);
  await stage.install(stage.build("2"));
  assert.deepEqual(stage.content, both);
  assert.deepEqual(stage.said, [
    `installed weka-cpuset 1 as ${stage.place.target}; the runtime launches it at its next start`,
    `installed weka-cpuset 2 as ${stage.place.target}; the runtime launches it at its next start`,
    `the former one is kept as ${stage.place.former}`,
    `${stage.place.target} is this version already`,
  ]);
  await stage.remove();
  assert.deepEqual(stage.content, {});
  await stage.remove();
  assert.equal(stage.said.at(-1), "nothing to remove");
});

Deno.test("a dry run says what it would do, and changes nothing", async () => {
  using stage = new Stage();
  await stage.install(stage.build("1"), true);
  assert.deepEqual([stage.content, exists(stage.place.directory)], [{}, false]);
  await stage.install(stage.build("1"));
  const before = stage.content;
  await stage.install(stage.build("2"), true);
  await stage.remove(true);
  assert.deepEqual(stage.content, before);
  assert.match(
    stage.said.join("\n"),
    /^would install .*weka-cpuset-1 \(0\.0 MB\) as [^]*\nwould remove .*99-weka-cpuset$/,
  );
});

Deno.test("one that didn't register is put away: the former one is back, or none; and it isn't installed again", async () => {
  using stage = new Stage();
  const [first, second] = [stage.build("1"), stage.build("2")];
  await stage.install(first);
  assert.equal(await rollBack(stage.place, await stage.install(second)), true);
  assert.deepEqual(stage.content, { [TARGET]: "755 weka-cpuset 1", [NOTE]: "note" });
  await assert.rejects(
    stage.install(second),
    /this version was at .*99-weka-cpuset before and didn't register/,
  );
  await stage.install(stage.build("3"));
  await stage.remove();
  assert.equal(await rollBack(stage.place, await stage.install(second)), false);
  assert.deepEqual(stage.content, { [NOTE]: "note" });
  await stage.remove(); // which forgets that
  await stage.install(second);
});

Deno.test("a plugin of somebody else is kept as the former one, put back, and never removed", async () => {
  using stage = new Stage();
  Deno.mkdirSync(stage.place.plugins, { recursive: true });
  Deno.writeTextFileSync(stage.place.target, "by Ansible", { mode: 0o755 });
  await assert.rejects(
    stage.remove(),
    /99-weka-cpuset wasn't written by install-host-plugin; remove it the way/,
  );
  const sum = await stage.install(stage.build("1"));
  assert.equal(stage.content[FORMER], "755 something else");
  assert.equal(await rollBack(stage.place, sum), true);
  assert.equal(Deno.readTextFileSync(stage.place.target), "by Ansible");
  await stage.install(stage.build("2"));
  await stage.remove();
  assert.deepEqual(stage.content, { [FORMER]: "755 something else" });
  assert.match(stage.said.at(-1) ?? "", /former stays: it wasn't written by install-host-plugin/);
});

Deno.test("its configuration is beside it, follows what is given, and goes with it", async () => {
  using stage = new Stage();
  const { config } = stage.place;
  const file = stage.build("1");
  await stage.install(file, true, "minShared: 2\n");
  assert.equal(exists(config), false);
  await stage.install(file, false, "minShared: 2\n");
  assert.match(
    Deno.readTextFileSync(config),
    /^# Written by weka-cpuset install-host-plugin[^]*\nminShared: 2\n$/,
  );
  await stage.install(file, false, "minShared: 3\n");
  await stage.install(file);
  assert.match(Deno.readTextFileSync(config), /\nminShared: 3\n$/);
  const said = stage.said.length;
  await stage.install(file, false, "minShared: 3\n");
  assert.deepEqual(stage.said.slice(said), [`${stage.place.target} is this version already`]);
  await stage.install(file, false, "");
  assert.equal(exists(config), false);
  await stage.install(file, false, "minShared: 2\n");
  await stage.remove();
  assert.deepEqual(stage.content, {});
  Deno.writeTextFileSync(config, "minShared: 7\n");
  await assert.rejects(
    stage.install(file, false, "minShared: 2\n"),
    /99-weka-cpuset\.yaml wasn't written by install-host-plugin; remove it, or leave out --with-config/,
  );
  await stage.remove();
  assert.equal(Deno.readTextFileSync(config), "minShared: 7\n");
});

Deno.test("the plugin of the Ansible role is refused as long as it is there, whatever its index", async () => {
  using stage = new Stage();
  const { plugins, ansible, target } = stage.place;
  Deno.mkdirSync(plugins, { recursive: true });
  const [theirs, sum] = [`${plugins}/98-weka-cpuset`, createHash("sha256").update("theirs").digest("hex")];
  Deno.writeTextFileSync(theirs, "theirs", { mode: 0o755 });
  Deno.writeTextFileSync(ansible, `${sum}  ${theirs}\n`);
  await assert.rejects(
    stage.install(stage.build("1")),
    /98-weka-cpuset is the Ansible role's \(weka_cpuset\): update it by that, or remove it by .*; nothing was changed$/,
  );
  assert.equal(exists(target), false);
  Deno.writeTextFileSync(theirs, "another's by now", { mode: 0o755 });
  await stage.install(stage.build("1"));
});

Deno.test("what another has put there meanwhile isn't taken away instead, nor what was there already", async () => {
  using stage = new Stage();
  const other =
    /99-weka-cpuset didn't register, and isn't what this command has installed \(any more\); it stays/;
  const first = await stage.install(stage.build("1"));
  const second = await stage.install(stage.build("2"));
  // Both are looked at, by two processes, and neither registers.
  assert.equal(await rollBack(stage.place, second), true);
  await assert.rejects(rollBack(stage.place, first), other);
  assert.equal(stage.content[TARGET], "755 weka-cpuset 1");
  const third = await stage.install(stage.build("3"));
  Deno.removeSync(stage.place.target);
  Deno.writeTextFileSync(stage.place.target, "by Ansible", { mode: 0o755 });
  await assert.rejects(rollBack(stage.place, third), other);
  assert.equal(stage.content[TARGET], "755 something else");
  Deno.removeSync(stage.place.target);
  Deno.copyFileSync(stage.build("4"), stage.place.target);
  await assert.rejects(rollBack(stage.place, await stage.install(stage.build("4"))), other);
  assert.equal(stage.content[TARGET], "755 weka-cpuset 4");
});

Deno.test("what an interrupted installation has left is cleaned", async () => {
  using stage = new Stage();
  await stage.install(stage.build("1"));
  Deno.writeTextFileSync(stage.place.fresh, "half");
  Deno.linkSync(stage.place.target, `${stage.place.former}.new`);
  await stage.install(stage.build("2"));
  assert.deepEqual(Object.keys(stage.content).sort(), [FORMER, NOTE, TARGET].sort());
});

const other = Deno.build.arch === "x86_64" ? "aarch64" : "x86_64";

const BAD: readonly [what: string, spoil: (stage: Stage) => string, sentence: RegExp][] = [
  [
    "a build for another machine",
    (stage) => stage.build("x", tinyElf("weka-cpuset x\n", { machine: other })),
    new RegExp(`is for ${other}, and this machine is ${Deno.build.arch}; nothing was changed$`),
  ],
  [
    "a script",
    (stage) => stage.build("x", new TextEncoder().encode("#!/bin/sh\necho weka-cpuset 1\n")),
    /is no executable/,
  ],
  [
    "an empty file",
    (stage) => stage.build("x", new Uint8Array()),
    /is no executable \(no ELF file\); nothing was changed$/,
  ],
  [
    "a program that isn't this one",
    (stage) => stage.build("x", tinyElf("hello\n")),
    /doesn't run here \(status 0\)$/,
  ],
  [
    "a build that fails here",
    (stage) => stage.build("x", tinyElf("weka-cpuset 1\n", { code: 3 })),
    /doesn't run here \(status 3\)$/,
  ],
  [
    "a build that is cut off",
    (stage) => stage.build("x", tinyElf("weka-cpuset 1\n").subarray(0, 100)),
    /can't be started here \(.*Exec format error/,
  ],
  ["no file at all", (stage) => `${stage.dir}/none`, /No such file.*none/],
  [
    "a link in place of the plugin",
    (stage) => {
      Deno.removeSync(stage.place.target);
      Deno.symlinkSync("/bin/true", stage.place.target);
      return stage.build("x");
    },
    /99-weka-cpuset is no file; it must be one, no link, or not be there$/,
  ],
  [
    "a plugin that anybody can write",
    (stage) => (Deno.chmodSync(stage.place.target, 0o777), stage.build("x")),
    /99-weka-cpuset is world-writable; remove that permission/,
  ],
  [
    "a directory in which anybody can write",
    (stage) => (Deno.chmodSync(stage.place.plugins, 0o777), stage.build("x")),
    /nri\/plugins is world-writable; remove that permission/,
  ],
  [
    "a directory in which a group can write",
    (
      stage,
    ) => (Deno.chmodSync(stage.place.plugins, 0o775),
      Deno.uid() === 0 && Deno.chownSync(stage.place.plugins, null, 1000),
      stage.build("x")),
    /nri\/plugins is group-writable; remove that permission \(chmod go-w\)/,
  ],
  [
    "the same above it",
    (stage) => (Deno.chmodSync(stage.place.directory, 0o1777), stage.build("x")),
    /\/nri is world-writable; remove that permission/,
  ],
];

for (const [what, spoil, sentence] of BAD) {
  Deno.test(`${what} is refused in one sentence, and nothing is changed`, async () => {
    using stage = new Stage();
    await stage.install(stage.build("1"));
    const file = spoil(stage);
    const before = stage.content;
    await assert.rejects(
      stage.install(file),
      (error: Error) => sentence.test(error.message) || assert.fail(error.message),
    );
    assert.deepEqual(stage.content, before);
  });
}

Deno.test("on a fresh node a refusal leaves no directory behind", async () => {
  using stage = new Stage();
  await assert.rejects(stage.install(stage.build("x", tinyElf("hello\n"))));
  assert.equal(exists(stage.place.directory), false);
});

Deno.test("a plugin of another user is refused", { ignore: Deno.uid() !== 0 }, async () => {
  using stage = new Stage();
  await stage.install(stage.build("1"));
  Deno.chownSync(stage.place.target, 1000, 1000);
  await assert.rejects(
    stage.install(stage.build("2")),
    /belongs to user 1000, and this is user 0; nothing was changed/,
  );
  await assert.rejects(stage.remove(), /belongs to user 1000/);
  Deno.chownSync(stage.place.target, 0, 0);
  Deno.chmodSync(stage.place.plugins, 0o775); // root's own group
  await stage.install(stage.build("2"));
});

Deno.test("a note that can't be read makes nothing ours", async () => {
  using stage = new Stage();
  await stage.install(stage.build("1"));
  Deno.writeTextFileSync(stage.place.note, '{"own": [3, "x"], "installed"');
  assert.deepEqual(readNote(stage.place).own, []);
  await assert.rejects(stage.remove(), /wasn't written by install-host-plugin/);
});

Deno.test("a copy that another thread's child has open for writing for a moment is started then", async () => {
  using stage = new Stage();
  const file = stage.build("1.0.0");
  const writer = Deno.openSync(file, { write: true });
  const version = versionOf(file); // its first try is made at once
  writer.close();
  assert.equal(await version, "weka-cpuset 1.0.0");
});

Deno.test("the lock is free at its end, though a child that another thread starts has the descriptor for a moment more", async () => {
  using stage = new Stage();
  const { dup, close } = DUP.symbols;
  let copy = -1;
  await lockedIn(stage.place, () => {
    const own = [...Deno.readDirSync("/proc/self/fd")].find(({ name }) =>
      linkAt(name) === stage.place.directory
    );
    copy = dup(Number(own?.name));
    return Promise.resolve();
  });
  assert(copy >= 0);
  await stage.install(stage.build("1"));
  close(copy);
});

function linkAt(descriptor: string): string | undefined {
  try {
    return Deno.readLinkSync(`/proc/self/fd/${descriptor}`);
  } catch {
    return undefined; // that of the listing itself
  }
}
