// What a claim costs behind fences, on cgroup v2: measured, and never a failure for being slow.
import { measureAdmission } from "../../../../tools/bench/admission.ts";
import { measureFence } from "../../../../tools/bench/fence.ts";
import { type Section, sectionsText } from "../../../../tools/bench/report.ts";

/** The machine is emulated: it is met or missed by ratios alone. */
function withoutTimeGoals(section: Section): Section {
  const figures = section.figures.map(({ goal, ...figure }) =>
    goal === undefined || figure.unit === "ms" ? figure : { ...figure, goal }
  );
  return { ...section, figures };
}

Deno.test({
  name: "an exclusive claim with ten and with a thousand shared containers, and what the kernel takes of it",
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async () => {
    const executable = new URL("../../../dist/weka-cpuset", import.meta.url).pathname;
    const stage = { executable, dir: Deno.makeTempDirSync(), progress: () => {} };
    const sections = [...await measureFence(stage), ...(await measureAdmission(stage)).map(withoutTimeGoals)];
    const text = sectionsText(sections);
    console.log(text);
    Deno.writeTextFileSync(".test-reports/cost.txt", `${text}\n`);
  },
});
