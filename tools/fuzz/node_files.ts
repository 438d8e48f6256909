/** The files of other programs that `preflight` reads, and what its checks say of them. */
import { DEFAULTS } from "../../src/config/schema.ts";
import { readContainerdConfig } from "../../src/preflight/containerd_config.ts";
import { bannedIn } from "../../src/preflight/host_daemons.ts";
import { readSettings } from "../../src/preflight/kubelet.ts";
import { findingsOf, type NodeFacts } from "../../src/preflight/preflight.ts";
import { madeMachine } from "../../src/plan/made_machine.ts";
import { textLike } from "./nasty.ts";
import { requireSentence, type Target } from "./target.ts";

const VALID = [
  'version = 2\nimports = ["/etc/containerd/conf.d/*.toml"]\n[plugins."io.containerd.nri.v1.nri"]\ndisable = false\n' +
  'plugin_request_timeout = "1m2s"\n[plugins."io.containerd.nri.v1.nri".default_validator]\nenable = true\nrequired_plugins = ["a"]',
  "cpuManagerPolicy: static\nreservedSystemCPUs: 0-1\nkubeReserved: {cpu: 500m}\nsystemReserved: {cpu: 1}\ntopologyManagerPolicy: none",
  'IRQBALANCE_BANNED_CPULIST="1-7"\nIRQBALANCE_BANNED_CPUS=ff,00000001\n',
];

const UNKNOWN = { kind: "unknown", reason: "not read" } as const;
const MOST = 2000;

/** A node of which every file has this text. */
function factsFrom(text: string, replaces: boolean): NodeFacts {
  const files = { text: () => ({ kind: "text", text }) as const, names: () => ["a.toml", "b.conf"] };
  const topology = madeMachine("1s1n4c2t");
  const banned = bannedIn(text);
  return {
    config: DEFAULTS,
    runtime: {
      ...UNKNOWN,
      kind: "known",
      socket: "/c",
      name: "containerd",
      version: replaces ? "1.7.24" : "2.2.0",
    },
    nri: {
      socket: "/nri",
      unreachable: "not asked",
      config: readContainerdConfig(files, "/etc/containerd/config.toml", replaces),
      folder: { path: "/opt/nri/plugins", own: [], unexecutable: [], others: [] },
    },
    kubelet: {
      cpuManager: UNKNOWN,
      settings: readSettings(
        files,
        { pid: 1, words: ["--config-dir=/d", `--kube-reserved=${text}`] },
        "/k.yaml",
      ),
    },
    cgroups: UNKNOWN,
    machine: typeof topology === "string"
      ? UNKNOWN
      : { kind: "known", topology, warnings: [], online: topology.online },
    host: { kernel: text, irqbalance: { file: "/f", ...(banned === undefined ? {} : { banned }) } },
    glibc: undefined,
  };
}

export const nodeFiles: Target<string> = {
  name: "preflight",
  share: 20,
  draw: (random) => textLike(random, VALID),
  check(text) {
    for (const replaces of [true, false]) {
      for (const finding of findingsOf(factsFrom(text, replaces))) {
        requireSentence(finding.found, MOST);
        if (finding.result !== "pass") requireSentence(finding.mend, MOST);
      }
    }
  },
};
