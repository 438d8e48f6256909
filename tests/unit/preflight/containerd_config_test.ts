import assert from "node:assert/strict";
import { milliseconds, readContainerdConfig } from "../../../src/preflight/containerd_config.ts";
import { HostFiles } from "../../../src/preflight/host_files.ts";
import { FileTree } from "../../kit/file_tree.ts";

const HEAD = '[plugins."io.containerd.nri.v1.nri"]\n';

function read(files: Record<string, string>, replaces = false) {
  using tree = new FileTree(files);
  return readContainerdConfig(new HostFiles(tree.root), "/etc/containerd/config.toml", replaces);
}

const MAIN =
  `version = 2\nimports = ["/etc/containerd/conf.d/*.toml", "extra.toml"]\n${HEAD}socket_path = "/a"\ndisable = true`;
const DROP_IN = `${HEAD}disable = false`;

Deno.test("what is imported is merged into the table with 2.x, and replaces it with 1.7", () => {
  const files = {
    "etc/containerd/config.toml": MAIN,
    "etc/containerd/conf.d/10-nri.toml": DROP_IN,
    "etc/containerd/conf.d/notes.txt": "no TOML",
  };
  const [merged, replaced] = [read(files), read(files, true)];
  assert(merged.kind === "read" && replaced.kind === "read");
  assert.deepEqual({ ...merged.nri }, { socket_path: "/a", disable: false });
  assert.deepEqual({ ...replaced.nri }, { disable: false });
});

Deno.test("a relative import begins at its file's folder; imports in a circle end", () => {
  const circle = `imports = ["config.toml"]\n${DROP_IN}`;
  const found = read({ "etc/containerd/config.toml": MAIN, "etc/containerd/extra.toml": circle });
  assert(found.kind === "read");
  assert.equal(found.nri?.["disable"], false);
});

Deno.test("without a file containerd has its defaults", () => {
  assert.deepEqual(read({}), { kind: "read", file: "/etc/containerd/config.toml", misplaced: [] });
});

Deno.test("settings of NRI in another table are found, with its name and file", () => {
  const found = read({
    "etc/containerd/config.toml":
      `plugin_path = "/x"\n[plugins."io.containerd.grpc.v1.cri".nri]\nplugin_request_timeout = "2s"\n${HEAD}plugin_path = "/y"`,
  });
  assert(found.kind === "read");
  assert.deepEqual(found.misplaced, [
    { key: "plugin_path", table: "the top of the file", file: "/etc/containerd/config.toml" },
    {
      key: "plugin_request_timeout",
      table: '[plugins."io.containerd.grpc.v1.cri".nri]',
      file: "/etc/containerd/config.toml",
    },
  ]);
});

Deno.test("what is no TOML, or anybody can write, is unknown, with the reason", () => {
  const broken = read({ "etc/containerd/config.toml": "version = = 2" });
  assert(broken.kind === "unknown");
  assert.match(broken.reason, /^it is not valid TOML: /);
  using tree = new FileTree({ "config.toml": DROP_IN });
  Deno.chmodSync(`${tree.root}/config.toml`, 0o666);
  const open = readContainerdConfig(new HostFiles(tree.root), "/config.toml", false);
  assert(open.kind === "unknown");
  assert.match(open.reason, /world-writable/);
});

Deno.test("durations as Go writes them", () => {
  for (
    const [text, ms] of [["5s", 5000], ["1m30s", 90_000], ["1.5s", 1500], ["0", undefined], [5, undefined], [
      "s",
      undefined,
    ]]
  ) {
    assert.equal(milliseconds(text), ms, `${text}`);
  }
});
