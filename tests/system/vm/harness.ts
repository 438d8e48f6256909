import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type Counts, countTests } from "../../../hack/count_tests.ts";
import { type Contents, makeBootImage } from "./boot_image.ts";
import { type MachineOptions, runMachine, SilentMachine } from "./qemu.ts";

const repository = fileURLToPath(new URL("../../..", import.meta.url)).replace(/\/$/, "");
const reports = `${repository}/.test-reports`;

/** A script of `hack`, and what it is called with: first the folder, below `.tools`, into which it puts things. */
export type Fetch = readonly [script: string, folder: string, ...more: string[]];

/** Why what a machine needs can't be had here, or nothing. */
export function missing(fetches: readonly Fetch[]): string | undefined {
  for (const [script, folder, ...more] of fetches) {
    const command = new Deno.Command(`${repository}/hack/${script}`, {
      args: [`${repository}/.tools/${folder}`, ...more],
    });
    const { code, stderr } = command.outputSync();
    const said = new TextDecoder().decode(stderr).trim();
    if (code === 2) return said;
    if (code !== 0) throw new Error(`hack/${script} failed with status ${code}: ${said}`);
  }
}

/** A machine, and the checks that are run in it. */
export interface Check
  extends Pick<MachineOptions, "memory" | "cpus" | "patience" | "words" | "boot" | "isMemoryBesideNoCpu"> {
  /** The folder of its kernel, below `.tools`. */
  readonly tools: string;
  /** The bundle of its boot image that has the checks. */
  readonly checks: string;
  /** It isn't run by Deno's test runner: it writes its report itself. */
  readonly isProgram?: boolean;
  /** `.test-reports/NAME.xml`. */
  readonly report: string;
}

/** Boots a machine for each, one after the other, of one boot image; resolves with what their reports say. */
export async function check(contents: Contents, all: readonly Check[]): Promise<Counts[]> {
  const folder = Deno.makeTempDirSync({ prefix: "weka-cpuset-vm-" });
  try {
    const image = await makeBootImage(folder, contents);
    const counts: Counts[] = [];
    for (const each of all) counts.push(await checkOne(folder, image, each));
    return counts;
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

async function checkOne(folder: string, image: string, check: Check): Promise<Counts> {
  const { tools, checks, report, isProgram = false } = check;
  const port = `${folder}/reports.tar.gz`;
  const size = (Deno.statSync(image).size / 1e6).toFixed(0);
  console.log(`booting for ${report}: ${size} MB; an emulated machine takes minutes`);
  const started = performance.now();
  const seconds = () => `${((performance.now() - started) / 1000).toFixed(0)} s`;
  const boots = await untilBooted((watch) =>
    runMachine({
      ...check,
      tools: `${repository}/.tools/${tools}`,
      words: { ...check.words, checks, report, run: isProgram ? "run" : "test" },
      image,
      port,
      onLine: (line) => {
        watch(line);
        console.log(line.startsWith("@") ? `${line.slice(1)} (${seconds()} here)` : line);
      },
    })
  );
  return await collect(port, report, boots);
}

/** An emulated 6.12 kernel dies now and then, of the int3 by which it patches its own code: mostly while it boots, where others hang. */
const CRASH = /Oops: int3/;
const MAX_BOOTS = 5;

/** Boots until the checks have ended, or the kernel has crashed too often; how often it was booted. */
async function untilBooted(boot: (watch: (line: string) => void) => Promise<void>): Promise<number> {
  for (let boots = 1;; boots++) {
    let [isCrashed, isBooted] = [false, false];
    const ended = boot((line) => {
      isBooted ||= line.startsWith("@");
      isCrashed ||= CRASH.test(line);
    });
    const failure = await ended.then(() => undefined, (error: unknown) => error);
    const isHung = failure instanceof SilentMachine && !isBooted;
    if ((isCrashed || isHung) && boots < MAX_BOOTS) {
      console.log(`the emulated kernel has crashed or hung; booting again, ${boots} of ${MAX_BOOTS - 1}`);
      continue;
    }
    if (failure !== undefined) throw failure;
    return boots;
  }
}

/** Unpacks the machine's reports into this checkout's, notes there how often it was booted, and resolves with what they say. */
async function collect(archive: string, report: string, boots: number): Promise<Counts> {
  Deno.mkdirSync(reports, { recursive: true });
  const args = ["-xzf", archive, "-C", repository];
  const { success } = await new Deno.Command("tar", { args }).output();
  if (!success) throw new Error("the machine ended before it gave its report");
  const path = `${reports}/${report}.xml`;
  if (!existsSync(path)) {
    throw new Error(`the machine's checks have ended without ${report}.xml; they say why above`);
  }
  const text = Deno.readTextFileSync(path);
  const note = `<properties><property name="boots" value="${boots}"/></properties>`;
  Deno.writeTextFileSync(path, text.replace(/<testsuite\b[^>]*>/, (head) => `${head}${note}`));
  return countTests(text);
}

/** Says that nothing was tested, and why: a failure where everything is expected to be there. The exit status. */
export function unavailable(reason: string): number {
  console.error(`\n*** NOT TESTED in a virtual machine: ${reason} ***\n`);
  return Deno.env.get("CI") === "true" ? 1 : 0;
}
