/** A Debian of its own below a folder, in which packages are installed and removed. As root. */
import { mark } from "../../../src/cgroup/marker.ts";
import { readerOf } from "../../../src/platform/sysfs.ts";
import { type Outcome, outcome, output } from "./tools.ts";

// Loads libc, once for the process.
readerOf("/sys")("devices/system/cpu/online");

/** Stands in for systemd's: says what it was asked, which `systemctl` prints. */
const SYSTEMCTL = '#!/bin/sh\necho "systemctl $*" >>/systemctl.log\n';

export class DebianRoot implements AsyncDisposable {
  private constructor(readonly path: string) {}

  /** `archive` is get-debian-root.sh's. systemd runs there, as far as a package can see. */
  static async unpack(archive: string): Promise<DebianRoot> {
    const root = new DebianRoot(await Deno.makeTempDir({ prefix: "debian-" }));
    await output("tar", ["-xf", archive, "-C", root.path]);
    await root.write("/usr/bin/systemctl", SYSTEMCTL, 0o755);
    await Deno.mkdir(`${root.path}/run/systemd/system`, { recursive: true });
    return root;
  }

  /** Runs a program in it, in namespaces of its own: processes that it may leave behind end with it. */
  async run(...command: string[]): Promise<Outcome> {
    const mounts = 'mount -t proc proc "$0/proc"; mount --rbind /sys "$0/sys"; exec chroot "$0" "$@"';
    const args = ["--mount", "--pid", "--fork", "--kill-child", "sh", "-ec", mounts, this.path, ...command];
    const env = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C", DEBIAN_FRONTEND: "noninteractive" };
    return await outcome("unshare", args, { clearEnv: true, env });
  }

  /** What systemd was asked since the last time. */
  async askedSystemd(): Promise<string[]> {
    const log = `${this.path}/systemctl.log`;
    const lines = await Deno.readTextFile(log).catch(() => "");
    await Deno.writeTextFile(log, "");
    return lines.split("\n").filter((line) => line !== "").map((line) => line.replace("systemctl ", ""));
  }

  async write(path: string, text: string, mode = 0o644): Promise<void> {
    await Deno.mkdir(`${this.path}${path}`.replace(/\/[^/]*$/, ""), { recursive: true });
    await Deno.writeTextFile(this.path + path, text);
    await Deno.chmod(this.path + path, mode);
  }

  read(path: string): Promise<string> {
    return Deno.readTextFile(this.path + path);
  }

  async has(path: string): Promise<boolean> {
    return await Deno.lstat(this.path + path).then(() => true, () => false);
  }

  /** Files that look like cgroup v2 below /cg, with the Burstable class kept off CPU 0 by an agent; the configuration of that. */
  async fencedTree(): Promise<string> {
    for (const group of ["/cg", "/cg/kubepods", "/cg/kubepods/burstable"]) {
      await this.write(`${group}/cgroup.controllers`, "cpuset cpu\n");
      await this.write(`${group}/cpuset.cpus`, "\n");
      await this.write(`${group}/cpuset.cpus.effective`, "0-1\n");
    }
    await this.write("/cg/kubepods/burstable/cpuset.cpus", "1\n");
    mark(`${this.path}/cg/kubepods/burstable`);
    return 'cgroupRoot: /cg\nsystemBus: ""\n';
  }

  /** Every path in it, but for what the package managers note down themselves. */
  async paths(): Promise<string[]> {
    const args = [
      this.path,
      "-xdev",
      "-not",
      "-path",
      "*/var/lib/*",
      "-not",
      "-path",
      "*/var/log/*",
      "-printf",
      "%P\n",
    ];
    return (await output("find", args)).split("\n").sort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await output("rm", ["-rf", this.path]);
  }
}
