/** From decisions to NRI messages. Only the fields that change are set: absent means "as it is". */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { Change } from "../ledger/changes.ts";
import type { Grant } from "../ledger/plan.ts";
import {
  type ContainerAdjustment,
  ContainerAdjustmentSchema,
  type ContainerUpdate,
  ContainerUpdateSchema,
  type LinuxCPUSchema,
} from "./gen/nri_pb.ts";

/** The adjustment of a container that is being created; undefined when nothing needs adjusting. */
export function adjustmentOf(grant: Grant): ContainerAdjustment | undefined {
  if (grant.cpus === undefined && grant.mems === undefined) return undefined;
  const cpu: MessageInitShape<typeof LinuxCPUSchema> = {
    cpus: grant.cpus?.toString() ?? "",
    mems: grant.mems?.toString() ?? "",
  };
  return create(ContainerAdjustmentSchema, { linux: { resources: { cpu } } });
}

/** The updates of other, already created containers, in the order in which they are to be applied. */
export function updatesOf(changes: readonly Change[]): ContainerUpdate[] {
  return changes.map(({ id, cpus }) =>
    create(ContainerUpdateSchema, {
      containerId: id,
      linux: { resources: { cpu: { cpus: cpus.toString() } } },
    })
  );
}
