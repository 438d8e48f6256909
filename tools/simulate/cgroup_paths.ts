/**
 * Where kubelet and the runtime put their cgroups, by driver: names are paths, or slices that spell out what they are in.
 * See kubelet's pkg/kubelet/cm, and systemd.slice(5).
 */
import type { Qos } from "./pods.ts";

export type Driver = "cgroupfs" | "systemd";

const CLASSES = ["burstable", "besteffort"] as const;

/** The cgroup of a QoS class: Guaranteed pods are right below kubepods. */
export function classPath(driver: Driver, qos: Qos): string {
  const names = namesOf(qos);
  return driver === "systemd" ? slices(names) : `/${names.join("/")}`;
}

/** Those that have a cgroup of their own. */
export function classPaths(driver: Driver): string[] {
  return CLASSES.map((qos) => classPath(driver, qos));
}

/** A pod's cgroup, as the runtime reports it. */
export function podPath(driver: Driver, qos: Qos, number: number): string {
  return driver === "systemd"
    ? slices([...namesOf(qos), `pod${number}`])
    : `${classPath(driver, qos)}/pod${number}`;
}

/** A container's cgroup in its record, in the driver's notation. */
export function containerPath(driver: Driver, qos: Qos, number: number, id: string): string {
  return driver === "systemd"
    ? `${[...namesOf(qos), `pod${number}`].join("-")}.slice:cri-containerd:${id}`
    : `${podPath(driver, qos, number)}/${id}`;
}

function namesOf(qos: Qos): string[] {
  return qos === "guaranteed" ? ["kubepods"] : ["kubepods", qos];
}

function slices(names: readonly string[]): string {
  return names.map((_, at) => `/${names.slice(0, at + 1).join("-")}.slice`).join("");
}
