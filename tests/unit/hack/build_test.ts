import assert from "node:assert/strict";
import { compileFlags } from "../../../hack/build.ts";

const LIBC = new URL("../../../src/platform/libc.ts", import.meta.url).href;

/** What a program with exactly the executable's permissions prints. */
function run(program: string, ...more: string[]): string {
  const permissions = compileFlags.map(({ flag }) => flag).filter((flag) =>
    /^--(allow|ignore)-|^--no-prompt/.test(flag)
  );
  const file = Deno.makeTempFileSync({ suffix: ".ts" });
  try {
    Deno.writeTextFileSync(file, program);
    const args = ["run", "--quiet", "--no-config", ...permissions, ...more, file];
    const { stdout, stderr } = new Deno.Command(Deno.execPath(), { args, stdin: "null" }).outputSync();
    return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  } finally {
    Deno.removeSync(file);
  }
}

Deno.test("the executable's permissions are enough to read the kernel's files", () => {
  const program = `import { readInto } from "${LIBC}";
    console.log(readInto(new Uint8Array(4096), "/proc/self/status") !== undefined);`;
  assert.equal(run(program), "true\n");
});

// When this fails, the pinned Deno has become finer, and libc isn't needed for these files any more.
Deno.test("Deno itself opens the kernel's files only for a program that is allowed everything", () => {
  assert.match(run('Deno.readTextFileSync("/proc/self/status")'), /Requires all access/);
});

const DENIED: readonly [what: string, program: string][] = [
  ["start a program", 'new Deno.Command("/bin/true").outputSync()'],
  ["load another library", 'Deno.dlopen("/lib/x86_64-linux-gnu/libm.so.6", {})'],
  [
    "use the network any more",
    `Deno.permissions.revokeSync({ name: "net" });
    await Deno.connect({ hostname: "127.0.0.1", port: 1 })`,
  ],
  ["learn about the machine", "Deno.hostname()"],
];

for (const [what, program] of DENIED) {
  Deno.test(`the executable may not ${what}`, () => assert.match(run(program), /Requires \w+ access/));
}

Deno.test("an environment variable that isn't the agent's reads as unset", () => {
  assert.equal(run('console.log(Deno.env.get("PATH"), Deno.env.get("NRI_SOCKET"))'), "undefined undefined\n");
});
