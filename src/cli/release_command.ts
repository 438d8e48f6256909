import { release } from "../daemon/release.ts";
import type { Effective } from "../daemon/load_config.ts";

/** As commander gives them. */
interface Given {
  readonly wait: string;
  readonly stay?: true;
}

/**
 * Releases what an agent has left. Problems of the configuration don't prevent it: their sources are ignored, as by a
 * runtime-launched agent.
 * @throws {Error} one sentence, see {@link release}
 */
export async function releaseNode({ config, problems }: Effective, { wait, stay }: Given): Promise<void> {
  for (const { sentence } of problems) console.error(sentence);
  const waitSeconds = Number(wait);
  if (!/^\d{1,4}$/.test(wait)) {
    throw new Error(`--wait must be a whole number of seconds from 0 to 9999, not ${wait}`);
  }
  await release(config, { waitSeconds, say: (line) => console.log(line) });
  // In a DaemonSet a container that ends is started again.
  if (stay) await new Promise(() => setInterval(() => {}, 2 ** 30));
}
