import assert from "node:assert/strict";
import { numbers } from "../../node/machine.ts";
import type { Driver } from "./kubelet.ts";

const ROOT = "/sys/fs/cgroup";
const CLASSES = ["burstable", "besteffort"];

/** The cgroups of a QoS class each, as kubelet makes them: all pods of that class are below. */
export class Classes {
  readonly directories: readonly string[];

  constructor(driver: Driver) {
    this.directories = CLASSES.map((name) =>
      driver === "systemd" ? `${ROOT}/kubepods.slice/kubepods-${name}.slice` : `${ROOT}/kubepods/${name}`
    );
  }

  /** Every cgroup of a class, and below, that has a cpuset. */
  get all(): string[] {
    return this.directories.flatMap(withBelow);
  }

  /** Their cpusets as they are: what was written, what is in force, and what systemd has for those that are its units. */
  get state(): string {
    const states = this.directories.map((path, index) => {
      const unit = path.endsWith(".slice") ? `/${allowed(path.slice(path.lastIndexOf("/") + 1))}` : "";
      return `${CLASSES[index]} ${written(path)}/${read(path)}${unit}`;
    });
    return states.join(", ");
  }

  /** In both classes exactly `cpus` are in force. */
  assertHave(cpus: readonly number[]): void {
    for (const path of this.directories) {
      assert.deepEqual(numbers(read(path)), cpus, `cpuset.cpus.effective of ${path}`);
    }
  }
}

function withBelow(path: string): string[] {
  const below = [...Deno.readDirSync(path)].filter(({ isDirectory }) => isDirectory);
  return [path, ...below.flatMap(({ name }) => withBelow(`${path}/${name}`))];
}

function read(path: string, file = "cpuset.cpus.effective"): string {
  return Deno.readTextFileSync(`${path}/${file}`).trim();
}

/** The unit's AllowedCPUs; systemd writes their ranges with spaces between them. */
function allowed(unit: string): string {
  const args = ["show", "--value", "--property=AllowedCPUs", unit];
  const { stdout } = new Deno.Command("systemctl", { args }).outputSync();
  return new TextDecoder().decode(stdout).trim().replaceAll(" ", ",") || "unset";
}

function written(path: string): string {
  return read(path, "cpuset.cpus") || "empty";
}
