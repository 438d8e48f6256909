/** The descriptor that a runtime passes to its plugin, as `NRI_PLUGIN_SOCKET` may name it. */
import { openInherited } from "../../src/platform/inherited_fd.ts";
import { NUMBERS, textLike } from "./nasty.ts";
import { require, requireSentence, type Target } from "./target.ts";

/** Beyond what this process has open: a socket of its own would be taken. */
const FREE = 100_000;

export const descriptors: Target<string> = {
  name: "inherited",
  share: 20,
  draw: (random) =>
    random.chance(0.3) ? `${random.pick(NUMBERS)}` : textLike(random, ["3", "100003", "-1", "0x3"]),
  check(text) {
    const number = Number(text);
    if (Number.isInteger(number) && number >= 0 && number < FREE) return;
    try {
      openInherited(number).close();
    } catch (error) {
      require(error instanceof Error && error.constructor === Error, () => `thrown: ${error}`);
      return requireSentence(error.message);
    }
    throw new Error(`${text} was taken for a socket`);
  },
};
