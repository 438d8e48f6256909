import assert from "node:assert/strict";
import { preflightJson, preflightText } from "../../../src/cli/preflight_command.ts";
import type { Finding } from "../../../src/preflight/verdict.ts";
import { ran } from "../../kit/command.ts";
import { FileTree } from "../../kit/file_tree.ts";

const FINDINGS: readonly Finding[] = [
  { check: "nri", result: "fail", found: "NRI is off", mend: "disable = false" },
  { check: "cgroup-tree", result: "pass", found: "it can be written" },
];

Deno.test("a line for each check, and below it what mends it", () => {
  assert.deepEqual(preflightText(FINDINGS, false).split("\n"), [
    "fail  nri          NRI is off",
    "                   → disable = false",
    "pass  cgroup-tree  it can be written",
    "",
    "1 passed, 0 warnings, 1 failed",
  ]);
  assert(preflightText(FINDINGS, true).startsWith("\x1b[31mfail\x1b[0m  nri"));
});

Deno.test("the worst result is the result", () => {
  const [fail, pass] = FINDINGS;
  const warn = { ...fail, result: "warn" } as Finding;
  const resultOf = (...findings: (Finding | undefined)[]) =>
    (preflightJson(findings as Finding[]) as { result: string }).result;
  assert.deepEqual([resultOf(pass, fail, warn), resultOf(pass, warn), resultOf(pass)], [
    "fail",
    "warn",
    "pass",
  ]);
});

Deno.test("status 3 where a check fails", async () => {
  using tree = new FileTree({ "etc/hostname": "bare" });
  const { out, status } = await ran("preflight", "--host-root", tree.root, "--output", "json");
  const { version, result, checks } = JSON.parse(out);
  assert.deepEqual([version, result, status], [1, "fail", 3]);
  assert.deepEqual(Object.keys(checks[0]), ["check", "result", "found", "mend"]);
});

Deno.test("a host root that is none is said in a sentence", async () => {
  for (const root of ["host", "/nonexistent", "/etc/hostname"]) {
    const { error, status } = await ran("preflight", "--host-root", root);
    assert.match(error, /--host-root must be the absolute path of a directory/);
    assert.equal(status, 2);
  }
});
