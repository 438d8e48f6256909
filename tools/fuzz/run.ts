/** Runs a target over inputs drawn from a seed, and makes the first one that fails as small as it gets. */
import { Random } from "../random.ts";
import { literal, smaller } from "./literal.ts";
import type { AnyTarget, Value } from "./target.ts";

export interface Failure {
  readonly target: string;
  readonly seed: number;
  /** Which of the seed's inputs it was. */
  readonly index: number;
  readonly error: string;
  /** The smallest input that was found to fail, as JavaScript. */
  readonly input: string;
}

/** Inputs tried while making one smaller, and the time for them all: each may be slow. */
const MAX_TRIES = 20_000;
const MAX_SHRINKING_MS = 20_000;

/** The seed's input number `index`; each has a seed of its own, so that one can be had without those before it. */
export function inputOf(target: AnyTarget, seed: number, index: number): Value {
  return target.draw(new Random(Math.imul(seed, 0x01000193) ^ Math.imul(index + 1, 0x9e3779b1)));
}

/** Is called before each check, with the input's index; once more for each try at making it smaller. */
export type Begun = (index: number) => void;

/** Checks the inputs `from` to `to` (not included). The first failure, if any. */
export async function runTarget(
  target: AnyTarget,
  { seed, from, to }: { seed: number; from: number; to: number },
  begun: Begun = () => {},
): Promise<Failure | undefined> {
  for (let index = from; index < to; index++) {
    begun(index);
    const input = inputOf(target, seed, index);
    const error = problemOf(target, input);
    const found = error instanceof Promise ? await error : error;
    if (found === undefined) continue;
    const smallest = await shrink(target, { input, error: found }, () => begun(index));
    return { target: target.name, seed, index, error: smallest.error, input: literal(smallest.input) };
  }
  return undefined;
}

interface Broken {
  readonly input: Value;
  readonly error: string;
}

/** Follows the first smaller input that fails in the same way, until none does. */
export async function shrink(target: AnyTarget, broken: Broken, trying = () => {}): Promise<Broken> {
  let best = broken;
  let tries = 0;
  const end = performance.now() + MAX_SHRINKING_MS;
  for (let found = true; found;) {
    found = false;
    for (const input of smaller(best.input)) {
      if (++tries > MAX_TRIES || performance.now() > end) return best;
      trying();
      const error = await problemOf(target, input);
      if (error === undefined || essence(error) !== essence(broken.error)) continue;
      best = { input, error };
      found = true;
      break;
    }
  }
  return best;
}

/** What a failure is about: its sentence up to the first value in it, and where it was thrown. */
function essence(error: string): string {
  const [message = "", place = ""] = error.split("\n");
  return `${message.split(/[:"\d]/).slice(0, 2).join()} ${place.replace(/.*\/|\).*/g, "")}`;
}

/** Why the input fails; undefined where all holds. Not async where the target isn't: that would cost too much. */
function problemOf(target: AnyTarget, input: Value): string | undefined | Promise<string | undefined> {
  try {
    const checking = target.check(input as never);
    return checking instanceof Promise ? checking.then(() => undefined, textOf) : undefined;
  } catch (error) {
    return textOf(error);
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.stack ?? error.message : String(error);
}
