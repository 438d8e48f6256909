/** Calls as bytes, answers out of bytes. */
import assert from "node:assert/strict";
import { CpuSet } from "../../../src/cpu/cpu_set.ts";
import { BusInput, MAX_REPLY } from "../../../src/systemd/bus_input.ts";
import { Marshaller } from "../../../src/systemd/marshal.ts";
import { type BusReply, encodeCall, readReply } from "../../../src/systemd/message.ts";
import { cpusIn, getCall, HELLO, setCall, whyNoUnit } from "../../../src/systemd/units.ts";
import {
  busMessage,
  ERROR,
  errorMessage,
  type Field,
  maskMessage,
  RETURN,
  returnMessage,
  signalMessage,
} from "../../kit/bus_messages.ts";
import { assertBroken, concat, hex, pattern } from "../../kit/bytes.ts";

/** What comes in as these bytes, and then an end. */
function inputOf(...parts: readonly Uint8Array[]): BusInput {
  const bytes = concat(...parts);
  let at = 0;
  return new BusInput((buffer) => {
    const piece = bytes.subarray(at, at + buffer.length);
    if (piece.length === 0) throw new Error("the end");
    buffer.set(piece);
    at += piece.length;
    return piece.length;
  });
}

function cpusOf(reply: BusReply | undefined): CpuSet {
  assert(reply?.kind === "return");
  return cpusIn(reply);
}

Deno.test("Hello is what the specification says", () => {
  const expected = hex(`
    6c 01 02 01  00000000  01000000  6e000000  # little-endian, call, no auto-start, version 1; no body; serial 1
    01 01 6f 00  15000000  2f6f72672f667265656465736b746f702f4442757300 0000  # path
    06 01 73 00  14000000  6f72672e667265656465736b746f702e4442757300 000000  # destination
    02 01 73 00  14000000  6f72672e667265656465736b746f702e4442757300 000000  # interface
    03 01 73 00  05000000  48656c6c6f00 0000  # member`);
  assert.deepEqual(encodeCall(HELLO, 1), new Uint8Array(concat(expected)));
});

Deno.test("the arguments of SetUnitProperties: unit, runtime, and one property, a mask whose first byte has the CPUs 0 to 7", () => {
  const { member, signature, body } = setCall("a.slice", CpuSet.of(0, 9, 10));
  assert.deepEqual([member, signature], ["SetUnitProperties", "sba(sv)"]);
  const expected = hex(`
    07000000 612e736c69636500  01000000  1a000000 00000000  # "a.slice", true, 26 bytes of structs from a multiple of 8
    0b000000 416c6c6f7765644350557300  02617900  00  # "AllowedCPUs", "ay"
    `);
  // The array in the variant is aligned to 4.
  assert.deepEqual(
    body,
    new Uint8Array(concat(expected.subarray(0, -1), hex("02000000 0106"))),
  );
});

Deno.test("a unit's object has all but letters and digits of its name escaped, and its interface is that of its type", () => {
  const paths = ["kubepods-burstable.slice", "init.scope", "1a_b.slice"].map((unit) =>
    getCall(unit).path.slice("/org/freedesktop/systemd1/unit/".length)
  );
  assert.deepEqual(paths, ["kubepods_2dburstable_2eslice", "init_2escope", "_31a_5fb_2eslice"]);
  const text = new TextDecoder().decode(getCall("init.scope").body);
  assert.match(text, /org\.freedesktop\.systemd1\.Scope\0.*AllowedCPUs\0$/s);
});

Deno.test("only names of slices and scopes are asked for", () => {
  const good = ["init.scope", "user-1000.slice", "a:b_c\\x2d.slice", `${"x".repeat(249)}.slice`];
  assert.deepEqual(good.map(whyNoUnit), good.map(() => undefined));
  for (
    const bad of ["", ".slice", "a.service", "a/b.slice", "a b.slice", "é.slice", "a.slice\n", `x${good[3]}`]
  ) {
    assert.match(whyNoUnit(bad) ?? "", /^".*" is no name of a slice or scope of systemd$/);
  }
});

