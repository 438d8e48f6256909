// deploy/manifests as kubelet would bring it to a node, as far as pods of one container each need it.
import assert from "node:assert/strict";
import { parse } from "yaml";
import { NamespaceMode, SecurityProfile_ProfileType } from "../../../src/cri/gen/cri_pb.ts";
import { sockets } from "./containerd.ts";
import { eventually } from "./eventually.ts";
import type { Running, TestNode } from "./node.ts";
import { cgroupParent, type Pod, resources } from "./pods.ts";
import { repository } from "./requirements.ts";
import { cgroupOf } from "./sweep.ts";

const DEPLOY = `${repository}/deploy`;
const ARCHIVE = `${repository}/dist/weka-cpuset-image.tar`;

interface Volume {
  name: string;
  hostPath?: { path: string };
  configMap?: { name: string };
  emptyDir?: unknown;
}

interface Container {
  args?: string[];
  env?: { name: string; value?: string }[];
  securityContext: {
    runAsUser: number;
    privileged: boolean;
    allowPrivilegeEscalation: boolean;
    readOnlyRootFilesystem: boolean;
    capabilities: { drop: string[]; add?: string[] };
  };
  volumeMounts: { name: string; mountPath: string; readOnly?: boolean }[];
}

interface PodTemplate {
  hostNetwork: boolean;
  securityContext: { seccompProfile: { type: keyof typeof SecurityProfile_ProfileType } };
  volumes: Volume[];
  containers: [Container];
}

/** What of deploy/host-plugin is added. */
interface SideCarPatch {
  volumes: Volume[];
  initContainers: [Container];
}

/** A container of the DaemonSet while it runs. */
export interface AgentPod extends Running {
  readonly log: string;
  /** Resolves as soon as the container's log has a line that matches. */
  says(pattern: RegExp): Promise<void>;
  /** Ends it as kubelet does; its exit status. */
  stop(): Promise<number | undefined>;
  /** Runs the executable in it, as a probe does: its exit status and what it prints. */
  exec(...args: string[]): Promise<string>;
}

/** What kubelet's tables make of the DaemonSet's requests: burstable, and so shared. */
const BURSTABLE: Pod = { annotations: {}, qos: "burstable", request: 0.05, limit: 0 };

/**
 * Imports the image that `make image` made, and runs the DaemonSet's pod of it on `node`; `name` is its own there, and `variables` are
 * added to its environment.
 */
export async function runDaemonSet(
  node: TestNode,
  name = "agent",
  variables: Readonly<Record<string, string>> = {},
): Promise<AgentPod> {
  const { spec: { template: { spec } } } = readYaml("manifests/daemonset.yaml") as DaemonSet<PodTemplate>;
  const [{ env = [], ...container }] = spec.containers;
  const more = Object.entries(variables).map(([name, value]) => ({ name, value }));
  return await run(node, spec, { ...container, env: [...env, ...more] }, name);
}

/** The same with the side-car of deploy/host-plugin, alone in a pod of its own. */
export async function runSideCar(node: TestNode): Promise<AgentPod> {
  const { spec: { template: { spec } } } = readYaml("manifests/daemonset.yaml") as DaemonSet<PodTemplate>;
  const patch = readYaml("host-plugin/daemonset.yaml") as DaemonSet<SideCarPatch>;
  const { volumes, initContainers: [container] } = patch.spec.template.spec;
  return await run(node, { ...spec, volumes: [...spec.volumes, ...volumes] }, container, "side-car");
}

interface DaemonSet<Spec> {
  spec: { template: { spec: Spec } };
}

