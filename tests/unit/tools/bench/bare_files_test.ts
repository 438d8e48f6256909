import assert from "node:assert/strict";
import { libc } from "../../../../src/platform/libc.ts";
import { BareFiles, type Care } from "../../../../tools/bench/bare_files.ts";

libc(); // stays for the life of the process

Deno.test("bare writes replace what is there, and fail where a cgroup is gone", () => {
  const directory = Deno.makeTempDirSync();
  const file = `${directory}/cpuset.cpus`;
  try {
    Deno.writeTextFileSync(file, "0-15\n");
    using bare = new BareFiles([directory]);
    for (const [cpus, care] of [["0-9", "looked at"], ["0-1", "written"], ["1-2", "read back"]] as const) {
      bare.write(cpus, care satisfies Care);
      assert.equal(Deno.readTextFileSync(file).slice(0, 4), `${cpus}\n`);
    }
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
  assert.throws(() => new BareFiles([directory]), /can't be opened/);
});
