/** Values that people give the chart, each set for a purpose of its own; all of them together set every value. */

const HTTP = "0.0.0.0:9753";

export const VALUE_SETS: Readonly<Record<string, unknown>> = {
  "as it is": {},
  "k3s": { hostPaths: { cri: "/run/k3s/containerd" } },
  "kind": { image: { pullPolicy: "Never" }, systemBus: true },
  "the plugin on each node too": { hostPlugin: { enabled: true } },
  "an image by digest from a private registry": {
    image: {
      repository: "registry.example:5000/team/weka-cpuset",
      digest: `sha256:${"0123456789abcdef".repeat(4)}`,
    },
    imagePullSecrets: [{ name: "registry" }],
  },
  "an image by tag": {
    image: { repository: "registry.example/weka-cpuset", tag: "1.2.3_4", pullPolicy: "Always" },
  },
  "metrics for Prometheus": {
    config: { http: HTTP },
    podMonitor: { enabled: true, labels: { release: "prometheus" } },
  },
  "all of monitoring": {
    config: { http: "[::]:9753" },
    serviceMonitor: { enabled: true, interval: "1m30s", labels: { release: "prometheus" } },
    prometheusRule: { enabled: true, labels: { release: "prometheus" } },
    grafanaDashboard: { enabled: true, annotations: { grafana_folder: "Nodes" } },
  },
  "the page on loopback": { config: { http: "127.0.0.1:9753" } },
  "the configuration as YAML has it, on and off without quotes": `config:
  fence: on
  hostFence: off
  exclusiveQuota: off
  pinnedMems: off
  systemReserved: 0
  pluginIndex: "05"
  placement: full-cores
  reservedNamespaces: [kube-system, storage]
  pinnedNamespaces: ["*"]
  growDelayMs: 60000
  log: { level: debug, format: json, file: "", maxSizeMiB: 1, keep: 0 }
`,
  "everything elsewhere": {
    config: {
      socket: "/run/other/nri.sock",
      criSockets: ["/run/other-cri/c.sock"],
      kubeletRoot: "/data/kubelet",
      cgroupRoot: "/cgroup",
      sysfsRoot: "/sysfs",
      runDir: "/run/cpuset",
      systemBus: "/run/bus/socket",
    },
    hostPaths: {
      nri: "/var/run/nri2",
      cri: "/run/k0s",
      podResources: "/var/lib/k0s/kubelet/pod-resources",
      cgroup: "/sys/fs/cgroup/unified",
      run: "/run/weka",
      dbus: "/var/run/dbus",
    },
    systemBus: true,
  },
  "one pool of nodes, by another name": {
    fullnameOverride: "cpuset-storage",
    nodeSelector: { pool: "storage" },
    tolerations: [{ key: "storage", operator: "Exists", effect: "NoSchedule" }],
    affinity: {
      nodeAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: {
          nodeSelectorTerms: [{ matchExpressions: [{ key: "gpu", operator: "DoesNotExist" }] }],
        },
      },
    },
    priorityClassName: "system-cluster-critical",
    config: { systemReserved: "0-1,32-33", strictReserved: true },
  },
  "a log file on the host": {
    config: { log: { file: "/var/log/weka-cpuset/agent.log" } },
    extraVolumes: [{ name: "log", hostPath: { path: "/var/log/weka-cpuset", type: "DirectoryOrCreate" } }],
    extraVolumeMounts: [{ name: "log", mountPath: "/var/log/weka-cpuset" }],
    extraEnv: [{ name: "WEKA_CPUSET_LOG_LEVEL", value: "debug" }],
    podLabels: { team: "storage" },
    podAnnotations: { "example.com/reviewed": "yes" },
  },
  "one node after the other, by hand": {
    nameOverride: "cpuset",
    updateStrategy: { type: "OnDelete", rollingUpdate: null },
    minReadySeconds: 0,
    resources: { requests: { cpu: "250m", memory: "128Mi" }, limits: { memory: "512Mi" } },
  },
  "SELinux, and the host's processes": { seLinuxOptions: { type: "spc_t" }, hostPID: true },
  "the nodes are given back": { releaseNodes: true, systemBus: true, seLinuxOptions: { type: "spc_t" } },
};
