/** CPU lists, as annotations, configurations and the kernel have them. */
import { CpuSet, MAX_CPU_ID } from "../../src/cpu/cpu_set.ts";
import type { Random } from "../random.ts";
import { textLike } from "./nasty.ts";
import { require, requireSentence, type Target } from "./target.ts";

const VALID = ["", "0", "0-3", "0,2-3,8", " 1 , 3-5 \n", "0-16383", "16383", "7,7,7-7", "00,01", "5,3,1"];

/** A CPU list, or something like one. */
export function cpuListText(random: Random): string {
  return textLike(random, VALID);
}

export const cpuLists: Target<string> = {
  name: "cpu-list",
  share: 180,
  draw: cpuListText,
  check(text) {
    const set = CpuSet.parse(text);
    const expected = naively(text);
    if (!(set instanceof CpuSet)) {
      requireSentence(set.problem, 500);
      return require(
        expected === undefined,
        () => `refused, but it is ${expected?.length} ids: ${set.problem}`,
      );
    }
    require(expected !== undefined, () => `taken as ${set}, but it is no list`);
    const same = set.size === expected.length && expected.every((id) => set.has(id));
    require(same, () => `taken as ${set}, but it is ${expected}`);
    const again = CpuSet.parse(set.toString());
    require(again instanceof CpuSet && again.equals(set), () => `printed as ${set}, which is ${again}`);
  },
};

/** The ids that a list names; undefined for what is none. Written as the definition is, without regard to speed. */
function naively(text: string): number[] | undefined {
  if (text.length > 65536) return undefined;
  if (text.trim() === "") return [];
  const named = new Uint8Array(MAX_CPU_ID + 1);
  for (const item of text.split(",")) {
    const ends = item.trim().split("-");
    const [low = "", high = low] = ends;
    if (ends.length > 2 || !isNumber(low) || !isNumber(high)) return undefined;
    if (Number(high) > MAX_CPU_ID || Number(low) > Number(high)) return undefined;
    named.fill(1, Number(low), Number(high) + 1);
  }
  const ids: number[] = [];
  for (let id = named.indexOf(1); id >= 0; id = named.indexOf(1, id + 1)) ids.push(id);
  return ids;
}

function isNumber(text: string): boolean {
  return text !== "" && [...text].every((letter) => letter >= "0" && letter <= "9");
}