async function run(
  node: TestNode,
  template: PodTemplate,
  container: Container,
  name: string,
): Promise<AgentPod> {
  const image = await importImage(node);
  const namespaceOptions = { network: template.hostNetwork ? NamespaceMode.NODE : NamespaceMode.POD };
  const uid = `${cgroupOf(node.dir).slice(1)}-${name}`;
  const sandboxConfig = {
    metadata: { name: `weka-nri-cpuset-${name}`, namespace: "kube-system", uid },
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
      // A value that isn't there is the pod's name.
      envs: (container.env ?? []).map(({ name: key, value = sandboxConfig.metadata.name }) => ({
        key,
        value,
      })),
      logPath: `${name}.log`,
      mounts: container.volumeMounts.map(({ name, mountPath, readOnly = false }) => ({
        containerPath: mountPath,
        hostPath: hostPath(node, template.volumes.find((volume) => volume.name === name)),
        readonly: readOnly,
      })),
      linux: {
        resources: resources(BURSTABLE),
        securityContext: { namespaceOptions, ...confined(container, template) },
      },
    },
  });
  await node.cri.startContainer({ containerId: id });
  return podOf(node, { sandbox, id, pid: await node.pid(id) }, `${node.dir}/pod-logs/${name}.log`);
}

function confined({ securityContext: security }: Container, { securityContext: pod }: PodTemplate) {
  return {
    runAsUser: { value: BigInt(security.runAsUser) },
    privileged: security.privileged,
    noNewPrivs: !security.allowPrivilegeEscalation,
    readonlyRootfs: security.readOnlyRootFilesystem,
    capabilities: {
      addCapabilities: security.capabilities.add ?? [],
      dropCapabilities: security.capabilities.drop,
    },
    seccomp: { profileType: SecurityProfile_ProfileType[pod.seccompProfile.type] },
  };
}

function podOf(node: TestNode, running: Running, logFile: string): AgentPod {
  const { id: containerId } = running;
  const log = () => Deno.readTextFileSync(logFile);
  let probes = 0;
  return {
    ...running,
    get log() {
      return log();
    },
    says: (pattern) =>
      eventually(() => {
        if (!pattern.test(log())) throw new Error(`the agent's pod did not say ${pattern}, but:\n${log()}`);
      }),
    stop: async () => {
      await node.cri.stopContainer({ containerId, timeout: 20n }); // then SIGKILL, which is status 137
      return (await node.cri.containerStatus({ containerId })).status?.exitCode;
    },
    exec: async (...args) => {
      const own = ["tasks", "exec", "--exec-id", `probe-${++probes}`, containerId];
      const { code, stdout, stderr } = await ctr(node, ...own, "/usr/local/bin/weka-cpuset", ...args);
      return `${code} ${stdout}${stderr}`.trim();
    },
  };
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
    case "/opt/nri":
      return `${dir}/nri`;
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
  const { data } = readYaml("manifests/configmap.yaml") as { data: Record<string, string> };
  Deno.mkdirSync(folder, { recursive: true });
  for (const [name, text] of Object.entries(data)) Deno.writeTextFileSync(`${folder}/${name}`, text);
  return folder;
}

/** Gives the image's name, as the archive has it. */
async function importImage(node: TestNode): Promise<string> {
  await output(ctr(node, "images", "import", ARCHIVE));
  const [image] = JSON.parse(
    await output(start("tar", "-xOf", ARCHIVE, "manifest.json")),
  ) as [{ RepoTags: [string] }];
  const [name] = image.RepoTags;
  await eventually(async () => assert(await node.cri.hasImage(name), `the CRI doesn't list ${name}`));
  return name;
}

interface Printed {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function ctr({ install, dir }: TestNode, ...args: string[]): Promise<Printed> {
  return start(`${install.bin}/ctr`, "--address", sockets(dir).cri, "--namespace", "k8s.io", ...args);
}

async function start(program: string, ...args: string[]): Promise<Printed> {
  const { code, stdout, stderr } = await new Deno.Command(program, { args, stdin: "null" }).output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

async function output(started: Promise<Printed>): Promise<string> {
  const { code, stdout, stderr } = await started;
  if (code === 0) return stdout;
  throw new Error(`status ${code}: ${stderr} (make image makes the image)`);
}

function readYaml(file: string): unknown {
  return parse(Deno.readTextFileSync(`${DEPLOY}/${file}`));
}
