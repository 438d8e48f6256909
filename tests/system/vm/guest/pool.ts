// What a claim costs on a real containerd and cgroup v2: measured, and never a failure for being slow.
import { cellsOf, measurePoolInTurns } from "../../../../tools/bench/pool.ts";
import { sectionsText } from "../../../../tools/bench/report.ts";
import { unpacked } from "../../node/requirements.ts";
import { tell } from "./fence_scene.ts";
import { NRI } from "./scene.ts";

/** Ratios are what counts: with 400 containers the runtime alone takes five minutes for each round. */
const CELLS = [{ shared: 100, rounds: 5, slowRounds: 5 }, { shared: 400, rounds: 8, slowRounds: 2 }];

/** The runtime does nothing else while it carries out an answer that names 400 containers, and drops who answers later. */
const PATIENT = NRI.replace(/request_timeout = "\d+s"/, 'request_timeout = "120s"');

// The machine is emulated: time-outs, and the pauses between two looks.
Deno.env.set("SLOWNESS", "10");
const cells = /\bweka\.cells=(\S+)/.exec(Deno.readTextFileSync("/proc/cmdline"))?.[1] ?? "";
Deno.test({
  name: "an exclusive pod comes and goes among shared containers: no agent, kernel-first, and by the runtime",
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async () => {
    const install = { version: "2, cgroup v2", bin: `${unpacked}/containerd-sid` };
    const logs = ".test-reports/vm/pool";
    Deno.mkdirSync(logs, { recursive: true });
    const text = sectionsText(
      await measurePoolInTurns(install, { nri: PATIENT }, cellsOf(cells, CELLS), { logs, tell }),
    );
    console.log(text);
    Deno.writeTextFileSync(".test-reports/pool-vm.txt", `${text}\n`);
  },
});
