/** The bytes of the wire: trunk frames, ttrpc frames and their envelopes, sessions. */
import { ProtocolError } from "../../src/wire/errors.ts";
import { encodeTrunk, TrunkDecoder } from "../../src/wire/mux.ts";
import { type Role, Session } from "../../src/wire/session.ts";
import {
  decodeRequest,
  decodeResponse,
  encodeFailure,
  encodeFrame,
  encodeRequest,
  encodeSuccess,
  FrameDecoder,
} from "../../src/wire/ttrpc.ts";
import type { Random } from "../random.ts";
import { joined, mutatedBytes, nastyText, NUMBERS, randomBytes } from "./nasty.ts";
import { require, requireSentence, type Target, type Value } from "./target.ts";

/** Bytes, and the lengths of the pieces in which they arrive. */
type Input = { readonly bytes: Uint8Array; readonly cuts: readonly number[] };

const NOTHING = new Uint8Array();

export const trunks: Target<Input> = {
  name: "trunk",
  share: 100,
  draw: (random) => arriving(random, () => trunkFrame(random, envelope(random))),
  check: (input) =>
    requireSame(input, () => new TrunkDecoder(), (piece) => [piece.connection, [...piece.payload]]),
};

export const frames: Target<Input> = {
  name: "ttrpc",
  share: 100,
  draw: (random) => arriving(random, () => frame(random)),
  check(input) {
    requireSame(input, () => new FrameDecoder(), ({ stream, type, payload }) => [stream, type, [...payload]]);
    for (const decode of [decodeRequest, decodeResponse]) orProtocolError(() => void decode(input.bytes));
  },
};

export const sessions: Target<Input & { readonly role: Role }> = {
  name: "session",
  share: 80,
  draw: (random) => ({
    ...arriving(random, () => trunkFrame(random, frame(random))),
    role: random.oneOf<Role>("plugin", "runtime"),
  }),
  check({ role, ...input }) {
    const started = () => {
      const session = new Session(role);
      for (let i = 0; i < 2; i++) session.call("service", "Method", NOTHING);
      return session;
    };
    requireSame(input, started, (event) => [event.kind, event.stream, [...event.payload]]);
  },
};

interface Decoder<T> {
  readonly capacity: number;
  receive(bytes: Uint8Array): void;
  next(): T | undefined;
  finish(): void;
}

/** What comes out doesn't depend on how the bytes were cut; only a ProtocolError is thrown; memory is bounded. */
function requireSame<T>({ bytes, cuts }: Input, make: () => Decoder<T>, show: (item: T) => Value): void {
  const whole = decoded([bytes], make(), show);
  const cut = decoded([...pieces(bytes, cuts)], make(), show);
  require(whole === cut, () => `whole: ${whole}\ncut: ${cut}`);
}

function decoded<T>(chunks: readonly Uint8Array[], decoder: Decoder<T>, show: (item: T) => Value): string {
  const seen: Value[] = [];
  const idle = decoder.capacity;
  const problem = orProtocolError(() => {
    for (const chunk of chunks) {
      decoder.receive(chunk);
      for (let item = decoder.next(); item !== undefined; item = decoder.next()) seen.push(show(item));
    }
    decoder.finish();
  });
  const most = idle + 4 * chunks.reduce((sum, { length }) => sum + length, 0);
  require(decoder.capacity <= most, () => `${decoder.capacity} bytes are held`);
  return `${JSON.stringify(merged(seen))} ${problem}`;
}

/** A trunk frame may be handed on in pieces: neighbours of one connection count as one. */
function merged(items: readonly Value[]): Value[] {
  const result: [Value, number[]][] = [];
  for (const item of items) {
    const [first, second, ...more] = item as [Value, number[] | number, ...Value[]];
    const last = result.at(-1);
    if (more.length > 0 || !Array.isArray(second)) return [...items];
    if (last !== undefined && last[0] === first) last[1].push(...second);
    else result.push([first, [...second]]);
  }
  return result;
}

function orProtocolError(act: () => void): string {
  try {
    act();
    return "good";
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    requireSentence(error.message);
    return error.code;
  }
}

function* pieces(bytes: Uint8Array, cuts: readonly number[]): Generator<Uint8Array> {
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const length = Math.max(1, cuts[turn % cuts.length] ?? 1);
    yield bytes.slice(at, at + length);
    at += length;
  }
}

function arriving(random: Random, part: () => Uint8Array): Input {
  const all = joined(...Array.from({ length: random.between(1, 4) }, part));
  const kind = random.weighted({ valid: 2, mutated: 6, random: 1 });
  const bytes = kind === "valid"
    ? all
    : kind === "mutated"
    ? mutatedBytes(random, all)
    : randomBytes(random, 40);
  return { bytes, cuts: Array.from({ length: random.between(1, 3) }, () => random.between(1, 30)) };
}

function envelope(random: Random): Uint8Array {
  const payload = randomBytes(random, random.below(20));
  const kind = random.weighted({ request: 3, success: 2, failure: 1, none: 1 });
  if (kind === "request") return encodeRequest(nastyText(random), nastyText(random), payload, 2n);
  if (kind === "success") return encodeSuccess(payload);
  return kind === "failure" ? encodeFailure(random.below(20), nastyText(random)) : payload;
}

function frame(random: Random): Uint8Array {
  const stream = random.chance(0.8) ? random.between(1, 6) : uint32(random);
  return encodeFrame({
    stream,
    type: random.between(1, 3),
    flags: random.below(4),
    payload: envelope(random),
  });
}

function trunkFrame(random: Random, payload: Uint8Array): Uint8Array {
  return encodeTrunk(random.chance(0.9) ? random.between(1, 2) : uint32(random) || 1, payload);
}

function uint32(random: Random): number {
  return (random.pick(NUMBERS) ?? 0) >>> 0;
}
