import assert from "node:assert/strict";
import { Child } from "../../kit/child.ts";

const PROGRAM = `
  import { raisePriority } from "src/platform/priority.ts";
  console.log(raisePriority() ?? "raised");
  setInterval(() => {}, 1e6);
`;

/** The nice values of all threads of a process. */
function niceOf(pid: number): Set<number> {
  const threads = [...Deno.readDirSync(`/proc/${pid}/task`)].map(({ name }) => name);
  return new Set(threads.map((thread) => {
    const fields = Deno.readTextFileSync(`/proc/${pid}/task/${thread}/stat`).split(") ")[1]?.split(" ");
    return Number(fields?.[16]);
  }));
}

Deno.test({
  name: "every thread of the process gets a better scheduling share",
  ignore: Deno.uid() !== 0,
  fn: async () => {
    await Child.with([PROGRAM], async (child) => {
      await child.says("raised");
      assert.deepEqual(niceOf(child.process.pid), new Set([-10]));
    });
  },
});

Deno.test({
  name: "where that isn't granted the reason is returned, and nothing else happens",
  ignore: Deno.uid() !== 0,
  fn: async () => {
    const shell = 'exec setpriv --bounding-set -all --inh-caps -all --nnp "$0" "$@"';
    await Child.with([PROGRAM], async (child) => {
      await child.says(/^setpriority\(-10\): (Permission denied|Operation not permitted)$/);
      // That of the test run itself, which may be a nice one.
      assert.deepEqual(niceOf(child.process.pid), niceOf(Deno.pid));
    }, { shell });
  },
});
