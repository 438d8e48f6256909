import type { AskedHugePages } from "../ledger/huge_pages.ts";
import type { Container } from "./gen/nri_pb.ts";

const KIB: Readonly<Record<string, number>> = { KB: 1, MB: 1024, GB: 1024 * 1024 };
/** A kernel has four sizes at most. */
const MAX_SIZES = 8;
/** Bytes from which on a limit is none: more memory than any node has. */
const UNLIMITED = 1n << 50n;

/** The huge pages that a container may use, by size; kubelet sends 0 for those that it doesn't request. */
export function hugePagesOf({ linux }: Container): AskedHugePages[] {
  return (linux?.resources?.hugepageLimits ?? []).flatMap(({ pageSize, limit }) => {
    const [, count = "", unit = ""] = /^(\d{1,4})(KB|MB|GB)$/.exec(pageSize) ?? [];
    const pageKiB = Number(count) * (KIB[unit] ?? 0);
    const isAsked = pageKiB > 0 && limit > 0n && limit < UNLIMITED;
    return isAsked ? [{ pageKiB, askedKiB: Number((limit + 1023n) / 1024n) }] : [];
  }).slice(0, MAX_SIZES);
}
