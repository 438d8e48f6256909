// deploy/manifests as kubelet would bring it to a node, as far as one pod of one container needs it.
import assert from "node:assert/strict";
import { parse } from "yaml";
import { NamespaceMode, SecurityProfile_ProfileType } from "../../../src/cri/gen/cri_pb.ts";
import { sockets } from "./containerd.ts";
import { eventually } from "./eventually.ts";
import type { Running, TestNode } from "./node.ts";
import { cgroupParent, type Pod, resources } from "./pods.ts";
import { repository } from "./requirements.ts";
import { cgroupOf } from "./sweep.ts";

const MANIFESTS = `${repository}/deploy/manifests`;
const ARCHIVE = `${repository}/dist/weka-cpuset-image.tar`;

interface Volume {
  name: string;
  hostPath?: { path: string };
  configMap?: { name: string };
  emptyDir?: unknown;
}

interface PodTemplate {
  hostNetwork: boolean;
  securityContext: { seccompProfile: { type: keyof typeof SecurityProfile_ProfileType } };
  volumes: Volume[];
  containers: [{
    args?: string[];
    securityContext: {
      runAsUser: number;
      privileged: boolean;
      allowPrivilegeEscalation: boolean;
      readOnlyRootFilesystem: boolean;
      capabilities: { drop: string[]; add?: string[] };
    };
    volumeMounts: { name: string; mountPath: string; readOnly?: boolean }[];
  }];
}

/** The pod of the DaemonSet while it runs. */
export interface AgentPod extends Running {
  /** Resolves as soon as the container's log has a line that matches. */
  says(pattern: RegExp): Promise<void>;
}

/** What kubelet's tables make of the DaemonSet's requests: burstable, and so shared. */
const BURSTABLE: Pod = { annotations: {}, qos: "burstable", request: 0.05, limit: 0 };

/** Imports the image that `make image` made, and runs the DaemonSet's pod of it on `node`. */
export async function runDaemonSet(node: TestNode): Promise<AgentPod> {
  const image = await importImage(node);
  const template =
    (readYaml("daemonset.yaml") as { spec: { template: { spec: PodTemplate } } }).spec.template.spec;
  const [container] = template.containers;
  const security = container.securityContext;
  const namespaceOptions = { network: template.hostNetwork ? NamespaceMode.NODE : NamespaceMode.POD };
  const uid = `${cgroupOf(node.dir).slice(1)}-agent`;
  const sandboxConfig = {
    metadata: { name: "weka-nri-cpuset", namespace: "kube-system", uid },
    logDirectory: `${node.dir}/pod-logs`,
    linux: {
      cgroupParent: cgroupParent(cgroupOf(node.dir), BURSTABLE, uid),
      securityContext: { namespaceOptions },
    },
  };
  const { podSandboxId: sandbox } = await node.cri.runPodSandbox({ config: sandboxConfig });
  const { containerId: id } = await node.cri.createContainer({
    podSandboxId: sandbox,
    sandboxConfig,
    config: {
      metadata: { name: "weka-cpuset" },
      image: { image },
      args: container.args ?? [],
      logPath: "agent.log",
      mounts: container.volumeMounts.map(({ name, mountPath, readOnly = false }) => ({
        containerPath: mountPath,
        hostPath: hostPath(node, template.volumes.find((volume) => volume.name === name)),
        readonly: readOnly,
      })),
      linux: {
        resources: resources(BURSTABLE),
        securityContext: {
          namespaceOptions,
          runAsUser: { value: BigInt(security.runAsUser) },
          privileged: security.privileged,
          noNewPrivs: !security.allowPrivilegeEscalation,
          readonlyRootfs: security.readOnlyRootFilesystem,
          capabilities: {
            addCapabilities: security.capabilities.add ?? [],
            dropCapabilities: security.capabilities.drop,
          },
          seccomp: { profileType: SecurityProfile_ProfileType[template.securityContext.seccompProfile.type] },
        },
      },
    },
  });
  await node.cri.startContainer({ containerId: id });
  const log = () => Deno.readTextFileSync(`${node.dir}/pod-logs/agent.log`);
  return { sandbox, id, pid: await node.pid(id), says: (pattern) => logged(log, pattern) };
}

async function logged(log: () => string, pattern: RegExp): Promise<void> {
  await eventually(() => {
    if (!pattern.test(log())) throw new Error(`the agent's pod did not say ${pattern}, but:\n${log()}`);
  });
}

/** Where a volume is on this node, which has its NRI socket, its run directory and its ConfigMaps in a folder of its own. */
function hostPath({ dir }: TestNode, volume: Volume | undefined): string {
  if (volume?.configMap !== undefined) return configMap(`${dir}/config`);
  if (volume?.emptyDir !== undefined) return Deno.makeTempDirSync({ dir });
  switch (volume?.hostPath?.path) {
    case "/var/run/nri":
    case "/run/containerd":
      return dir;
    case "/run/weka-cpuset":
      Deno.mkdirSync(`${dir}/weka-cpuset`, { recursive: true });
      return `${dir}/weka-cpuset`;
    case "/sys":
    case "/sys/fs/cgroup":
      return volume.hostPath.path;
    case "/var/lib/kubelet/pod-resources":
      Deno.mkdirSync(`${dir}/pod-resources`, { recursive: true });
      return `${dir}/pod-resources`;
    default:
      throw new Error(`the tests have no place for the volume ${JSON.stringify(volume)}`);
  }
}

function configMap(folder: string): string {
  const { data } = readYaml("configmap.yaml") as { data: Record<string, string> };
  Deno.mkdirSync(folder, { recursive: true });
  for (const [name, text] of Object.entries(data)) Deno.writeTextFileSync(`${folder}/${name}`, text);
  return folder;
}

/** Gives the image's name, as the archive has it. */
async function importImage({ install, dir, cri }: TestNode): Promise<string> {
  await output(
    `${install.bin}/ctr`,
    "--address",
    sockets(dir).cri,
    "--namespace",
    "k8s.io",
    "images",
    "import",
    ARCHIVE,
  );
  const [image] = JSON.parse(await output("tar", "-xOf", ARCHIVE, "manifest.json")) as [
    { RepoTags: [string] },
  ];
  const [name] = image.RepoTags;
  await eventually(async () => assert(await cri.hasImage(name), `the CRI doesn't list ${name}`));
  return name;
}

async function output(program: string, ...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(program, { args }).output();
  if (success) return new TextDecoder().decode(stdout);
  throw new Error(
    `${program} ${args.join(" ")}: ${new TextDecoder().decode(stderr)} (make image makes the image)`,
  );
}

function readYaml(file: string): unknown {
  return parse(Deno.readTextFileSync(`${MANIFESTS}/${file}`));
}
