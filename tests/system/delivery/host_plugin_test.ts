// install-host-plugin with the executable itself: on file systems that refuse it, in the DaemonSet's side-car, and under a containerd
// that is restarted with what it has installed.
import assert from "node:assert/strict";
import { Agent, EXECUTABLE } from "../node/agent.ts";
import { sockets } from "../node/containerd.ts";
import { runSideCar } from "../node/daemonset.ts";
import { LaunchedAgent } from "../node/launched.ts";
import type { TestNode } from "../node/node.ts";
import { onBareNode } from "../node/suite.ts";
import { tinyElf } from "../../kit/tiny_elf.ts";

/** Runs in a mount namespace in which /opt/nri is the folder of the node's own, with words of the shell before that. */
const IN_PLACE = `set -e
mount -t tmpfs -o mode=755 none /opt
mkdir /opt/nri
mount --bind "$1" /opt/nri
eval "$2"
shift 2
exec "$@" >&2`;

function inPlace(folder: string, words = ":"): string[] {
  return ["unshare", "--mount", "sh", "-c", IN_PLACE, "sh", folder, words];
}

function launchedFrom(dir: string): LaunchedAgent {
  return new LaunchedAgent(`${dir}/nri/plugins/99-weka-cpuset`, `${dir}/default/var/log/weka-cpuset.log`);
}

/** The installation on this node, whose agents have their default places apart. */
function installer(node: TestNode, ...args: string[]): Agent {
  const { nri, cri } = sockets(node.dir);
  Deno.mkdirSync(`${node.dir}/nri`, { recursive: true });
  const config = `${node.dir}/config.yaml`;
  Deno.writeTextFileSync(config, "log: { level: debug }\nsysfsRoot: /sys/.\n");
  const runDir = `${node.dir}/default/run/weka-cpuset`;
  const own = ["--config", config, "--socket", nri, "--cri-socket", cri, "--run-dir", runDir];
  const agent = new Agent({
    wrapper: inPlace(`${node.dir}/nri`),
    args: [...own, "install-host-plugin", ...args],
  });
  node.agents.push(agent);
  return agent;
}

/** What it prints: its exit status, and the last line. */
async function install(folder: string, words: string, ...args: string[]): Promise<string> {
  const [program = "", ...rest] = [...inPlace(folder, words), EXECUTABLE, "install-host-plugin", ...args];
  const { code, stdout, stderr } = await new Deno.Command(program, { args: rest, clearEnv: true }).output();
  const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes).trim());
  return `${code} ${out}${err}`;
}

/** All names below a folder. */
function names(folder: string): string[] {
  return [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) =>
    isDirectory ? [name, ...names(`${folder}/${name}`)] : [name]
  ).sort();
}

/** It ends by itself. */
const NOTHING = "SIGCONT";

const isRoot = Deno.uid() === 0;

Deno.test("the executable installs itself where it may, and changes nothing where it can't", {
  ignore: !isRoot,
}, async () => {
  const dir = await Deno.makeTempDir();
  await Deno.chmod(dir, 0o755);
  try {
    const REFUSED: readonly [words: string, sentence: RegExp][] = [
      [
        "mount -o remount,bind,ro /opt/nri",
        /^1 weka-cpuset: \/opt\/nri is read-only; mount it writable; nothing was changed$/,
      ],
      [
        "mount -t tmpfs -o size=50m,mode=755 none /opt/nri",
        /^1 weka-cpuset: there is too little space in \/opt\/nri for a copy of/,
      ],
      [
        "mount -t tmpfs -o noexec,mode=755 none /opt/nri",
        /^1 weka-cpuset: the copy can't be started here .*Permission denied/,
      ],
      ["chmod 1777 /opt/nri", /^1 weka-cpuset: \/opt\/nri is world-writable/],
    ];
    for (const [words, sentence] of REFUSED) {
      assert.match(await install(dir, words), sentence);
      assert.deepEqual(names(dir), [], words);
    }
    await Deno.chmod(dir, 0o755);
    assert.match(
      await install(dir, ":", "--dry-run"),
      /^0 would install .* \(9\d\.\d MB\) as \/opt\/nri\/plugins\/99-weka-cpuset$/,
    );
    assert.deepEqual(names(dir), []);
    assert.match(await install(dir, ":"), /^0 installed weka-cpuset \S+ \(commit/);
    assert.deepEqual(names(dir), [".99-weka-cpuset.json", "99-weka-cpuset", "plugins"]);
    const target = `${dir}/plugins/99-weka-cpuset`;
    assert.equal(((await Deno.stat(target)).mode ?? 0) & 0o777, 0o755);
    assert.deepEqual(await Deno.readFile(target), await Deno.readFile(EXECUTABLE));
    assert.match(await install(dir, ":", "--remove"), /^0 removed \/opt\/nri\/plugins\/99-weka-cpuset$/);
    assert.deepEqual(names(dir), ["plugins"]);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

onBareNode(
  "what is installed registers when containerd is restarted, as configured; a build that doesn't is put away again",
  async (node) => {
    const first = installer(node, "--wait", "600", "--with-config");
    await first.says(/installed weka-cpuset/);
    await node.startContainerd({ apart: true });
    const launched = launchedFrom(node.dir);
    await launched.says(/msg="?synchronized/);
    assert.match(
      Deno.readTextFileSync(`${node.dir}/nri/99-weka-cpuset.yaml`),
      /^# Written[^]*\n\nlog:\n {2}level: debug {2}# file\n$/,
    );
    assert.match(launched.lines.join("\n"), /level=debug/);
    assert.equal((await first.end(NOTHING)).code, 0);

    const bad = `${node.dir}/bad`;
    Deno.writeFileSync(bad, tinyElf("weka-cpuset that doesn't register\n"), { mode: 0o755 });
    const second = installer(node, "--from", bad, "--wait", "600");
    await second.says(/the former one is kept as/);
    await node.killContainerd();
    // containerd 1.7 doesn't start with such a plugin.
    const started = await node.startContainerd({ apart: true }).then(() => true, () => false);
    const { code } = await second.end(NOTHING);
    assert.equal(code, 1);
    assert.match(
      second.lines.join("\n"),
      /didn't register within a minute of the runtime's start: the former one is back/,
    );
    assert.deepEqual(
      await Deno.readFile(`${node.dir}/nri/plugins/99-weka-cpuset`),
      await Deno.readFile(EXECUTABLE),
    );

    const said = launched.lines.length;
    if (started) await node.killContainerd();
    await node.startContainerd({ apart: true });
    await launched.says(/msg="?synchronized/, said);
  },
);

onBareNode(
  "the DaemonSet's side-car installs the plugin without any right, and leaves the rest to the runtime",
  async (node) => {
    await node.startContainerd();
    const sideCar = await runSideCar(node);
    await sideCar.says(
      /installed weka-cpuset .* as \/opt\/nri\/plugins\/99-weka-cpuset; the runtime launches it at its next start/,
    );
    assert.deepEqual(
      await Deno.readFile(`${node.dir}/nri/plugins/99-weka-cpuset`),
      await Deno.readFile(EXECUTABLE),
    );
    assert.match(Deno.readTextFileSync(`/proc/${sideCar.pid}/status`), /^CapEff:\s0+$/m);
  },
);
