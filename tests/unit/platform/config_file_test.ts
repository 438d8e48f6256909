import assert from "node:assert/strict";
import { type FileText, readConfigFile } from "../../../src/platform/config_file.ts";

/** Runs `test` in a directory of its own. */
function inDirectory(test: (dir: string) => void): void {
  const dir = Deno.makeTempDirSync();
  try {
    test(dir);
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
}

function write(path: string, text: string | Uint8Array, mode = 0o644): void {
  Deno.writeFileSync(path, typeof text === "string" ? new TextEncoder().encode(text) : text);
  Deno.chmodSync(path, mode);
}

function mkdir(path: string, mode = 0o755): void {
  Deno.mkdirSync(path);
  Deno.chmodSync(path, mode);
}

function text(content: string): FileText {
  return { kind: "text", text: content };
}

function refused(path: string, why: RegExp): void {
  const found = readConfigFile(path);
  assert(found.kind === "unusable", `${path}: ${found.kind}`);
  assert.match(found.reason, why);
}

Deno.test("a file is read, and a missing one is absent", () => {
  inDirectory((dir) => {
    write(`${dir}/c.yaml`, "minShared: 2 # µ\n");
    assert.deepEqual(readConfigFile(`${dir}/c.yaml`), text("minShared: 2 # µ\n"));
    assert.deepEqual(readConfigFile(`${dir}/d.yaml`), { kind: "absent" });
    assert.deepEqual(readConfigFile(`${dir}/none/c.yaml`), { kind: "absent" });
  });
});

Deno.test("a world-writable file is refused", () => {
  inDirectory((dir) => {
    write(`${dir}/c.yaml`, "", 0o666);
    refused(`${dir}/c.yaml`, /^it is world-writable; remove that permission \(chmod o-w\)$/);
    Deno.chmodSync(`${dir}/c.yaml`, 0o664);
    assert.equal(readConfigFile(`${dir}/c.yaml`).kind, "text");
  });
});

Deno.test("a file in a world-writable directory is refused, even a sticky one", () => {
  for (const mode of [0o777, 0o1777]) {
    inDirectory((dir) => {
      mkdir(`${dir}/open`, mode);
      write(`${dir}/open/c.yaml`, "");
      refused(`${dir}/open/c.yaml`, /^the directory \/.*\/open is world-writable; remove that permission/);
    });
  }
});

Deno.test("a symlink is followed, and its target checked", () => {
  inDirectory((dir) => {
    write(`${dir}/good.yaml`, "good");
    write(`${dir}/bad.yaml`, "bad", 0o666);
    mkdir(`${dir}/open`, 0o777);
    write(`${dir}/open/c.yaml`, "open");
    for (
      const [name, target] of [["a", "good.yaml"], ["b", "bad.yaml"], ["c", "open/c.yaml"], ["d", "none"]]
    ) {
      Deno.symlinkSync(`${dir}/${target}`, `${dir}/${name}`);
    }
    assert.deepEqual(readConfigFile(`${dir}/a`), text("good"));
    refused(`${dir}/b`, /^it is world-writable/);
    refused(`${dir}/c`, /^the directory .*\/open/);
    assert.deepEqual(readConfigFile(`${dir}/d`), { kind: "absent" });
  });
});

Deno.test("a ConfigMap is read: links in a world-writable directory to files of root's", () => {
  inDirectory((dir) => {
    mkdir(`${dir}/etc`, 0o777);
    mkdir(`${dir}/etc/..2026_11_23`);
    write(`${dir}/etc/..2026_11_23/config.yaml`, "minShared: 2");
    Deno.symlinkSync("..2026_11_23", `${dir}/etc/..data`);
    Deno.symlinkSync("..data/config.yaml", `${dir}/etc/config.yaml`);
    const isRoots = Deno.uid() === 0;
    const found = readConfigFile(`${dir}/etc/config.yaml`);
    if (isRoots) assert.deepEqual(found, text("minShared: 2"));
    else assert.equal(found.kind, "unusable");
    if (!isRoots) return;
    // Anybody could have made this link lead to a file of his own.
    Deno.chownSync(`${dir}/etc/..2026_11_23/config.yaml`, 65534, 65534);
    refused(`${dir}/etc/config.yaml`, /^the directory .*\/etc is world-writable;/);
  });
});

Deno.test("only a regular file is opened: opening a pipe may block for ever", () => {
  inDirectory((dir) => {
    refused(dir, /^it is not a regular file$/);
    new Deno.Command("mkfifo", { args: [`${dir}/pipe`] }).outputSync();
    refused(`${dir}/pipe`, /^it is not a regular file$/);
  });
  refused("/dev/zero", /^it is not a regular file$/);
});

Deno.test("a file that is too long, or no text, is refused", () => {
  inDirectory((dir) => {
    write(`${dir}/long`, "#".repeat(32769));
    write(`${dir}/full`, "#".repeat(32768));
    write(`${dir}/latin1`, new Uint8Array([0x23, 0xe9]));
    refused(`${dir}/long`, /^it has 32769 bytes, more than the limit of 32768$/);
    refused(`${dir}/latin1`, /^it is not UTF-8 text$/);
    assert.equal(readConfigFile(`${dir}/full`).kind, "text");
  });
});

Deno.test("what can't be read says why", () => {
  refused("/etc/hostname/c.yaml", /^it can't be read: .*ot a directory/);
  refused("/a\0b", /^it can't be read: /);
});
