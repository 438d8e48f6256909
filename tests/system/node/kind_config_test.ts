/** hack/kind/cluster.yaml as far as it can be tested without Docker: containerd takes its patch, and has NRI on with it. */
import assert from "node:assert/strict";
import { parse } from "yaml";
import { onBareNode } from "./suite.ts";
import { repository } from "./requirements.ts";

const TABLE = '[plugins."io.containerd.nri.v1.nri"]';

onBareNode("containerd has NRI on with the patch of the kind configuration", async (node) => {
  const { containerdConfigPatches } = parse(
    Deno.readTextFileSync(`${repository}/hack/kind/cluster.yaml`),
  ) as {
    containerdConfigPatches: string[];
  };
  const patch = containerdConfigPatches.join("\n");
  assert(patch.includes(TABLE));
  const file = `${node.dir}/kind.toml`;
  // kind's nodes have containerd's format 2 or 3, in which the table has the same name.
  Deno.writeTextFileSync(file, `version = 2\n${patch}\n`);
  const { success, stdout, stderr } = await new Deno.Command(`${node.install.bin}/containerd`, {
    args: ["--config", file, "config", "dump"],
  }).output();
  assert(success, new TextDecoder().decode(stderr));
  const dumped = new TextDecoder().decode(stdout);
  const table = /\[plugins\.['"]io\.containerd\.nri\.v1\.nri['"]\]\n((?:\s+\w.*\n)+)/.exec(dumped)?.[1] ?? "";
  assert.match(table, /^\s*disable = false$/m);
});
