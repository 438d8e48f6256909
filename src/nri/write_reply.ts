/** From decisions to the bytes of NRI's replies. Only the fields that change are set: absent means "as it is". */
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import type { CpuSet } from "../cpu/cpu_set.ts";
import type { CpuUpdate } from "../ledger/updates.ts";
import type { Adjustment } from "../ledger/plan.ts";
import {
  ContainerUpdateSchema,
  CreateContainerResponseSchema,
  LinuxContainerUpdateSchema,
  type LinuxCPUSchema,
  StopContainerResponseSchema,
  SynchronizeResponseSchema,
  UpdateContainerResponseSchema,
} from "./gen/nri_pb.ts";

/** With a CFS quota, in microseconds; −1: none. Absent: what it has stays. */
type WithQuota<T> = T & { readonly quota?: number | undefined };

type Updates = readonly WithQuota<CpuUpdate>[];

/** The adjustment of a container that is being created, where something needs adjusting, and updates of others. */
export function createReply(
  { cpus, mems, quota }: WithQuota<Adjustment>,
  updates: Updates,
): Uint8Array {
  const cpu: MessageInitShape<typeof LinuxCPUSchema> = {
    cpus: cpus?.toString() ?? "",
    mems: mems?.toString() ?? "",
    ...quotaField(quota),
  };
  const adjust = cpus === undefined && mems === undefined && quota === undefined
    ? {}
    : { adjust: { linux: { resources: { cpu } } } };
  const response = create(CreateContainerResponseSchema, adjust);
  return withUpdates(
    toBinary(CreateContainerResponseSchema, response),
    CreateContainerResponseSchema.field.update.number,
    updates,
  );
}

export function updateReply(updates: Updates): Uint8Array {
  return withUpdates(new Uint8Array(), UpdateContainerResponseSchema.field.update.number, updates);
}

export function stopReply(updates: Updates): Uint8Array {
  return withUpdates(new Uint8Array(), StopContainerResponseSchema.field.update.number, updates);
}

export function synchronizeReply(updates: Updates, more = false): Uint8Array {
  const response = toBinary(SynchronizeResponseSchema, create(SynchronizeResponseSchema, { more }));
  return withUpdates(response, SynchronizeResponseSchema.field.update.number, updates);
}

/**
 * A message with repeated ContainerUpdates in `field`, in the order in which they are to be applied. Written field by
 * field: hundreds of containers may follow the shared pool in one reply, and most of them get the same set, which is
 * then encoded once.
 */
function withUpdates(message: Uint8Array, field: number, updates: Updates): Uint8Array {
  if (updates.length === 0) return message;
  const { containerId, linux } = ContainerUpdateSchema.field;
  const encoded = new Map<CpuSet, Uint8Array>();
  const writer = new BinaryWriter().raw(message);
  for (const { id, cpus, quota } of updates) {
    let set = quota === undefined ? encoded.get(cpus) : linuxOf(cpus, quota);
    if (set === undefined) encoded.set(cpus, set = linuxOf(cpus));
    writer.tag(field, WireType.LengthDelimited).fork()
      .tag(containerId.number, WireType.LengthDelimited).string(id)
      .tag(linux.number, WireType.LengthDelimited).bytes(set)
      .join();
  }
  return writer.finish();
}

function quotaField(quota: number | undefined): MessageInitShape<typeof LinuxCPUSchema> {
  return quota === undefined ? {} : { quota: { value: BigInt(quota) } };
}

function linuxOf(cpus: CpuSet, quota?: number): Uint8Array {
  const linux = { resources: { cpu: { cpus: cpus.toString(), ...quotaField(quota) } } };
  return toBinary(LinuxContainerUpdateSchema, create(LinuxContainerUpdateSchema, linux));
}
