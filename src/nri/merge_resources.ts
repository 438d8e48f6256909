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
import { figuresOf, sharesOfLimit } from "./whole_cpus.ts";

/**
 * The container as it will be, if the request's quota sets how many CPUs it may use; else undefined.
 *
 * Shares alone aren't a resize, and no quota isn't one: kubelet itself sends 2 shares and a quota of 0 where it has lost
 * what it had sent before ("Missing actuated resource record"), and the true figures a moment later; others send
 * shares alone. A quota of −1 takes the limit away (CFS quota is off): then the shares beside it say how many.
 */
export function resized(container: Container, update: LinuxResources | undefined): Container | undefined {
  const given = figuresOf(update?.cpu);
  if (given.quota === 0n || (given.quota < 0n && given.shares === 0n)) return undefined;
  const merged = mergeResources(container, update);
  const { quota, period } = figuresOf(merged.linux?.resources?.cpu);
  return quota > 0n && period === 0n ? undefined : merged;
}

/**
 * The container with the request that belongs to its limit. A pod stays Guaranteed as long as it lives, so a container
 * that has been exclusive requests what its quota allows, whatever shares it was sent since.
 */
export function withRequestOfLimit(container: Container): Container {
  const shares = sharesOfLimit(figuresOf(container.linux?.resources?.cpu));
  return shares === undefined
    ? container
    : mergeResources(container, create(LinuxResourcesSchema, { cpu: { shares: { value: shares } } }));
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
