/** A cluster on this machine with one node and without an agent, for what is installed in it. */
import { kubectl } from "../../e2e/cluster/control_plane.ts";
import { stopCluster } from "../../e2e/cluster/down.ts";
import { importImage } from "../../e2e/cluster/node.ts";
import { onlyRun } from "../../e2e/cluster/only_run.ts";
import { repository } from "../../e2e/cluster/places.ts";
import { DEFAULTS, startCluster } from "../../e2e/cluster/up.ts";
import { manifest, type PodWish } from "../../e2e/harness/pods.ts";
import { IMAGE } from "../../e2e/cluster/places.ts";

export const NODE = "one";
const ARCHIVE = `${repository}/dist/weka-cpuset-image.tar`;

/** Starts it, with the image of `make image` on its node; it ends with the object. */
export async function cluster(image: string): Promise<AsyncDisposable> {
  const lock = await onlyRun();
  const end = async () => {
    await stopCluster();
    lock.close();
  };
  try {
    await stopCluster(); // what an earlier run left
    await startCluster({ ...DEFAULTS, agent: "none", nodes: [NODE] });
    await importImage(NODE, image, ARCHIVE);
  } catch (error) {
    await end();
    throw error;
  }
  return { [Symbol.asyncDispose]: end };
}

/** Creates a pod of the test image, and waits until it runs. */
export async function runPod(name: string, wish: PodWish): Promise<void> {
  const place = { namespace: "default", node: NODE, image: IMAGE, pullPolicy: "Never" };
  const file = await Deno.makeTempFile({ suffix: ".json" });
  try {
    await Deno.writeTextFile(file, JSON.stringify(manifest(name, wish, place)));
    await kubectl("apply", "--filename", file);
    await kubectl("wait", "--for=condition=Ready", `pod/${name}`, "--timeout=120s");
  } finally {
    await Deno.remove(file);
  }
}
