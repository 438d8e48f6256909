/** Where everything of the cluster is. */
import { repository } from "../../system/node/requirements.ts";

export { repository };

/** All that the cluster writes. Short: the path of a unix socket ends at 107 bytes. */
export const STATE = Deno.env.get("E2E_STATE") || "/tmp/weka-cpuset-e2e";

/** What `hack/get-kubernetes.sh` and `hack/get-containerd.sh` have put there. */
export const KUBERNETES = `${repository}/.tools/kubernetes`;
export const UNPACKED = `${repository}/.tools/node`;

/** There when somebody has started the cluster by hand: no test run takes it down. */
export const BY_HAND = `${STATE}/by-hand`;

/** The image of test pods and of pause containers, from `hack/test-image.sh`. */
export const IMAGE = "localhost/weka-cpuset-test:1";

/** The control plane's folder, and who may do everything. */
export const CONTROL = `${STATE}/control`;
export const ADMIN = `${CONTROL}/admin.conf`;

/** Of the API server; etcd has the two after it, and the kubelet of node N has N + 10. A second cluster has others, and another state. */
const USUAL_PORT = 17443;
export const PORT = Number(Deno.env.get("E2E_PORT") || USUAL_PORT);

/** The folder of a node, and of what is its own of the machine's root directory. */
export const nodeFolder = (name: string): string => `${STATE}/nodes/${name}`;
export const nodeRoot = (name: string): string => `${nodeFolder(name)}/root`;

/** On a node that claims CPUs, wherever its files are on this machine: its tree of cpusets. */
export const MADE_UP_CGROUP = "/opt/made-up-cgroup";

/** The cgroup, in every hierarchy, below which kubelet makes those of its pods; another one in another cluster. */
export const nodeCgroup = (name: string): string =>
  `/weka-cpuset-e2e-${PORT === USUAL_PORT ? "" : `${PORT}-`}${name}`;

/** What the nodes of a test run are called. */
export const NODES = ["one", "two", "three", "four"];

/**
 * Another file of this folder that is started as a program or a thread, in the form of the file `from`: of a bundle, as in the
 * virtual machine, JavaScript.
 *
 * @param from import.meta.url
 */
export function beside(from: string, name: string): URL {
  return new URL(`./${name}${from.slice(from.lastIndexOf("."))}`, from);
}

/** The nodes that have a folder, which is removed when a node ends. */
export function nodeNames(): string[] {
  try {
    return [...Deno.readDirSync(`${STATE}/nodes`)].map(({ name }) => name).sort();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}
