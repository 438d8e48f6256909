// A node for the role: a mount namespace of this machine in which /etc is a copy, /opt has no NRI plugins, /run is
// empty and noexec as Debian's initramfs makes it, and the rest is read-only. Ansible runs in it against localhost; its changes end with the namespace.
import { existsSync } from "node:fs";

/** The checkout; hack/get-ansible.sh and hack/get-containerd.sh fetch into its `.tools`. */
export const repository = new URL("../../..", import.meta.url).pathname.replace(/\/$/, "");
export const packages = `${repository}/.tools/ansible/packages`;

/**
 * A containerd that `hack/get-containerd.sh` unpacked, by the name of its suite; `go`: that of
 * `hack/get-containerd-go.sh`, 2.4.
 */
export type Suite = "trixie" | "sid" | "go";

/** The result of a play. */
export interface Play {
  readonly ok: boolean;
  /** Tasks that changed something, or would have. */
  readonly changed: number;
  readonly output: string;
}

const MAIN = "/etc/containerd/config.toml";

/** Replaces the environment, so that settings of the machine or the user have no effect. */
const ENVIRONMENT = {
  HOME: "/opt/home",
  TMPDIR: "/opt/home",
  LC_ALL: "C.UTF-8",
  PATH: Deno.env.get("PATH") ?? "/usr/sbin:/usr/bin:/sbin:/bin",
  PYTHONPATH: packages,
  ANSIBLE_NOCOLOR: "1",
  ANSIBLE_PIPELINING: "1",
  ANSIBLE_REMOTE_TMP: "/opt/home/remote",
  ANSIBLE_CONFIG: "/opt/home/ansible.cfg",
};

const MAKE = `
set -e
mount -t tmpfs tmpfs "$1"
mkdir "$1/etc" "$1/opt"
cp -a /etc/. "$1/etc"
rm -rf "$1"/etc/containerd "$1"/etc/nri "$1"/etc/weka-cpuset
for entry in /opt/*; do
  case $entry in /opt/nri | "/opt/*") continue ;; esac
  if [ -d "$entry" ]; then mkdir "$1$entry" && mount --rbind "$entry" "$1$entry"; fi
done
mount -o remount,bind,ro /
mount --rbind "$1/etc" /etc
mount --rbind "$1/opt" /opt
mount -t tmpfs -o noexec tmpfs /run
mkdir /opt/home
: >/opt/home/ansible.cfg
echo made
exec cat
`;

/** The namespace with what a test did in it, until it is disposed of. */
export class Node implements AsyncDisposable {
  private constructor(
    readonly suite: Suite,
    private readonly place: string,
    private readonly holder: Deno.ChildProcess,
  ) {}

  static async make(suite: Suite): Promise<Node> {
    const place = Deno.makeTempDirSync({ prefix: "weka-cpuset-ansible-" });
    const args = ["--mount", "--propagation", "private", "bash", "-c", MAKE, "bash", place];
    const holder = new Deno.Command("unshare", { args, stdin: "piped", stdout: "piped" }).spawn();
    const reader = holder.stdout.getReader();
    const { value } = await reader.read();
    await reader.cancel();
    if (value === undefined) throw new Error("the mount namespace could not be made");
    return new Node(suite, place, holder);
  }

  get containerd(): string {
    return `${repository}/.tools/node/containerd-${this.suite}/containerd`;
  }

  /** Runs `deploy/ansible/PLAYBOOK.yml` on it, with `variables`. */
  async play(
    playbook: "install" | "uninstall",
    variables: Readonly<Record<string, unknown>> = {},
    ...flags: string[]
  ): Promise<Play> {
    const all = {
      weka_cpuset_containerd: this.containerd,
      ansible_become: false,
      ansible_python_interpreter: "{{ ansible_playbook_python }}",
      ...variables,
    };
    const args = [
      "-m",
      "ansible",
      "playbook",
      "--inventory",
      "localhost,",
      "--connection",
      "local",
      "--diff",
    ];
    args.push("--extra-vars", JSON.stringify(all), ...flags, `${repository}/deploy/ansible/${playbook}.yml`);
    const { success, output } = await this.#run("python3", args);
    const changed = /changed=(\d+)/.exec(output)?.[1];
    return { ok: success, changed: Number(changed ?? NaN), output };
  }

  /** The NRI table of containerd's settings, as the node's containerd prints them. */
  async nri(): Promise<string> {
    const { success, output } = await this.#run(this.containerd, ["--config", MAIN, "config", "dump"]);
    if (!success) throw new Error(output);
    return /\.nri\.v1\.nri['"]\]\n(.*?)\n\n/s.exec(output)?.[1]?.replaceAll("'", '"') ?? "";
  }

  /** Starts the node's containerd with its configuration; disposing ends it, and with it what it has started. */
  startContainerd(): AsyncDisposable {
    Deno.mkdirSync(this.path("/opt/containerd"), { recursive: true });
    const child = this.#command(this.containerd, ["--config", MAIN], { stdout: "null", stderr: "null" })
      .spawn();
    return {
      [Symbol.asyncDispose]: async () => {
        child.kill("SIGTERM");
        await child.status;
      },
    };
  }

  read(path: string): string {
    return Deno.readTextFileSync(this.path(path));
  }

  /** The file that the role adds to containerd's configuration. */
  dropIn(): string {
    return this.read("/etc/containerd/conf.d/99-weka-cpuset.toml");
  }

  /** Makes the directories to it as well. */
  write(path: string, text: string): void {
    Deno.mkdirSync(this.path(path.slice(0, path.lastIndexOf("/"))), { recursive: true });
    Deno.writeTextFileSync(this.path(path), text);
  }

  /** All files below the folders, with their contents. */
  files(...folders: string[]): Record<string, string> {
    return Object.fromEntries(
      folders.flatMap((folder) => this.#below(folder)).sort().map((path) => [path, this.read(path)]),
    );
  }

  /** Where this process finds a file of the node. */
  path(path: string): string {
    return `/proc/${this.holder.pid}/root${path}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.holder.stdin.close();
    await this.holder.status;
    Deno.removeSync(this.place);
  }

  #below(folder: string): string[] {
    if (!existsSync(this.path(folder))) return [];
    return [...Deno.readDirSync(this.path(folder))].flatMap(({ name, isDirectory }) =>
      isDirectory ? this.#below(`${folder}/${name}`) : [`${folder}/${name}`]
    );
  }

  async #run(program: string, args: readonly string[]): Promise<{ success: boolean; output: string }> {
    const { success, stdout, stderr } = await this.#command(program, args, {}).output();
    const decoder = new TextDecoder();
    return { success, output: decoder.decode(stdout) + decoder.decode(stderr) };
  }

  #command(program: string, args: readonly string[], streams: Deno.CommandOptions): Deno.Command {
    return new Deno.Command("nsenter", {
      ...streams,
      args: [`--mount=/proc/${this.holder.pid}/ns/mnt`, "--wd=/", program, ...args],
      env: ENVIRONMENT,
      clearEnv: true,
      stdin: "null",
    });
  }
}
