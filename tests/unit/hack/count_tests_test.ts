import assert from "node:assert/strict";
import { closingLine, countTests, sum } from "../../../hack/count_tests.ts";

// As Deno's own reporter writes it: text and attributes are escaped, a step is a case of its own.
const report = `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="deno test" tests="6" failures="2" errors="0" time="0.236">
    <testsuite name="./a_test.ts" tests="6" disabled="1" errors="0" failures="2">
        <testcase name="a &gt; b" classname="./a_test.ts" time="0.000" line="1" col="6">
        </testcase>
        <testcase name="short" classname="./a_test.ts" time="0.000" line="1" col="6"/>
        <testcase name="says &lt;failure&gt;" classname="./a_test.ts" time="0.000" line="2" col="6">
        </testcase>
        <testcase name="fails" classname="./a_test.ts" time="0.000" line="3" col="6">
            <failure message="expected &lt;skipped/&gt;">Error: expected &lt;/testcase&gt;
    at file:///a_test.ts:2:70</failure>
        </testcase>
        <testcase name="ignored" classname="./a_test.ts" time="0.000" line="4" col="11">
            <skipped/>
        </testcase>
        <testcase name="breaks" classname="./a_test.ts" time="0.000" line="5" col="6">
            <error message="gone"/>
        </testcase>
    </testsuite>
</testsuites>`;

Deno.test("a report's cases are counted by how they ended", () => {
  assert.deepEqual(countTests(report), { passed: 3, failed: 2, skipped: 1 });
});

Deno.test("a report without cases counts nothing", () => {
  assert.deepEqual(countTests(`<testsuites name="deno test" tests="7"></testsuites>`), sum([]));
});

Deno.test("reports add up", () => {
  const a = { passed: 1, failed: 2, skipped: 3 };
  assert.deepEqual(sum([a, { passed: 10, failed: 20, skipped: 30 }]), {
    passed: 11,
    failed: 22,
    skipped: 33,
  });
});

Deno.test("the closing line names skipped tests only when there are some", () => {
  assert.equal(closingLine({ passed: 5, failed: 0, skipped: 0 }), "5 passed, 0 failed");
  assert.equal(closingLine({ passed: 5, failed: 1, skipped: 2 }), "5 passed, 1 failed, 2 skipped");
});

/** Runs the script on report files of these texts, the last of them missing when it is undefined. */
async function runOn(...texts: (string | undefined)[]): Promise<{ code: number; last: string | undefined }> {
  const folder = await Deno.makeTempDir();
  try {
    const files = texts.map((_, i) => `${folder}/${i}.xml`);
    for (const [i, text] of texts.entries()) {
      if (text !== undefined) await Deno.writeTextFile(`${folder}/${i}.xml`, text);
    }
    const script = new URL("../../../hack/count_tests.ts", import.meta.url).href;
    const args = ["run", "--quiet", "--allow-read", script, ...files];
    const { code, stdout } = await new Deno.Command(Deno.execPath(), { args, stderr: "null" }).output();
    return { code, last: new TextDecoder().decode(stdout).trimEnd().split("\n").at(-1) };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const passing = `<testsuites><testcase name="a"></testcase></testsuites>`;

Deno.test("all passed is a success", async () => {
  assert.deepEqual(await runOn(passing, passing), { code: 0, last: "2 passed, 0 failed" });
});

Deno.test("a failure, a missing report and no test at all are failures", async () => {
  assert.deepEqual(await runOn(passing, report), { code: 1, last: "4 passed, 2 failed, 1 skipped" });
  assert.deepEqual(await runOn(passing, undefined), { code: 1, last: "1 passed, 0 failed" });
  assert.deepEqual(await runOn("<testsuites></testsuites>"), { code: 1, last: "0 passed, 0 failed" });
});
