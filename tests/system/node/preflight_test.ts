// The executable's `preflight` on a real containerd: NRI off and on, and settings in the wrong table.
import assert from "node:assert/strict";
import { preflight } from "./preflight.ts";
import { onBareNode } from "./suite.ts";

onBareNode("with NRI off, preflight fails and names the line that mends it", async (node) => {
  await node.startContainerd({
    change: (config) => config.replace("\n  disable = false\n", "\n  disable = true\n"),
  });
  const { said, code } = await preflight(node);
  assert.equal(said("nri").result, "fail");
  assert.match(said("nri").found, /NRI is off: .*\/config\.toml has disable = true/);
  assert.equal(
    said("nri").mend,
    `in ${node.dir}/config.toml: [plugins."io.containerd.nri.v1.nri"] disable = false; then systemctl restart containerd`,
  );
  assert.equal(code, 3);
});

onBareNode("with NRI on, preflight passes that, and knows the runtime", async (node) => {
  await node.startContainerd();
  const { said } = await preflight(node);
  assert.equal(said("nri").result, "pass", said("nri").found);
  assert(said("runtime").found.includes(node.install.version), said("runtime").found);
  assert.equal(said("runtime").result, "pass");
  assert.equal(said("cgroup-driver").found, "the cgroup driver is cgroupfs");
  assert.match(
    said("plugin-directory").found,
    new RegExp(`^${node.dir}/nri/plugins has no agent`),
  );
  assert.equal(said("runtime-affinity").result, "pass", said("runtime-affinity").found);
  const [major = 0] = node.install.version.split(".").map(Number);
  assert.match(said("runc").found, major >= 2 ? /^runc 1\.1\.5/ : /doesn't say/);
});

onBareNode("a time-out in the wrong table, and one that is too short, are found", async (node) => {
  await node.startContainerd({ nri: '  plugin_request_timeout = "1s"' });
  assert.match(
    (await preflight(node)).said("nri-timeouts").found,
    /^plugin_request_timeout is 1s: /,
  );
  await node.killContainerd();
  await node.startContainerd({ nri: '[timeouts]\n  plugin_request_timeout = "5s"' });
  const timeouts = (await preflight(node)).said("nri-timeouts");
  assert.match(
    timeouts.found,
    /^plugin_request_timeout has no effect in \[timeouts\] of \//,
  );
});
