import { existsSync } from "node:fs";
import { BY_HAND, STATE } from "./places.ts";

/** Two runs would take each other's cluster down: the second one waits. @throws where one was started by hand */
export async function onlyRun(): Promise<Deno.FsFile> {
  if (existsSync(BY_HAND)) {
    throw new Error(`a cluster that was started by hand is in ${STATE}; end it by hack/cluster-down.sh`);
  }
  const file = Deno.openSync(`${STATE}.lock`, { create: true, write: true });
  await file.lock(true);
  return file;
}
