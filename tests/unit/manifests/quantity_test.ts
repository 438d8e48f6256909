import assert from "node:assert/strict";
import { milliValue, QuantityError, wholeValue } from "../../../src/manifests/quantity.ts";

Deno.test("CPU quantities come out in thousandths, whatever their form", () => {
  const cases: [string | number, number][] = [
    ["250m", 250],
    ["1500m", 1500],
    ["2", 2000],
    [2, 2000],
    [0.5, 500],
    ["1.5", 1500],
    ["1.", 1000],
    ["15e-1", 1500],
    ["1e3", 1_000_000],
    ["1k", 1_000_000],
    ["0", 0],
    ["+4", 4000],
  ];
  for (const [text, milli] of cases) assert.equal(milliValue(text), milli, String(text));
});

Deno.test("memory quantities come out in bytes, with binary and with decimal suffixes", () => {
  const cases: [string, number][] = [
    ["128", 128],
    ["1Ki", 1024],
    ["64Mi", 64 * 2 ** 20],
    ["1.5Gi", 1.5 * 2 ** 30],
    ["1Ti", 2 ** 40],
    ["1k", 1000],
    ["10M", 10_000_000],
    ["2G", 2_000_000_000],
    ["1E", 1e18],
    ["1e6", 1_000_000],
  ];
  for (const [text, bytes] of cases) assert.equal(wholeValue(text), bytes, text);
});

Deno.test("what does not come out even is rounded up, never down to nothing", () => {
  assert.equal(milliValue("1u"), 1);
  assert.equal(milliValue("1n"), 1);
  assert.equal(milliValue("0.0001"), 1);
  assert.equal(wholeValue("100m"), 1);
  assert.equal(wholeValue("1.0001Ki"), 1025);
});

Deno.test("what is no quantity is refused with a sentence that shows the right form", () => {
  for (const text of ["", "two", "1 2", "-1", "1Kib", "1mi", "0x10", "1e", "1e999", ".", "--1"]) {
    assert.throws(
      () => milliValue(text),
      (error: unknown) => error instanceof QuantityError && error.message.includes("250m"),
      text,
    );
  }
});
