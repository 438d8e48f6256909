// What a claim costs behind fences, on cgroup v2: measured, and never a failure for being slow.
import { measureFence } from "../../../../tools/bench/fence.ts";
import { sectionsText } from "../../../../tools/bench/report.ts";

Deno.test({
  name: "an exclusive claim with ten and with a thousand shared containers",
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async () => {
    const executable = new URL("../../../dist/weka-cpuset", import.meta.url).pathname;
    const text = sectionsText(
      await measureFence({ executable, dir: Deno.makeTempDirSync(), progress: () => {} }),
    );
    console.log(text);
    Deno.writeTextFileSync(".test-reports/cost.txt", `${text}\n`);
  },
});
