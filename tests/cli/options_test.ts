import assert from "node:assert/strict";
import { commandLine, OptionError, type Options } from "../../src/cli/options.ts";

async function parse(...args: string[]): Promise<Options> {
  let seen: Options | undefined;
  const command = commandLine("test", (options) => Promise.resolve(void (seen = options))).exitOverride();
  await command.configureOutput({ writeErr: () => {}, writeOut: () => {} }).parseAsync(args, {
    from: "user",
  });
  assert(seen !== undefined);
  return seen;
}

Deno.test("without flags everything has its documented default", async () => {
  assert.deepEqual(await parse(), {
    socket: "/var/run/nri/nri.sock",
    pluginName: "weka-cpuset",
    pluginIndex: "99",
    logLevel: "info",
    dryRun: false,
    sysfsRoot: "/sys",
    cgroupRoot: "/sys/fs/cgroup",
    procRoot: "/proc",
  });
});

Deno.test("flags win over the environment, the environment over the defaults", async () => {
  Deno.env.set("NRI_SOCKET", "/run/env.sock");
  Deno.env.set("NRI_PLUGIN_IDX", "07");
  try {
    assert.equal((await parse()).socket, "/run/env.sock");
    assert.equal((await parse()).pluginIndex, "07");
    assert.equal((await parse("--socket", "/run/flag.sock")).socket, "/run/flag.sock");
  } finally {
    Deno.env.delete("NRI_SOCKET");
    Deno.env.delete("NRI_PLUGIN_IDX");
  }
});

const BAD: readonly [args: string[], sentence: string][] = [
  [["--socket", "nri.sock"], '--socket must be an absolute path, as in /sys, but it is "nri.sock"'],
  [["--plugin-index", "7"], '--plugin-index must be two digits, as in 99, but it is "7"'],
  [
    ["--plugin-name", "a b"],
    '--plugin-name must be 1 to 64 letters, digits, dots, dashes or underscores, but it is "a b"',
  ],
  [["--log-level", "loud"], '--log-level must be debug, info, warn or error, but it is "loud"'],
  [["--sysfs-root", ""], '--sysfs-root must be an absolute path, as in /sys, but it is ""'],
];

for (const [args, sentence] of BAD) {
  Deno.test(`${args.join(" ")} is refused with what would be right`, async () => {
    await assert.rejects(
      parse(...args),
      (error) => error instanceof OptionError && error.message === sentence,
    );
  });
}

Deno.test("unknown flags and stray words are refused", async () => {
  await assert.rejects(parse("--sokcet", "/x"), /unknown option '--sokcet'/);
  await assert.rejects(parse("serve"), /too many arguments/);
});
