// What a claim costs behind fences, on cgroup v2: measured, and never a failure for being slow.
import { measureAdmission } from "../../../../tools/bench/admission.ts";
import { measureFence } from "../../../../tools/bench/fence.ts";
import { sectionsText } from "../../../../tools/bench/report.ts";

Deno.test({
  name: "an exclusive claim with ten and with a thousand shared containers, and what the kernel takes of it",
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async () => {
    const executable = new URL("../../../dist/weka-cpuset", import.meta.url).pathname;
    const stage = { executable, dir: Deno.makeTempDirSync(), progress: () => {} };
    const text = sectionsText([...await measureFence(stage), ...await measureAdmission(stage)]);
    console.log(text);
    Deno.writeTextFileSync(".test-reports/cost.txt", `${text}\n`);
  },
});
