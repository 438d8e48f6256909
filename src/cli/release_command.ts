import { ConfigError } from "../daemon/config_error.ts";
import { release } from "../daemon/release.ts";
import type { Effective } from "../daemon/load_config.ts";
import type { Config } from "../config/schema.ts";
import { pause } from "../platform/pause.ts";
import type { StatusDocument } from "../status/document.ts";
import type { ReleaseDocument, ResumeDocument } from "../status/release_document.ts";
import { ask, NoAgentError } from "./status_client.ts";

/** As commander gives them. */
interface Given {
  readonly yes?: true;
  readonly wait?: string;
  readonly stay?: true;
}

/** Seconds for which an agent may take to end, where none answers. */
const WAIT_SECONDS = 10;
/** Milliseconds until a failed write counts: it is retried meanwhile; and until an agent that resumes serves again. */
const PATIENCE_MS = 30_000;
const LOOK_MS = 250;

const QUESTION = "All containers of this node get all CPUs, and nothing is placed any more. Go on?";

/**
 * Has the active agent give all CPUs back and go passive; where none is active, or one that is has to end first (`--wait`),
 * releases what it has left. Problems of the configuration don't prevent it: their sources are ignored, as by a
 * runtime-launched agent.
 * @throws {ConfigError} where nobody can be asked whether that is meant
 * @throws {Error} one sentence, where something couldn't be released
 */
export async function releaseNode(
  { config, problems }: Effective,
  { yes, wait, stay }: Given,
): Promise<void> {
  for (const { sentence } of problems) console.error(sentence);
  if (wait !== undefined && !/^\d{1,4}$/.test(wait)) {
    throw new ConfigError(`--wait must be a whole number of seconds from 0 to 9999, not ${wait}`);
  }
  if (!yes && !isMeant()) return console.log("nothing was changed");
  const isDone = wait === undefined && await releasedByAgent(config);
  if (!isDone) {
    const waitSeconds = wait === undefined ? WAIT_SECONDS : Number(wait);
    await release(config, { waitSeconds, say: (line) => console.log(line) });
  }
  // In a DaemonSet a container that ends is started again.
  if (stay) await new Promise(() => setInterval(() => {}, 2 ** 30));
}

function isMeant(): boolean {
  if (!Deno.stdin.isTerminal()) {
    throw new ConfigError(
      "release takes its CPUs from every container of this node that has its own; if that is meant add --yes",
    );
  }
  return confirm(QUESTION);
}

/** False where no agent is active. */
async function releasedByAgent(config: Config): Promise<boolean> {
  const end = performance.now() + PATIENCE_MS;
  try {
    for (;;) {
      const answer = await ask<ReleaseDocument>(config, "/api/v1/release", "POST");
      const { done, pending, failed, groups } = answer;
      if (pending + failed.length > 0 && performance.now() < end) {
        await rest();
        continue;
      }
      for (const line of groups) console.log(line);
      for (const { name, reason } of failed) console.log(`${name}: ${reason}`);
      console.log(
        `${done} containers and cgroups above them have all CPUs; the agent is passive until weka-cpuset resume, or until it is started again`,
      );
      const left = pending + failed.length;
      if (left > 0) throw new Error(`${left} still lack CPUs; the agent goes on trying`);
      return true;
    }
  } catch (error) {
    if (error instanceof NoAgentError) return false;
    throw error;
  }
}

/**
 * Has the active agent place containers again.
 * @throws {StatusError} when no agent is active
 * @throws {Error} when it doesn't serve in time
 */
export async function resumeNode({ config, problems }: Effective): Promise<void> {
  for (const { sentence } of problems) console.error(sentence);
  const { wasPassive } = await ask<ResumeDocument>(config, "/api/v1/resume", "POST");
  if (!wasPassive) return console.log("the agent isn't passive");
  const end = performance.now() + PATIENCE_MS;
  for (;;) {
    const { agent: { phase }, containers } = await ask<StatusDocument>(config, "/api/v1/status");
    if (phase === "serving") {
      return console.log(`the agent places again; ${containers.length} containers run here`);
    }
    if (performance.now() >= end) {
      throw new Error(
        `the agent isn't passive any more, but still ${phase}: it can't list what runs; see its log`,
      );
    }
    await rest();
  }
}

function rest(): Promise<void> {
  return pause(LOOK_MS, new AbortController().signal);
}
