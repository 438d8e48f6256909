/** What an UpdateContainer changes of a container: kubelet's in-place resize, its managers and CRI clients send it. */
import { create } from "@bufbuild/protobuf";
import {
  type Container,
  LinuxContainerSchema,
  type LinuxCPU,
  LinuxCPUSchema,
  type LinuxResources,
  LinuxResourcesSchema,
} from "./gen/nri_pb.ts";
import { figuresOf } from "./whole_cpus.ts";

/** The container as it will be, if that changes a figure by which its claim is decided; else undefined. */
export function resized(container: Container, update: LinuxResources | undefined): Container | undefined {
  const merged = mergeResources(container, update);
  const before = figuresOf(container.linux?.resources?.cpu);
  const after = figuresOf(merged.linux?.resources?.cpu);
  const same = before.shares === after.shares && before.quota === after.quota &&
    before.period === after.period;
  return same ? undefined : merged;
}

/**
 * The container with the shares, the quota and the period of `update`. One that is 0 or absent stays as it is, as
 * the runtime sees it too; a quota of −1 is given, and takes the limit away.
 */
export function mergeResources(container: Container, update: LinuxResources | undefined): Container {
  const given = givenOf(update?.cpu);
  if (Object.keys(given).length === 0) return container;
  const linux = container.linux ?? create(LinuxContainerSchema);
  const resources = linux.resources ?? create(LinuxResourcesSchema);
  const cpu = { ...(resources.cpu ?? create(LinuxCPUSchema)), ...given };
  return { ...container, linux: { ...linux, resources: { ...resources, cpu } } };
}

function givenOf(cpu: LinuxCPU | undefined): Pick<LinuxCPU, "shares" | "quota" | "period"> {
  const { shares, quota, period } = figuresOf(cpu);
  return {
    ...(shares === 0n ? {} : { shares: cpu?.shares }),
    ...(quota === 0n ? {} : { quota: cpu?.quota }),
    ...(period === 0n ? {} : { period: cpu?.period }),
  };
}
