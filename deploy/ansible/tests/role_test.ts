import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { eventually } from "../../../tests/system/node/eventually.ts";
import type { Suite } from "./node.ts";
import { onNode, SAYS_RELEASED, STAND_IN, standIn, works } from "./on_node.ts";

const MAIN = "/etc/containerd/config.toml";
const PLUGIN = "/opt/nri/plugins/99-weka-cpuset";
/** What is left for after containerd's restart, where the role doesn't do that. */
const RELEASE = "/opt/nri/.weka-cpuset.release";
/** Who has installed it. */
const OWNER = "/opt/nri/.weka-cpuset.ansible";
const CONFIG = "/etc/weka-cpuset/config.yaml";
const DIRECTORIES = ["/etc/containerd", "/etc/nri", "/etc/weka-cpuset", "/opt/nri"];

/** A containerd of somebody's own, with NRI switched off and a setting of its that isn't the usual one. */
const NRI_OFF = `# Ours.
version = 2
root = "/opt/containerd/root"
state = "/opt/containerd/state"

[grpc]
  address = "/opt/containerd/c.sock"

[plugins."io.containerd.internal.v1.opt"]
  path = "/opt/containerd/opt"

[plugins."io.containerd.nri.v1.nri"]
  disable = true
  socket_path = "/opt/containerd/nri.sock"

[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "/opt/containerd"
  conf_dir = "/opt/containerd"
`;

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

const BOTH: readonly Suite[] = ["trixie", "sid"];

onNode(
  "installs the executable and its configuration, turns NRI on, and then has nothing to do",
  BOTH,
  async (node) => {
    const variables = { weka_cpuset_config: { minShared: 2, log: { level: "debug" } } };
    const before = node.files(...DIRECTORIES);
    const check = await node.play("install", variables, "--check");
    assert(check.ok, check.output);
    assert(check.changed > 0, check.output);
    assert.deepEqual(node.files(...DIRECTORIES), before);

    const first = await node.play("install", variables);
    assert(first.ok, first.output);
    const { mode, uid, size } = Deno.statSync(node.path(PLUGIN));
    assert.deepEqual({ mode: (mode ?? 0) & 0o7777, uid, isWhole: size > 50e6 }, {
      mode: 0o755,
      uid: 0,
      isWhole: true,
    });
    const names = [...Deno.readDirSync(node.path("/opt/nri"))].map(({ name }) => name);
    assert.deepEqual(names.sort(), [".weka-cpuset.ansible", "plugins"]);
    assert.equal(node.read(OWNER), `${sha256(Deno.readFileSync(node.path(PLUGIN)))}  ${PLUGIN}\n`);
    assert.match(node.read(CONFIG), /^minShared: 2$/m);
    assert.match(node.read(CONFIG), /^log:\n {2}level: debug$/m);
    if (node.suite === "trixie") assert.match(await node.nri(), /disable = false/);
    else assert.deepEqual(Object.keys(node.files("/etc/containerd")), [], "NRI was on");

    const second = await node.play("install", variables);
    assert(second.ok, second.output);
    assert.equal(second.changed, 0, second.output);
  },
);

onNode(
  "turns NRI on beside what is there, so that containerd starts it, and can be taken away",
  BOTH,
  async (node) => {
    node.write(MAIN, NRI_OFF);
    const before = await node.nri();
    const log = "/opt/containerd/agent.log";
    const config = {
      log: { file: log },
      runDir: "/opt/containerd/lock",
      criSockets: ["/opt/containerd/c.sock"],
    };
    const installed = await node.play("install", { weka_cpuset_config: config });
    assert(installed.ok, installed.output);
    assert.equal(
      node.read(MAIN),
      NRI_OFF.replace("version = 2\n", 'version = 2\nimports = ["/etc/containerd/conf.d/*.toml"]\n'),
    );
    const backups = Object.entries(node.files("/etc/containerd")).filter(([path]) =>
      path.startsWith(`${MAIN}.`)
    );
    assert.deepEqual(backups.map(([, text]) => text), [NRI_OFF]);
    assert.equal(await node.nri(), before.replace("disable = true", "disable = false"));
    {
      await using _containerd = node.startContainerd();
      await eventually(() => assert.match(node.read(log), /registered with the runtime/));
    }

    const removed = await node.play("uninstall");
    assert(removed.ok, removed.output);
    assert.deepEqual(Object.keys(node.files("/opt/nri", "/etc/weka-cpuset")), [RELEASE]);
    assert.match(removed.output, /After that, run \S+release release --yes/);
    assert.equal(await node.nri(), before);
  },
);

