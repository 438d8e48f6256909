/** Why a call of libc failed, whatever else the thread has called meanwhile. */
import assert from "node:assert/strict";
import { attempt } from "../../../src/platform/errno.ts";
import { cString, libc, O_RDONLY } from "../../../src/platform/libc.ts";

libc(); // loaded before any test, so that none seems to leak it
const open = (path: string) => libc().open(cString(path), O_RDONLY);

Deno.test("attempt: a call that succeeds is made once", () => {
  let calls = 0;
  assert.deepEqual(attempt(() => ++calls), { kind: "done", result: 1 });
});

Deno.test("attempt: a failure has errno's name and the C library's sentence", () => {
  assert.deepEqual(attempt(() => open("/proc/self/none")), {
    kind: "errno",
    errno: "ENOENT",
    text: "No such file or directory",
  });
});

Deno.test("attempt: ENOENT of a call that came between isn't taken for this one's", () => {
  let calls = 0;
  const result = attempt(() => {
    const fd = open("/proc/self/stat/none");
    if (++calls === 1) open("/proc/self/none");
    return fd;
  });
  assert.equal(result.kind === "errno" && result.errno, "ENOTDIR");
});

Deno.test("attempt: a call that succeeds when it is made again has succeeded", () => {
  let calls = 0;
  assert.deepEqual(attempt(() => ++calls === 1 ? open("/proc/self/none") : 7), { kind: "done", result: 7 });
});

Deno.test("attempt: a failure that no other call can have caused isn't tried again: it may be reported once only", () => {
  let calls = 0;
  attempt(() => {
    calls++;
    return open("/proc/self/stat/none");
  });
  assert.equal(calls, 1);
});
