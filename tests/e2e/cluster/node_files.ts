/** The configuration files of a node's programs. */
import { hereMs } from "../../system/node/slowness.ts";
import { CONTROL, IMAGE, nodeCgroup, PORT } from "./places.ts";

/** Of the first node; the next has the next. */
const KUBELET_PORT = PORT + 10;
/** Of all programs of the node, below which pods are evicted: this machine's disk is also others'. */
const EVICTION = {
  "memory.available": "100Mi",
  "nodefs.available": "1%",
  "nodefs.inodesFree": "1%",
  "imagefs.available": "1%",
  "imagefs.inodesFree": "1%",
};

/** Of the node with this index. */
export function kubeletConfiguration(name: string, index: number) {
  return {
    apiVersion: "kubelet.config.k8s.io/v1beta1",
    kind: "KubeletConfiguration",
    address: "127.0.0.1",
    port: KUBELET_PORT + index,
    healthzPort: 0,
    // On loopback, and enough for "kubectl logs".
    authentication: { anonymous: { enabled: true }, webhook: { enabled: false } },
    authorization: { mode: "AlwaysAllow" },
    containerRuntimeEndpoint: "unix:///run/containerd/containerd.sock",
    staticPodPath: "/etc/kubernetes/manifests",
    cgroupDriver: "cgroupfs",
    cgroupRoot: nodeCgroup(name),
    failCgroupV1: false,
    failSwapOn: false,
    oomScoreAdj: 0,
    maxPods: 250,
    // In the root of a boot image there is no size to be had.
    localStorageCapacityIsolation: false,
    runtimeRequestTimeout: "4m",
    kubeAPIQPS: 500,
    kubeAPIBurst: 1000,
    registryPullQPS: 0,
    eventRecordQPS: 0,
    makeIPTablesUtilChains: false,
    imageGCHighThresholdPercent: 100,
    evictionHard: EVICTION,
    clusterDNS: [],
    resolvConf: "",
  };
}

/**
 * In version 2 of the format, which 1.7 speaks and 2.x migrates. The native snapshotter copies the image instead of
 * mounting overlays, so that it works in a container too. Lowering an OOM score needs CAP_SYS_RESOURCE, which isn't
 * there everywhere, and without it runc fails. Annotations of the agent reach the runtime's files, where the tests read
 * what a container asked for.
 */
export function containerdToml(runc: string): string {
  return `
version = 2
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${IMAGE}"
  disable_apparmor = true
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "native"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      pod_annotations = ["weka.io/*", "*.weka.io/*"]
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        BinaryName = "${runc}"
        SystemdCgroup = false
[plugins."io.containerd.nri.v1.nri"]
  disable = false
  disable_connections = false
  plugin_registration_timeout = "${hereMs(5000)}ms"
  plugin_request_timeout = "${hereMs(2000)}ms"
`;
}

/** The flags and files that this machine's kubelet shares with all, and that it changes for the whole machine. */
export const SYSCTLS = [
  "vm.overcommit_memory",
  "vm.panic_on_oom",
  "kernel.panic",
  "kernel.panic_on_oops",
  "kernel.keys.root_maxkeys",
  "kernel.keys.root_maxbytes",
];

export const SAVED_SYSCTLS = `${CONTROL}/sysctls`;