onNode("restores everything if NRI can't be enabled, and reports why", ["trixie"], async (node) => {
  node.write("/etc/containerd/z.toml", '[plugins."io.containerd.nri.v1.nri"]\n  disable = true\n');
  node.write(MAIN, 'version = 2\nimports = ["conf.d/*.toml", "/etc/containerd/z.toml"]\n');
  const before = node.files(...DIRECTORIES);
  const play = await node.play("install", standIn(node));
  assert(!play.ok);
  assert.match(play.output, /Failed to enable NRI; containerd's configuration is unchanged/);
  assert.deepEqual(node.files(...DIRECTORIES), before);
});

onNode("activates no drop-ins that weren't imported", ["trixie"], async (node) => {
  node.write("/etc/containerd/conf.d/old.toml", 'version = 2\nroot = "/old"\n');
  const before = node.files(...DIRECTORIES);
  const play = await node.play("install", standIn(node));
  assert(!play.ok);
  assert.match(play.output, /other files exist: \/etc\/containerd\/conf\.d\/old\.toml/);
  assert.deepEqual(node.files(...DIRECTORIES), before);
});

onNode("an executable that doesn't run is never installed in the plugin directory", ["sid"], async (node) => {
  node.write(PLUGIN, "the old one");
  const play = await node.play(
    "install",
    standIn(node, "#!/bin/sh\necho it needs a newer glibc >&2\nexit 1\n"),
  );
  assert(!play.ok);
  assert.match(play.output, /it needs a newer glibc/);
  assert.deepEqual(node.files("/opt/nri"), { [PLUGIN]: "the old one" });
});

onNode("an invalid configuration is refused, and the old one kept", ["sid"], async (node) => {
  node.write(CONFIG, "minShared: 1\n");
  const play = await node.play("install", { weka_cpuset_config: { minShard: 2 } });
  assert(!play.ok);
  assert.match(play.output, /minShard/);
  assert.equal(node.read(CONFIG), "minShared: 1\n");
});

onNode("restarts containerd only if configured, and only after a change", ["sid"], async (node) => {
  const executable = standIn(node);
  const silent = await node.play("install", executable);
  assert.match(silent.output, /Restart containerd to apply the change/);

  const restarting = {
    ...executable,
    weka_cpuset_restart_containerd: true,
    weka_cpuset_restart_command: "mkdir /opt/restarted",
  };
  assert.equal((await node.play("install", restarting)).changed, 0);
  const moved = await node.play("install", { ...restarting, weka_cpuset_plugin_index: "98" });
  assert(moved.ok, moved.output);
  assert.deepEqual(Object.keys(node.files("/opt/nri")), [OWNER, "/opt/nri/plugins/98-weka-cpuset"]);
  assert(Deno.statSync(node.path("/opt/restarted")).isDirectory);
});

onNode("gives the CPUs back after a restart, and leaves nothing", ["sid"], async (node) => {
  works(await node.play("install", { ...standIn(node, SAYS_RELEASED), weka_cpuset_preflight: "skip" }));
  works(
    await node.play("uninstall", {
      weka_cpuset_restart_containerd: true,
      weka_cpuset_restart_command: "mkdir /opt/restarted",
    }),
  );
  assert.equal(node.read("/opt/released"), "release --yes --wait 60\n");
  assert.deepEqual(node.files("/opt/nri"), {});
});

onNode("a plugin of install-host-plugin is left alone, and said so", ["sid"], async (node) => {
  const executable = standIn(node);
  node.write(PLUGIN, "theirs");
  node.write(
    "/opt/nri/.99-weka-cpuset.json",
    JSON.stringify({ own: [sha256(new TextEncoder().encode("theirs"))] }),
  );
  const before = node.files(...DIRECTORIES);
  for (const playbook of ["install", "uninstall"] as const) {
    const play = await node.play(playbook, executable);
    assert(!play.ok);
    assert.match(
      play.output,
      /99-weka-cpuset was installed by install-host-plugin.*run weka-cpuset install-host-plugin --remove/s,
    );
    assert.deepEqual(node.files(...DIRECTORIES), before);
  }
  // What it had installed before is of no matter, also where the role has installed the same since.
  node.write(PLUGIN, "by hand");
  works(await node.play("install", executable));
  const own = sha256(new TextEncoder().encode(STAND_IN));
  node.write("/opt/nri/.99-weka-cpuset.json", JSON.stringify({ own: [own] }));
  works(await node.play("install", executable));
});

onNode(
  "waits after a restart until the agent says that it is ready, where it serves HTTP",
  ["sid"],
  async (node) => {
    const asked: string[] = [];
    await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, ({ url }) => {
      asked.push(new URL(url).pathname);
      return new Response("", { status: asked.length < 3 ? 503 : 200 });
    });
    const play = await node.play("install", {
      ...standIn(node),
      weka_cpuset_config: { http: `0.0.0.0:${server.addr.port}` },
      weka_cpuset_restart_containerd: true,
      weka_cpuset_restart_command: "mkdir /opt/restarted",
    });
    assert(play.ok, play.output);
    assert.deepEqual(asked, Array(3).fill("/readyz"));
  },
);

