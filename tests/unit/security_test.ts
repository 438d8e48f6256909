/** What the sources must not hold, and that docs/security.md names tests that exist. tests/slow/security_test.ts tests the executable. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";

const ROOT = new URL("../..", import.meta.url).pathname;

/** All sources that end up in the executable, as one text. */
function sources(folder = `${ROOT}src`): string {
  const texts = [...Deno.readDirSync(folder)].map(({ name, isDirectory }) => {
    if (isDirectory) return sources(`${folder}/${name}`);
    if (!name.endsWith(".ts")) return ""; // the page, which runs in a browser
    return Deno.readTextFileSync(`${folder}/${name}`);
  });
  return texts.join("\n");
}

/** Both are served by platform/http_server.ts, which bounds connections and time; Deno.serve bounds neither. */
const LISTENS = [
  "Deno.listen({ hostname, port: Number(port) });", // where `http` says, by daemon/http_endpoint.ts; off by default
  'Deno.listen({ transport: "unix", path: own });', // root's own socket, and the probe's, by daemon/status_server.ts
];

Deno.test("the program listens in two places: whoever adds another says in docs/security.md how it is kept from others", () => {
  const listening = sources().match(/\b(Deno\.(listen|serve)\w*|createServer|listenDatagram)\b\(.*/g);
  assert.deepEqual(listening?.sort(), LISTENS);
});

Deno.test("the program connects to unix sockets alone, and asks the network for nothing", () => {
  const connecting = sources().match(/\b(Deno\.connect\w*\(.*|fetch\(|new (WebSocket|EventSource)\b)/g) ?? [];
  assert(connecting.length >= 2, `only ${connecting.length} found`);
  assert.deepEqual(connecting.filter((call) => !call.startsWith('Deno.connect({ transport: "unix"')), []);
});

Deno.test("the permission for the network is given up by the agent once it listens, and by all other commands at once", () => {
  const main = Deno.readTextFileSync(`${ROOT}main.ts`);
  assert.match(
    main,
    /program\.hook\("preAction", [^]*\n {4}if \(command !== program && command\.name\(\) !== "run"\) dropNetwork\(\);/,
  );
  assert.match(main, /Deno\.permissions\.revokeSync\(\{ name: "net" \}\);/);
  assert.match(main, /\n {4}dropNetwork,\n/);
});

Deno.test("programs are started in one place, by a command that the agent isn't: all others give the permission up", () => {
  const main = Deno.readTextFileSync(`${ROOT}main.ts`);
  assert.match(
    main,
    /program\.hook\("preAction", [^]*\n {4}if \(command\.name\(\) !== "install-host-plugin"\) dropRun\(\);/,
  );
  assert.match(main, /if \(Deno\.args\.length === 0\) \{\n {4}dropRun\(\);\n/);
  assert.match(
    main,
    /function dropRun\(\): void \{\n {2}Deno\.permissions\.revokeSync\(\{ name: "run" \}\);/,
  );
  const starting = sources().match(/\bnew Deno\.Command\(\w+/g);
  assert.deepEqual(starting, ["new Deno.Command(file"]);
});

Deno.test("no code is loaded by a name that is made up at run time", () => {
  assert.doesNotMatch(sources(), /\bimport\((?!")|\bnew (Worker|Function)\b|\beval\(/);
});

Deno.test("of libc nothing is named that starts programs, listens, or changes users, and two calls go by number", () => {
  const text = Deno.readTextFileSync(`${ROOT}src/platform/libc.ts`);
  const symbols = /const SYMBOLS = \{(.*?)\n\} as const/s.exec(text)?.[1] ?? "";
  const names = [...symbols.matchAll(/^ {2}(\w+): \{/gm)].map(([, name = ""]) => name);
  assert(names.length > 10);
  const forbidden =
    /exec|spawn|fork|clone|^system$|popen|bind|listen|accept|dl|set.*[ug]id|mount|ptrace|kill/;
  assert.deepEqual(names.filter((name) => forbidden.test(name)), []);
  // What connects is for unix sockets only, and in one file.
  const user = Deno.readTextFileSync(`${ROOT}src/platform/blocking_socket.ts`);
  for (const call of [/libc\(\)\.socket\(/g, /libc\(\)\.connect\(/g]) {
    assert.deepEqual([sources().match(call)?.length, user.match(call)?.length], [1, 1], `${call}`);
  }
  assert.match(user, /const AF_UNIX = 1;[^]*libc\(\)\.socket\(AF_UNIX, /);
  assert.doesNotMatch(sources(), /\{[^}]*\b(socket|connect)\b[^}]*\} = libc\(\)/);
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
