// The pods and containers of a busy made-up node, as a runtime sends them: with ids as long and messages as
// heavy as containerd's, of which the agent reads only a part.

import { createHash } from "node:crypto";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import type { Container, PodSandbox } from "../../src/nri/gen/nri_pb.ts";
import { containerOf, podOf, type Wanted } from "../../tests/kit/messages.ts";

/** A pod and its one container. */
export interface Subject {
  readonly pod: PodSandbox;
  readonly container: Container;
}

/** What a container wants; its name is its pod's, and the only one on the node. */
export type Named = Wanted & { readonly name: string };

/** CPUs that each exclusive container asks for. */
export const EXCLUSIVE_CPUS = 2;

/**
 * What `count` containers on a machine of `cpus` CPUs want: a fifth is pinned to a CPU each, a fifth is exclusive,
 * but no more than leave four fifths of the machine to the others, which are shared.
 */
export function population(count: number, cpus: number): Named[] {
  const claiming = Math.floor(Math.min(count / 5, cpus / 16));
  return Array.from({ length: count }, (_, at): Named => {
    const name = `live-${at}`;
    if (at < claiming) return { name, ...pinnedTo(cpus - 1 - at) };
    return at < 2 * claiming ? { name, cpus: EXCLUSIVE_CPUS } : { name };
  });
}

export function pinnedTo(cpus: number | string): Wanted {
  return { annotations: { "weka.io/cores-ids": String(cpus) } };
}

export function subjectOf(wanted: Named): Subject {
  const [pod, container] = [podOf(wanted), containerOf(wanted)];
  const { name, namespace } = pod;
  pod.id = digest(`sandbox of ${name}`);
  pod.uid = digest(`uid of ${name}`).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12}).*/, "$1-$2-$3-$4-$5");
  const labels = {
    app: "example",
    "pod-template-hash": "6d4cf56db6",
    "io.kubernetes.pod.name": name,
    "io.kubernetes.pod.namespace": namespace,
    "io.kubernetes.pod.uid": pod.uid,
  };
  pod.$unknown = entries(5, labels);
  container.id = digest(`container of ${name}`);
  container.podSandboxId = pod.id;
  const annotations = {
    "io.kubernetes.cri.container-name": container.name,
    "io.kubernetes.cri.container-type": "container",
    "io.kubernetes.cri.image-name": "registry.example/project/image:v1.2.3",
    "io.kubernetes.cri.sandbox-id": pod.id,
    "io.kubernetes.cri.sandbox-name": name,
    "io.kubernetes.cri.sandbox-namespace": namespace,
    "io.kubernetes.cri.sandbox-uid": pod.uid,
  };
  container.$unknown = [
    ...entries(5, { ...labels, "io.kubernetes.container.name": container.name }),
    ...entries(6, annotations),
    ...UNREAD,
  ];
  return { pod, container };
}

/** Fields of NRI's Container that the agent's own schema leaves out and its decoder skips: some 3 KiB a container. */
const UNREAD = [
  ...fields(7, 4, (at) => string(`--argument-${at}=value`)),
  ...fields(8, 30, (at) => string(`EXAMPLE_SERVICE_${at}_PORT_8080_TCP_ADDR=10.96.14.${at}`)),
  // Mounts are messages; their destination is the first field.
  ...fields(
    9,
    10,
    (at) => message(`/var/lib/kubelet/pods/volumes/example~${at}`.padEnd(140, "-")),
  ),
];

/** Maps, such as labels and a container's annotations, are left out too. */
function entries(no: number, map: Readonly<Record<string, string>>) {
  return Object.entries(map).flatMap((entry) => fields(no, 1, () => message(...entry)));
}

function fields(no: number, count: number, write: (at: number) => BinaryWriter) {
  return Array.from({ length: count }, (_, at) => ({
    no,
    wireType: WireType.LengthDelimited,
    data: write(at).finish(),
  }));
}

function string(text: string): BinaryWriter {
  return new BinaryWriter().string(text);
}

/** A message whose first fields are these texts. */
function message(...texts: readonly string[]): BinaryWriter {
  const writer = new BinaryWriter().fork();
  for (const [at, text] of texts.entries()) writer.tag(at + 1, WireType.LengthDelimited).string(text);
  return writer.join();
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