onNode(
  "containerd requires the agent, beside what it requires already, until it doesn't",
  ["go"],
  async (node) => {
    const theirs = NRI_OFF.replace("version = 2", "version = 3") +
      '\n[plugins."io.containerd.nri.v1.nri".default_validator]\n  enable = true\n  required_plugins = ["other"]\n';
    node.write(MAIN, theirs);
    const variables = { ...standIn(node), weka_cpuset_preflight: "skip", weka_cpuset_required: true };
    const play = await node.play("install", variables);
    assert(play.ok, play.output);
    assert.match(node.dropIn(), /required_plugins = \["other", "weka-cpuset"\]/);
    assert.match(node.dropIn(), /tolerate_missing_plugins_annotation = "tolerate-missing-plugins\.weka\.io"/);
    assert.equal((await node.play("install", variables)).changed, 0);
    works(await node.play("install", { ...variables, weka_cpuset_required: false }));
    assert.match(node.dropIn(), /required_plugins = \["other"\]/);
  },
);

onNode("an old containerd that can't require it is refused, and nothing changed", ["sid"], async (node) => {
  const before = node.files(...DIRECTORIES);
  const play = await node.play("install", { ...standIn(node), weka_cpuset_required: true });
  assert(!play.ok);
  assert.match(play.output, /needs containerd 2\.2 or newer/);
  assert.deepEqual(node.files(...DIRECTORIES), before);
});

onNode("what preflight finds is shown, and ends the play where that is asked for", ["sid"], async (node) => {
  const check = (result: string) =>
    JSON.stringify({ check: "cpu-manager", result, found: "policy static", mend: "set none" });
  const executable = (result: string) =>
    `#!/bin/sh\n[ "$1" != preflight ] || echo '{"checks":[${check(result)}]}'\n`;
  const shown = await node.play("install", standIn(node, executable("fail")));
  assert(shown.ok, shown.output);
  assert.match(shown.output, /fail cpu-manager: policy static -> set none/);
  const require = { weka_cpuset_preflight: "require" };
  const failed = await node.play("install", { ...standIn(node, executable("fail")), ...require });
  assert(!failed.ok);
  assert.match(failed.output, /cpu-manager: policy static: set none\. Mend that/);
  works(await node.play("install", { ...standIn(node, executable("warn")), ...require }));
});