Deno.test("an answer in either byte order is read, with fields that aren't known", () => {
  const fields: Field[] = [[5, "u", 7], [99, "s", "new"], [8, "g", "v"]];
  const little = busMessage(RETURN, fields, maskMessage(1, hex("06 01")).slice(-10));
  assert.equal(`${cpusOf(readReply(inputOf(little)))}`, "1-2,8");
  const big = hex(`
    42 02 01 01  00000009  00000001  0000000f
    05 01 75 00  00000007  08 01 67 00 01 76 00 00
    02 61 79 00  00000001 80`);
  const reply = readReply(inputOf(big));
  assert.equal(reply?.serial, 7);
  assert.equal(`${cpusOf(reply)}`, "7");
});

Deno.test("an error has its name and its text, where it has one", () => {
  const read = (bytes: Uint8Array) => readReply(inputOf(bytes));
  assert.deepEqual(read(errorMessage(3, "a.B", "so")), { kind: "error", serial: 3, name: "a.B", text: "so" });
  const bare = busMessage(ERROR, [[4, "s", "a.B"], [5, "u", 3]]);
  assert.deepEqual(read(bare), { kind: "error", serial: 3, name: "a.B", text: "" });
});

Deno.test("signals are passed by, one of many megabytes too, and the answer behind them is read", () => {
  const input = inputOf(signalMessage(), signalMessage(pattern(20 * MAX_REPLY)), returnMessage(9));
  assert.deepEqual([readReply(input), readReply(input)], [undefined, undefined]);
  assert.equal(readReply(input)?.serial, 9);
});

const SERIAL: Field = [5, "u", 1];
const mask = (bytes: Uint8Array) => cpusOf(readReply(inputOf(maskMessage(1, bytes))));

for (
  const [what, bytes] of [
    ["no byte order", hex("6d 02 01 01 00000000 01000000 00000000")],
    ["another version", hex("6c 02 01 02 00000000 01000000 00000000")],
    ["the type 0", hex("6c 00 01 01 00000000 01000000 00000000")],
    ["more than the specification allows", hex("6c 04 01 01 f0ffff07 01000000 01000000")],
    ["an answer to nothing", busMessage(RETURN, [])],
    ["an error without a name", busMessage(ERROR, [SERIAL])],
    ["a serial of another type", busMessage(RETURN, [[5, "s", "1"]])],
    ["a field of a type that headers don't have", busMessage(RETURN, [[77, "v", "1"]])],
    [
      "a string that is longer than its message",
      busMessage(ERROR, [SERIAL, [4, "s", "a.B"], [8, "g", "s"]], hex("09")),
    ],
    [
      "a string without its zero",
      busMessage(ERROR, [SERIAL, [4, "s", "a.B"], [8, "g", "s"]], hex("01000000 6161")),
    ],
    ["no UTF-8", busMessage(ERROR, [SERIAL, [4, "s", "a.B"], [8, "g", "s"]], hex("01000000 ff00"))],
  ] as const
) {
  Deno.test(`a message with ${what} is malformed`, () => {
    assertBroken("malformed", () => readReply(inputOf(bytes)));
  });
}

Deno.test("an answer that announces more than is kept is refused before it has arrived", () => {
  assertBroken(
    "oversize-frame",
    () => readReply(inputOf(busMessage(RETURN, [SERIAL], new Uint8Array(), MAX_REPLY))),
  );
});

Deno.test("AllowedCPUs is a mask of at most all CPUs, with zeros behind them", () => {
  const longest = new Uint8Array(4096);
  assert.equal(`${mask(longest)}`, "");
  assert.equal(`${mask(longest.with(2047, 0x80))}`, "16383");
  assertBroken("malformed", () => mask(longest.with(2048, 1)));
  assertBroken("malformed", () => mask(new Uint8Array(4097)));
  const text = returnMessage(1, "v", new Marshaller().signature("s").string("0-1").bytes());
  for (const other of [text, returnMessage(1), returnMessage(1, "ay", hex("00000000"))]) {
    assertBroken("malformed", () => cpusOf(readReply(inputOf(other))));
  }
});
