/** Ends what up.ts started, and puts back what kubelet changed. Run twice, or after a crash, it does no harm. */
import { existsSync } from "node:fs";
import { stopControlPlane } from "./control_plane.ts";
import { removeNode } from "./node.ts";
import { SAVED_SYSCTLS } from "./node_files.ts";
import { CONTROL, nodeNames, STATE } from "./places.ts";
import { run } from "./processes.ts";

/** Ends the nodes first: then nothing calls an API server that has gone. */
export async function stopCluster(): Promise<void> {
  await Promise.all(nodeNames().map((node) => removeNode(node)));
  if (existsSync(CONTROL)) await stopControlPlane();
  if (existsSync(SAVED_SYSCTLS)) await run("sysctl", ["-q", "-p", SAVED_SYSCTLS]);
  if (existsSync(STATE)) Deno.removeSync(STATE, { recursive: true });
}

if (import.meta.main) await stopCluster();
