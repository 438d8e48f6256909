/** A claim as a part of the document, and back. */
import { CpuSet } from "../cpu/cpu_set.ts";
import type { Claim } from "../ledger/claim.ts";
import type { RequestDocument } from "./document.ts";

/** @param pinsItself it was seen to pin its own threads, and so isn't moved unless its pod allows it */
export function requestOf(claim: Claim, pinsItself: boolean): RequestDocument {
  switch (claim.kind) {
    case "pinned":
      return { cpus: `${claim.cpus}` };
    case "exclusive": {
      const { count, placement, forbidden, movable, podLimit, ofPod } = claim;
      return {
        count,
        placement,
        ...forbiddenIn(forbidden),
        ...(movable === undefined && !pinsItself ? {} : { movable: movable ?? false }),
        ...(podLimit === undefined ? {} : { podLimit }),
        ...(ofPod ? { ofPod } : {}),
      };
    }
    case "shared":
      return {
        ...forbiddenIn(claim.forbidden),
        ...(claim.ofPod ? { ofPod: true } : {}),
        ...(claim.system ? { system: true } : {}),
      };
  }
}

function forbiddenIn(cpus: CpuSet): { readonly forbidden?: string } {
  return cpus.isEmpty ? {} : { forbidden: `${cpus}` };
}

/** The claim of a container of that kind; undefined where the request is none of such a one. */
export function claimOf(kind: Claim["kind"], request: RequestDocument): Claim | undefined {
  const forbidden = CpuSet.parse(request.forbidden ?? "");
  if (!(forbidden instanceof CpuSet)) return undefined;
  const { count, placement, movable, podLimit } = request;
  const ofPod = request.ofPod ? { ofPod: true } as const : {};
  switch (kind) {
    case "pinned": {
      const cpus = CpuSet.parse(request.cpus ?? "");
      return cpus instanceof CpuSet && !cpus.isEmpty ? { kind, cpus } : undefined;
    }
    case "exclusive":
      if (count === undefined || !Number.isInteger(count) || count < 1 || placement === undefined) {
        return undefined;
      }
      return {
        kind,
        count,
        placement,
        forbidden,
        ...(movable === undefined ? {} : { movable }),
        ...(podLimit === undefined ? {} : { podLimit }),
        ...ofPod,
      };
    case "shared":
      return { kind, forbidden, ...ofPod, ...(request.system ? { system: true } : {}) };
  }
}
