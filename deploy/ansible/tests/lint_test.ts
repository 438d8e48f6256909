import assert from "node:assert/strict";
import { missing, testUnless } from "./available.ts";
import { packages, repository } from "./node.ts";

/** Runs a Python program with the fetched packages, in deploy/ansible; fails with what it said. */
function python(args: string[], env: Readonly<Record<string, string>> = {}): void {
  const { success, stdout, stderr } = new Deno.Command("python3", {
    args,
    cwd: `${repository}/deploy/ansible`,
    env: {
      PYTHONPATH: packages,
      PATH: `${packages}/bin:${Deno.env.get("PATH")}`,
      PYTHONDONTWRITEBYTECODE: "1",
      ...env,
    },
    stdin: "null",
  }).outputSync();
  assert(success, new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr));
}

testUnless(missing.toLook, "ansible-lint has nothing to say", () => {
  python(["-m", "ansiblelint", "--offline", "--strict", "--nocolor", "--profile", "production"], {
    ANSIBLE_COLLECTIONS_PATH: `${repository}/deploy/ansible/collections`,
  });
});

testUnless(missing.toLook, "the role changes containerd's configuration text by text", () => {
  python(["tests/test_containerd.py"]);
});

testUnless(
  missing.toLook,
  "the collection has deno.json's version, is built, and its playbooks run from it",
  () => {
    const { version } = JSON.parse(Deno.readTextFileSync(`${repository}/deno.json`));
    const collection = `${repository}/deploy/ansible/collections/ansible_collections/weka/cpuset`;
    assert.match(Deno.readTextFileSync(`${collection}/galaxy.yml`), new RegExp(`^version: ${version}$`, "m"));

    const place = Deno.makeTempDirSync({ prefix: "weka-cpuset-collection-" });
    try {
      const built = new Deno.Command(`${repository}/hack/collection.sh`, { args: ["9.8.7"] }).outputSync();
      assert(built.success, new TextDecoder().decode(built.stderr));
      const env = { ANSIBLE_COLLECTIONS_PATH: place, HOME: place };
      const archive = `${repository}/dist/weka-cpuset-9.8.7.tar.gz`;
      python(["-m", "ansible", "galaxy", "collection", "install", "--offline", archive], env);
      Deno.removeSync(archive);
      python(["-m", "ansible", "playbook", "--list-tasks", "-i", "localhost,", "weka.cpuset.install"], env);
    } finally {
      Deno.removeSync(place, { recursive: true });
    }
  },
);
