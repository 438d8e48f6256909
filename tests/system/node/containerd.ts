import assert from "node:assert/strict";
import { connectCri, type Cri, type Images } from "./cri.ts";
import { eventually } from "./eventually.ts";
import { type Install, unpacked } from "./requirements.ts";
import { signalIfAlive } from "../../kit/spawn.ts";

/** The image of every test container and of the pause containers, from `hack/test-image.sh`. */
export const IMAGE = "localhost/weka-cpuset-test:1";

/** A running containerd that keeps all it has in one directory: configuration, sockets, log, images, containers. */
export interface Containerd {
  readonly cri: Cri & Images;
  /** Kills it with SIGKILL; shims and containers live on. */
  kill(): Promise<void>;
}

/** The sockets of the containerd in `dir`. Names are short: the path of a unix socket ends at 107 bytes. */
export const sockets = (dir: string) => ({ cri: `${dir}/c.sock`, nri: `${dir}/nri.sock` });

// The log goes straight into a file: shims inherit it and outlive containerd, so a pipe would not end with it.
const START = 'exec "$0" --config "$1/config.toml" >>"$1/containerd.log" 2>&1';

/**
 * The same with the agent's default places replaced by folders of the node's own, in a mount namespace of its own: an
 * agent without a usable configuration must not touch those of this machine.
 */
const START_APART = `set -e
for place in /run/weka-cpuset /run/containerd /var/log; do
  mkdir -p "$1/default$place" "$place"
  mount --bind "$1/default$place" "$place"
done
ln -sf "$1/c.sock" /run/containerd/containerd.sock
${START}`;

/** How to start a containerd. */
export interface StartOptions {
  /** What it starts finds the default places of the agent empty; what it leaves there is in `default/` of `dir`. */
  readonly apart?: boolean;
  /** The program that stands in for runc. */
  readonly runc?: string;
  /** Runtimes besides the default one: the programs that stand in for runc, by the name that a RuntimeClass has for each. */
  readonly handlers?: Readonly<Record<string, string>>;
  /** Lines to add to what its configuration says of NRI. */
  readonly nri?: string;
  /** What is to become of its configuration. */
  readonly change?: (configuration: string) => string;
  /** Cgroups are made by systemd, as slices and scopes. Nothing sweeps them: for a machine that ends with its tests. */
  readonly systemd?: boolean;
}

/** Starts a containerd in `dir`, for the first time or again, and waits until its CRI is ready for pods. */
export async function startContainerd(
  install: Install,
  dir: string,
  options: StartOptions = {},
): Promise<Containerd> {
  configure(dir, options);
  const { apart = false } = options;
  const [program, ...words] = apart ? ["unshare", "--mount", "sh", "-c", START_APART] : ["sh", "-c", START];
  const child = new Deno.Command(program, {
    args: [...words, `${install.bin}/containerd`, dir],
    env: { PATH: `${install.bin}:${Deno.env.get("PATH") ?? "/usr/sbin:/usr/bin:/sbin:/bin"}` },
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  const cri = connectCri(sockets(dir).cri);
  const kill = async () => {
    cri[Symbol.dispose]();
    signalIfAlive(child, "SIGKILL");
    await child.status;
  };
  try {
    await eventually(() => ready(cri));
    await importImage(install, dir);
    await eventually(async () => assert(await cri.hasImage(IMAGE), `the CRI doesn't list ${IMAGE}`));
  } catch (error) {
    await kill();
    throw new Error(`containerd ${install.version} did not start`, { cause: error });
  }
  return { cri, kill };
}

async function ready(cri: Cri): Promise<void> {
  const { status } = await cri.status({});
  // The two conditions that the CRI knows; containerd has some more, about what is deprecated.
  const missing = (status?.conditions ?? []).filter((condition) =>
    /^(Runtime|Network)Ready$/.test(condition.type) && !condition.status
  );
  if (missing.length > 0) {
    throw new Error(missing.map(({ type, message }) => `${type}: ${message}`).join("; "));
  }
}

async function importImage(install: Install, dir: string): Promise<void> {
  const args = [
    "--address",
    sockets(dir).cri,
    "--namespace",
    "k8s.io",
    "images",
    "import",
    `${unpacked}/image.tar`,
  ];
  const { success, stderr } = await new Deno.Command(`${install.bin}/ctr`, { args }).output();
  if (!success) throw new Error(`can't import the test image: ${new TextDecoder().decode(stderr)}`);
}

function configure(dir: string, options: StartOptions): void {
  for (const folder of ["cni", "nri/plugins", "nri/conf.d"]) {
    Deno.mkdirSync(`${dir}/${folder}`, { recursive: true });
  }
  // Never run, as the pods use the host's network; but without it the CRI reports that the network isn't ready.
  const network = { cniVersion: "0.4.0", name: "none", plugins: [{ type: "loopback" }] };
  Deno.writeTextFileSync(`${dir}/cni/10-none.conflist`, JSON.stringify(network));
  const { change = (text) => text } = options;
  Deno.writeTextFileSync(`${dir}/config.toml`, change(configuration(dir, options)));
}

/**
 * In version 2 of the format, which 1.7 speaks and 2.x migrates. The native snapshotter copies the 2 MB image instead
 * of mounting overlays, so that it works in a container too. Lowering an OOM score needs CAP_SYS_RESOURCE, which isn't
 * there everywhere, and without it runc fails.
 */
function configuration(dir: string, options: StartOptions): string {
  const { runc = `${unpacked}/bin/runc`, handlers = {}, nri: more = "", systemd = false } = options;
  const { cri, nri } = sockets(dir);
  const runtimes = Object.entries({ runc, ...handlers }).map(([name, program]) => `
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.${name}]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.${name}.options]
        BinaryName = "${program}"
        Root = "${dir}/runc"
        SystemdCgroup = ${systemd}`);
  return `
version = 2
root = "${dir}/root"
state = "${dir}/run"
[grpc]
  address = "${cri}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${IMAGE}"
  disable_apparmor = true
  restrict_oom_score_adj = true
  disable_hugetlb_controller = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "${dir}/cni"
    conf_dir = "${dir}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "native"
    default_runtime_name = "runc"${runtimes.join("")}
[plugins."io.containerd.internal.v1.opt"]
  path = "${dir}/opt"
[plugins."io.containerd.nri.v1.nri"]
  disable = false
  disable_connections = false
  socket_path = "${nri}"
  plugin_path = "${dir}/nri/plugins"
  plugin_config_path = "${dir}/nri/conf.d"
${more}`;
}
