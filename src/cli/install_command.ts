import { formatConfig } from "../config/format.ts";
import { KEYS } from "../config/keys.ts";
import { ConfigError, rejectProblems } from "../daemon/config_error.ts";
import type { Effective } from "../daemon/load_config.ts";
import { answering, guarded, look } from "../host_plugin/guard.ts";
import { install, remove, rollBack } from "../host_plugin/install.ts";
import { PLACE } from "../host_plugin/place.ts";
import { pause } from "../platform/pause.ts";

/** As commander gives them. */
interface Given {
  readonly from?: string;
  readonly wait?: string;
  readonly stay?: true;
  readonly remove?: true;
  readonly withConfig?: true;
}

/** What is another thing for each process of a node: paths within its mounts, and addresses at which only one can listen. */
const OF_THE_PROCESS: ReadonlySet<string> = new Set([
  "socket",
  "criSockets",
  "systemBus",
  "runDir",
  "sysfsRoot",
  "cgroupRoot",
  "procRoot",
  "kubeletRoot",
  "probeSocket",
  "http",
  "httpAll",
  "log.file",
]);

const say = (line: string) => console.log(line);

/**
 * Installs this program, or another build of it, as the plugin that the runtime launches; then looks, where that is asked for,
 * whether it registers.
 * @throws {Error} one sentence; nothing is changed then, or what was there is back
 */
export async function installHostPlugin(effective: Effective, given: Given): Promise<void> {
  const { config, problems } = effective;
  rejectProblems(problems);
  const { from, wait, stay } = given;
  if (wait !== undefined && !/^\d{1,5}$/.test(wait)) {
    throw new ConfigError(`--wait must be a whole number of seconds from 0 to 99999, not ${wait}`);
  }
  const { dryRun, socket, runDir, criSockets } = config;
  if (given.remove) return await remove(PLACE, { dryRun, say });
  const source = { file: from ?? Deno.execPath(), machine: Deno.build.arch, socket };
  const answered = await answering(criSockets);
  const sum = await install(PLACE, source, {
    dryRun,
    say,
    config: given.withConfig && configurationFor(effective),
  });
  if (!dryRun && (wait !== undefined || stay)) {
    const guard = { place: PLACE, runDir, socket, criSockets: answered };
    await assertRegisters(guard, sum, stay ? Infinity : Number(wait) * 1000);
  }
  // In a DaemonSet a container that ends is started again.
  if (stay) await new Promise(() => setInterval(() => {}, 2 ** 30));
}

/** Of the file, what is meant for the node; empty: nothing. */
function configurationFor({ config, origins }: Effective): string {
  const keys = KEYS.filter(({ path }) => origins.get(path) === "file" && !OF_THE_PROCESS.has(path));
  return formatConfig(config, origins, keys);
}

async function assertRegisters(
  guard: Parameters<typeof look>[0],
  sum: string,
  waitMs: number,
): Promise<void> {
  const never = new AbortController().signal;
  const world = { now: () => performance.now(), rest: (ms: number) => pause(ms, never) };
  switch (await guarded(() => look(guard), waitMs, world)) {
    case "registered":
      return say("the runtime has launched it, and it is registered");
    case "not restarted":
      return say("the runtime wasn't restarted; it launches the new one at its next start");
    case "not registered": {
      const former = await rollBack(PLACE, sum) ? "the former one is back" : "it was removed again";
      throw new Error(
        `${PLACE.target} didn't register within a minute of the runtime's start: ${former}, ` +
          "and the runtime launches that at its next start; see /var/log/weka-cpuset.log and the runtime's log",
      );
    }
  }
}
