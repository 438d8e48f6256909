/**
 * The text form of a set of CPUs: the "list format" of cpuset(7), `0,2-3,8`. The kernel writes it in sysfs and in
 * `cpuset.cpus`; annotations have it too, so a problem with a list is a clause that its author can act on.
 */
import { quoted as quotedText } from "../quoted.ts";
import { addRange, nextIn, nextOutside, trimmed, type Words, wordsFor } from "./words.ts";

/**
 * The highest id a set may hold. Linux is built for at most 8192 CPUs today (NR_CPUS on x86-64 and powerpc) and
 * for fewer NUMA nodes; twice that leaves room, and keeps the largest set at 2 KiB whatever a text asks for.
 */
export const MAX_CPU_ID = 16383;

/** No list of {@link MAX_CPU_ID} ids is longer, in characters, sorted and compressed; what is longer is not read. */
const MAX_TEXT = 65536;

/** How many characters of an invalid item are quoted. */
const MAX_QUOTED = 40;

/** Why a text is no CPU list. */
export interface InvalidCpuList {
  readonly kind: "invalid CPU list";
  /** The item that is wrong, without the spaces around it; empty for an empty item or an overlong text. */
  readonly item: string;
  /** What is wrong with it and what would be right, e.g. `"5-2" is a reversed range; write "2-5"`. */
  readonly problem: string;
}

/** The words of a CPU list. Spaces around items and a newline at the end are tolerated; no text is the empty set. */
export function parseCpuList(text: string): Words | InvalidCpuList {
  if (text.length > MAX_TEXT) {
    return invalid("", `a CPU list of ${text.length} characters is too long; ${MAX_TEXT} are read`);
  }
  const words = wordsFor(MAX_CPU_ID);
  if (text.trim() === "") return trimmed(words);
  for (const padded of text.split(",")) {
    const item = padded.trim();
    const range = parseItem(item);
    if (typeof range === "string") return invalid(item, range);
    addRange(words, range.first, range.last);
  }
  return trimmed(words);
}

function invalid(item: string, problem: string): InvalidCpuList {
  return { kind: "invalid CPU list", item, problem };
}

/** One item of a list, a CPU or a range of CPUs; or the problem with it. */
function parseItem(item: string): { first: number; last: number } | string {
  if (item === "") return "empty item: there is a comma too many";
  const match = /^(\d+)(?:-(\d+))?$/.exec(item);
  if (match === null) return `${quoted(item)} ${complaint(item)}`;
  const [, low = "", high = low] = match;
  const first = Number(low);
  const last = Number(high);
  if (Math.max(first, last) > MAX_CPU_ID) return `${quoted(item)} is too large: CPU ids end at ${MAX_CPU_ID}`;
  if (first > last) return `${quoted(item)} is a reversed range; write "${last}-${first}"`;
  return { first, last };
}

function complaint(item: string): string {
  if (/^\d+-$/.test(item)) return "is a range without an end; write it as first-last";
  if (/^-\d+$/.test(item)) {
    return "is a range without a beginning, or a negative number; write it as first-last";
  }
  return item.includes("-") ? "is not a range of CPU ids; write it as first-last" : "is not a CPU id";
}

function quoted(item: string): string {
  return quotedText(item, MAX_QUOTED);
}

/** The canonical list of `words`: ascending, neighbours joined to ranges, as the kernel writes it. */
export function formatCpuList(words: Words): string {
  const items: string[] = [];
  for (let first = nextIn(words, 0); first >= 0;) {
    const end = nextOutside(words, first);
    items.push(end - first === 1 ? `${first}` : `${first}-${end - 1}`);
    first = nextIn(words, end);
  }
  return items.join(",");
}
