/** What the executable may do, from outside and as it was delivered; and that docs/security.md names tests that are there. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { compileFlags } from "../../hack/build.ts";
import { LIBC_PATHS } from "../../src/platform/libc.ts";

const ROOT = new URL("../..", import.meta.url).pathname;
const EXECUTABLE = `${ROOT}dist/weka-cpuset`;
const DENORT = Deno.env.get("DENORT_BIN") ?? "";

/** Runs a program with this environment and nothing else of ours. */
async function run(program: string, env: Record<string, string> = {}) {
  const command = new Deno.Command(program, { clearEnv: true, env, cwd: "/", stdin: "null" });
  const { code, stdout, stderr } = await command.output();
  const [said, complained] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  return { code, said: said ?? "", complained: complained ?? "" };
}

Deno.test({
  name: "the executable as it was delivered carries exactly the permissions that it should have",
  ignore: !existsSync(EXECUTABLE),
  fn: () => {
    const text = new TextDecoder("latin1").decode(Deno.readFileSync(EXECUTABLE));
    const granted = JSON.parse(/"permissions":(\{[^{}]*\})/.exec(text)?.[1] ?? "{}");
    const { allow_read, allow_write, allow_run, allow_net, allow_sys, allow_ffi, prompt } = granted;
    assert.deepEqual([allow_read, allow_write], [[], []], "everything");
    assert.deepEqual([allow_run, allow_net, allow_sys], [null, null, null], "nothing");
    assert.deepEqual([allow_ffi, prompt], [[...LIBC_PATHS], false]);
  },
});

/** Prints a line for each thing that it may do. */
const PROBE = `
  const tries = {
    "start a program": () => new Deno.Command("/bin/true").outputSync(),
    "send a signal": () => Deno.kill(1, "SIGCONT"),
    "load another library": () => Deno.dlopen("/lib/x86_64-linux-gnu/libm.so.6", {}),
    "load a native module": () => process.dlopen({ exports: {} }, "/lib/x86_64-linux-gnu/libm.so.6"),
    "connect to the network": () => Deno.connect({ hostname: "127.0.0.1", port: 1 }),
    "listen on the network": () => Deno.listen({ port: 0 }),
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

Deno.test({
  name:
    "a program compiled with the executable's flags may not run, connect, load, ask or look where it shouldn't",
  ignore: !existsSync(DENORT),
  fn: async () => {
    const dir = await Deno.makeTempDir();
    try {
      Deno.writeTextFileSync(`${dir}/probe.js`, PROBE);
      const flags = compileFlags.map(({ flag }) => flag);
      const args = ["compile", "--quiet", ...flags, "--output", `${dir}/probe`, `${dir}/probe.js`];
      const compiled = await new Deno.Command(Deno.execPath(), { args, stdin: "null" }).output();
      assert(compiled.success, new TextDecoder().decode(compiled.stderr));
      assert.equal((await run(`${dir}/probe`, { SECRET: "x" })).said, "11 denied\n");
    } finally {
      await Deno.remove(dir, { recursive: true });
    }
  },
});

for (const socket of ["", "0", "-1", "3.5", "x", "4294967299", "1e99", "\x1b[2J"]) {
  Deno.test({
    name: `the executable ends with one sentence when the runtime leaves it the descriptor ${
      JSON.stringify(socket)
    }`,
    ignore: !existsSync(EXECUTABLE),
    fn: async () => {
      const env = { NRI_PLUGIN_SOCKET: socket, WEKA_CPUSET_LOG_FILE: "/nonexistent/agent.log" };
      const { code, said, complained } = await run(EXECUTABLE, env);
      assert.deepEqual([code, said], [1, ""]);
      assert.match(complained, /^weka-cpuset: \P{Cc}{10,200}\n$/u);
    },
  });
}

/** All sources that end up in the executable, as one text. */
function sources(folder = `${ROOT}src`): string {
  const texts = [...Deno.readDirSync(folder)].map(({ name, isDirectory }) => {
    if (isDirectory) return sources(`${folder}/${name}`);
    return Deno.readTextFileSync(`${folder}/${name}`);
  });
  return texts.join("\n");
}

Deno.test("the program makes no socket: whoever adds one says in docs/security.md how it is kept from others", () => {
  assert.doesNotMatch(sources(), /\b(Deno\.(listen|serve)\w*|createServer|listenDatagram)\b/);
});

Deno.test("no code is loaded by a name that is made up at run time", () => {
  assert.doesNotMatch(sources(), /\bimport\((?!")|\bnew (Worker|Function)\b|\beval\(/);
});

Deno.test("of libc nothing is named that starts programs, connects, or changes users, and two calls go by number", () => {
  const text = Deno.readTextFileSync(`${ROOT}src/platform/libc.ts`);
  const symbols = /const SYMBOLS = \{(.*?)\n\} as const/s.exec(text)?.[1] ?? "";
  const names = [...symbols.matchAll(/^ {2}(\w+): \{/gm)].map(([, name = ""]) => name);
  assert(names.length > 10);
  const forbidden =
    /exec|spawn|fork|clone|^system$|popen|^connect|socket$|bind|listen|accept|dl|set.*[ug]id|mount|ptrace|kill/;
  assert.deepEqual(names.filter((name) => forbidden.test(name)), []);
  const numbers = [...sources().matchAll(/\.syscall\(\s*(\w+)/g)].map(([, number]) => number);
  assert.deepEqual([...new Set(numbers)].sort(), ["SYS_GETDENTS64", "SYS_STATX"]);
});

/** The titles of the tests in a file; a part that is put in at run time may be anything. */
function titlesIn(file: string): RegExp[] {
  const text = Deno.readTextFileSync(`${ROOT}${file}`);
  const titles = text.matchAll(
    /(?:Deno\.test|onContainerd)\(\s*(?:\{\s*name:\s*)?(["`])((?:\\.|(?!\1).)+)\1/gs,
  );
  return [...titles].map(([, , title = ""]) => {
    const parts = title.split(/\$\{[^}]*\}/).map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&"));
    return new RegExp(`^${parts.join(".+")}$`);
  });
}

Deno.test("every test that docs/security.md names is there", () => {
  const text = Deno.readTextFileSync(`${ROOT}docs/security.md`);
  const named = [...text.matchAll(/\[[\w./]+\]\(\.\.\/([\w./]+_test\.ts)\): ((?:_[^_|]+_(?:, )?)+)/g)];
  assert(named.length > 20, `only ${named.length} found`);
  const missing = named.flatMap(([, file = "", titles = ""]) =>
    [...titles.matchAll(/_([^_]+)_/g)].map(([, title = ""]) => title)
      .filter((title) => !titlesIn(file).some((known) => known.test(title)))
      .map((title) => `${file}: ${title}`)
  );
  assert.deepEqual(missing, []);
  const links = [...text.matchAll(/\(\.\.\/([^)#]+)/g)].map(([, path = ""]) => path);
  assert.deepEqual(links.filter((path) => !existsSync(`${ROOT}${path}`)), []);
});
