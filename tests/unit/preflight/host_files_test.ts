import assert from "node:assert/strict";
import { flagIn, HostFiles, processesCalled } from "../../../src/preflight/host_files.ts";
import { readerOf } from "../../../src/platform/sysfs.ts";
import { FileTree } from "../../kit/file_tree.ts";

// Loads libc, once for the process.
readerOf("/sys")("devices/system/cpu/online");

Deno.test("links are followed below the node's root, also those that begin at /", () => {
  using tree = new FileTree({
    "real/file": "text",
    "var/run": "->/real",
    "up": "->../../real",
    "round": "->round",
  });
  const files = new HostFiles(`${tree.root}/`);
  for (const path of ["/var/run/file", "/up/file", "/real/../real/./file", "/../real/file"]) {
    assert.equal(files.place(path), `${tree.root}/real/file`, path);
    assert.deepEqual(files.text(path), { kind: "text", text: "text" });
  }
  assert.equal(files.text("/round/file").kind, "unusable");
  assert.deepEqual(new HostFiles("/").place("/nonexistent/a"), "/nonexistent/a");
});

Deno.test("what isn't there, or is too large, is said and not thrown", () => {
  using tree = new FileTree({ "big": "x".repeat(2000), "folder/a": "" });
  const files = new HostFiles(tree.root);
  assert.equal(files.bytes("/big", 1999), undefined);
  assert.equal(files.bytes("/big", 2000)?.length, 2000);
  assert.equal(files.bytes("/folder", 2000), undefined);
  assert.equal(files.names("/none"), undefined);
  assert.deepEqual(files.names("/folder"), ["a"]);
  assert.equal(files.status("/none"), undefined);
  assert.equal(files.text("/none").kind, "absent");
});

Deno.test("processes are found by their names, with the words of their command lines", () => {
  using tree = new FileTree({
    "1/comm": "systemd\n",
    "20/comm": "kubelet\n",
    "20/cmdline": "/usr/bin/kubelet\0--config=/etc/k.yaml\0--config-dir\0/etc/k.d\0",
    "sys/comm": "kubelet\n",
  });
  const found = processesCalled(tree.root, ["kubelet", "irqbalance"]);
  assert.deepEqual([...found], [["kubelet", {
    pid: 20,
    words: ["/usr/bin/kubelet", "--config=/etc/k.yaml", "--config-dir", "/etc/k.d"],
  }]]);
  assert.equal(processesCalled("/nonexistent", ["kubelet"]).size, 0);
});

Deno.test("flags with = and without, with one dash and two", () => {
  const words = ["kubelet", "--config=/a", "-c", "/b", "--empty="];
  assert.deepEqual(["config", "c", "empty", "none"].map((name) => flagIn(words, name)), [
    "/a",
    "/b",
    "",
    undefined,
  ]);
});
