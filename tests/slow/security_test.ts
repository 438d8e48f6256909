/** What the executable may do, from outside and as it was delivered. It must be built: `make test-slow` does that first. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { compileFlags } from "../../hack/build.ts";
import { PLACE } from "../../src/host_plugin/place.ts";
import { LIBC_PATHS } from "../../src/platform/libc.ts";

const EXECUTABLE = new URL("../../dist/weka-cpuset", import.meta.url).pathname;
/** The runtime base for `deno compile`, set by hack/deno.sh: without it `deno compile` would download one. */
const DENORT = Deno.env.get("DENORT_BIN") ?? "";

Deno.test("what these tests need is there: the executable and the runtime base", () => {
  assert(existsSync(EXECUTABLE), `there is no ${EXECUTABLE}; run make build`);
  assert(existsSync(DENORT), "DENORT_BIN names no file; run the tests by hack/deno.sh");
});

/** Runs a program with this environment and nothing else of ours. */
async function run(program: string, env: Record<string, string> = {}) {
  const command = new Deno.Command(program, { clearEnv: true, env, cwd: "/", stdin: "null" });
  const { code, stdout, stderr } = await command.output();
  const [printed = "", complained = ""] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  return { code, printed, complained };
}

Deno.test("the executable as it was delivered carries exactly the permissions that it should have", () => {
  const text = new TextDecoder("latin1").decode(Deno.readFileSync(EXECUTABLE));
  const granted = JSON.parse(/"permissions":(\{[^{}]*\})/.exec(text)?.[1] ?? "{}");
  const { allow_read, allow_write, allow_run, allow_net, allow_sys, allow_ffi, prompt } = granted;
  assert.deepEqual([allow_read, allow_write], [[], []], "everything");
  assert.deepEqual(allow_net, [], "everything, until it is given up");
  assert.deepEqual(
    allow_run,
    [PLACE.fresh],
    "the copy that install-host-plugin writes, until it is given up",
  );
  assert.deepEqual(allow_sys, null, "nothing");
  assert.deepEqual([allow_ffi, prompt], [[...LIBC_PATHS], false]);
});

/** Prints a line for each thing that it may do, once it has given the network and programs up as main.ts does. */
const PROBE = `
  const before = Deno.permissions.querySync({ name: "run", command: "${PLACE.fresh}" }).state;
  Deno.permissions.revokeSync({ name: "net" });
  Deno.permissions.revokeSync({ name: "run" });
  const after = Deno.permissions.querySync({ name: "run", command: "${PLACE.fresh}" }).state;
  if (before !== "granted" || after !== "prompt") console.log("may run " + before + ", " + after);
  const tries = {
    "start a program": () => new Deno.Command("/bin/true").outputSync(),
    "send a signal": () => Deno.kill(1, "SIGCONT"),
    "load another library": () => Deno.dlopen("/lib/x86_64-linux-gnu/libm.so.6", {}),
    "load a native module": () => process.dlopen({ exports: {} }, "/lib/x86_64-linux-gnu/libm.so.6"),
    "connect to the network": () => Deno.connect({ hostname: "127.0.0.1", port: 1 }),
    "listen on the network": () => Deno.listen({ port: 0 }),
    "send a datagram": () => Deno.listenDatagram({ port: 0, transport: "udp" }),
    "ask a name server": () => Deno.resolveDns("localhost", "A"),
    "fetch": () => fetch("http://127.0.0.1:1"),
    "load code from the network": () => import(["https:/", "deno.land", "x.ts"].join("/")),
    "ask for more": async () => {
      const { state } = await Deno.permissions.request({ name: "run" });
      if (state !== "granted") throw new Error(state);
    },
    "read the environment": () => { if (Deno.env.get("SECRET") === undefined) throw new Error("unset"); },
    "write a process' memory": () => Deno.openSync("/proc/self/mem", { write: true }),
  };
  let denied = 0;
  for (const [what, act] of Object.entries(tries)) {
    try { await act(); console.log("may " + what); } catch (error) {
      if (/ECONNREFUSED|refused/.test(error.message)) console.log("may " + what); else denied++;
    }
  }
  console.log(denied + " denied");
  Deno.exit(0);`;

Deno.test("a program compiled with the executable's flags may not run, connect, load, ask or look where it shouldn't", async () => {
  const dir = await Deno.makeTempDir();
  try {
    Deno.writeTextFileSync(`${dir}/probe.js`, PROBE);
    const flags = compileFlags.map(({ flag }) => flag);
    const args = ["compile", "--quiet", ...flags, "--output", `${dir}/probe`, `${dir}/probe.js`];
    const compiled = await new Deno.Command(Deno.execPath(), { args, stdin: "null" }).output();
    assert(compiled.success, new TextDecoder().decode(compiled.stderr));
    assert.equal((await run(`${dir}/probe`, { SECRET: "x" })).printed, "13 denied\n");
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

for (const socket of ["", "0", "-1", "3.5", "x", "4294967299", "1e99", "\x1b[2J"]) {
  Deno.test(`the executable ends with one sentence when the runtime passes it the descriptor ${JSON.stringify(socket)}`, async () => {
    const env = { NRI_PLUGIN_SOCKET: socket, WEKA_CPUSET_LOG_FILE: "/nonexistent/agent.log" };
    const { code, printed, complained } = await run(EXECUTABLE, env);
    assert.deepEqual([code, printed], [1, ""]);
    assert.match(complained, /^weka-cpuset: \P{Cc}{10,200}\n$/u);
  });
}
