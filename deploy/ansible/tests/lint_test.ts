import assert from "node:assert/strict";
import { missing, testUnless } from "./available.ts";
import { packages, repository } from "./node.ts";

/** Runs a Python program with the fetched packages, in deploy/ansible; fails with what it said. */
function python(...args: string[]): void {
  const { success, stdout, stderr } = new Deno.Command("python3", {
    args,
    cwd: `${repository}/deploy/ansible`,
    env: {
      PYTHONPATH: packages,
      PATH: `${packages}/bin:${Deno.env.get("PATH")}`,
      PYTHONDONTWRITEBYTECODE: "1",
    },
    stdin: "null",
  }).outputSync();
  assert(success, new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr));
}

testUnless(missing.toLook, "ansible-lint has nothing to say", () => {
  python("-m", "ansiblelint", "--offline", "--strict", "--nocolor", "--profile", "production");
});

testUnless(missing.toLook, "the role changes containerd's configuration text by text", () => {
  python("tests/test_containerd.py");
});
