/** What the system bus answers: the line that lets in, and messages. */
import { CpuSet } from "../../src/cpu/cpu_set.ts";
import { BusInput } from "../../src/systemd/bus_input.ts";
import { readReply } from "../../src/systemd/message.ts";
import { requireAccepted } from "../../src/systemd/sasl.ts";
import { cpusIn, explain } from "../../src/systemd/units.ts";
import { ProtocolError } from "../../src/wire/errors.ts";
import { errorMessage, maskMessage, returnMessage, signalMessage } from "../../tests/kit/bus_messages.ts";
import type { Random } from "../random.ts";
import { joined, mutatedBytes, nastyText, randomBytes } from "./nasty.ts";
import { require, requireSentence, type Target, type Value } from "./target.ts";

/** Bytes, and the most that arrive at once. */
type Input = { readonly bytes: Uint8Array; readonly piece: number };

const MOST = 16384;
const LINES = [`OK ${"0f".repeat(16)}`, "REJECTED EXTERNAL", "ERROR", "DATA 30", "OK"];

export const busAnswers: Target<Input> = {
  name: "bus",
  share: 60,
  draw(random) {
    const line = new TextEncoder().encode(`${random.chance(0.8) ? LINES[0] : random.pick(LINES)}\r\n`);
    const messages = Array.from({ length: random.between(1, 4) }, () => message(random));
    const all = joined(random.chance(0.9) ? line : mutatedBytes(random, line), ...messages);
    return { bytes: random.chance(0.7) ? mutatedBytes(random, all) : all, piece: random.between(1, 30) };
  },
  check({ bytes, piece }) {
    const [whole, cut] = [heard(bytes, bytes.length), heard(bytes, piece)];
    require(whole === cut, () => `whole: ${whole}\ncut: ${cut}`);
  },
};

function message(random: Random): Uint8Array {
  const serial = random.between(1, 3);
  const kind = random.weighted({ mask: 4, error: 3, empty: 1, signal: 1, random: 1 });
  if (kind === "mask") {
    return maskMessage(serial, randomBytes(random, random.below(random.chance(0.9) ? 9 : 5000)));
  }
  if (kind === "error") return errorMessage(serial, nastyText(random), nastyText(random, 300));
  if (kind === "empty") return returnMessage(serial);
  return kind === "signal" ? signalMessage(randomBytes(random, random.below(90))) : randomBytes(random, 40);
}

class End extends Error {}

/** All that is made of the bytes, up to their end or what is wrong with them, when at most `piece` come at once. */
function heard(bytes: Uint8Array, piece: number): string {
  let at = 0;
  const input = new BusInput((buffer) => {
    const some = bytes.subarray(at, at + Math.min(piece, buffer.length));
    if (some.length === 0) throw new End();
    buffer.set(some);
    at += some.length;
    return some.length;
  });
  const seen: Value[] = [];
  try {
    requireAccepted(input.line());
    for (;;) seen.push(answer(input));
  } catch (error) {
    if (error instanceof End) return JSON.stringify([...seen, "the end"]);
    const { message } = error as Error;
    require(
      error instanceof ProtocolError || /^the system bus doesn't let/.test(message),
      () => `threw ${error}`,
    );
    requireSentence(message);
    return JSON.stringify([...seen, message]);
  }
}

function answer(input: BusInput): Value {
  const reply = readReply(input);
  if (reply === undefined) return "passed by";
  if (reply.kind === "error") {
    requireSentence(explain("a.slice", reply));
    return [reply.serial, explain("a.slice", reply)];
  }
  const cpus = reply.signature === "v" ? cpusIn(reply) : CpuSet.empty;
  require((cpus.toArray().at(-1) ?? 0) < MOST, () => `CPUs ${cpus}`);
  return [reply.serial, `${cpus}`];
}
