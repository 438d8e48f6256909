import assert from "node:assert/strict";
import { LiveFiles } from "../../../kit/runtime/live_files.ts";

async function withFile(play: (live: LiveFiles, root: string, path: string) => Promise<void>): Promise<void> {
  const root = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "live-" }));
  const live = new LiveFiles(root);
  Deno.mkdirSync(`${root}/a`);
  try {
    live.make(`${root}/a/live`, () => Deno.readTextFileSync(`${root}/plain`));
    await play(live, root, `${root}/a/live`);
  } finally {
    await live.close();
    Deno.removeSync(root, { recursive: true });
  }
}

Deno.test("another process that writes and reads at once reads what follows from its write", () =>
  withFile(async (_live, root, path) => {
    const script = 'for i in 1 2 3 4 5; do echo $i > "$0"; read -r line < "$1"; echo "$line"; done';
    const { stdout } = await new Deno.Command("sh", { args: ["-c", script, `${root}/plain`, path] }).output();
    assert.equal(new TextDecoder().decode(stdout), "1\n2\n3\n4\n5\n");
  }));

Deno.test("the agent reads it as it reads the kernel's", () =>
  withFile(async (_live, root) => {
    Deno.writeTextFileSync(`${root}/plain`, "0-3\n");
    const directory = new URL("../../../../src/cgroup/directory.ts", import.meta.url);
    const code = `import { CgroupDirectory } from "${directory}";
      console.log(JSON.stringify(CgroupDirectory.open("${root}/a", "").read("live")));`;
    const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["eval", "--no-check", code] })
      .output();
    assert.deepEqual(JSON.parse(new TextDecoder().decode(stdout)), { kind: "text", text: "0-3" });
  }));

Deno.test("what was below a directory is forgotten, and the others are still served", () =>
  withFile(async (live, root, path) => {
    Deno.mkdirSync(`${root}/ab`);
    live.make(`${root}/ab/live`, () => "text");
    live.forget(`${root}/a`);
    Deno.removeSync(`${root}/a`, { recursive: true });
    assert.equal(await Deno.readTextFile(`${root}/ab/live`), "text");
    await assert.rejects(Deno.readTextFile(path), Deno.errors.NotFound);
  }));

Deno.test("after the end the texts stay, in plain files", async () => {
  const root = Deno.makeTempDirSync({ prefix: "live-" });
  const live = new LiveFiles(root);
  live.make(`${root}/live`, () => "text");
  await live.close();
  assert.equal(Deno.readTextFileSync(`${root}/live`), "text");
  assert.deepEqual([...Deno.readDirSync(root)].map(({ name }) => name), ["live"]);
  Deno.removeSync(root, { recursive: true });
});
