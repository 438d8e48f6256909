/** The text is no Kubernetes quantity, or a negative one. */
export class QuantityError extends Error {
  override name = "QuantityError";
}

const DECIMAL = new Map([
  ["n", -9],
  ["u", -6],
  ["m", -3],
  ["", 0],
  ["k", 3],
  ["M", 6],
  ["G", 9],
  ["T", 12],
  ["P", 15],
  ["E", 18],
]);
const BINARY = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
const FORM = /^\+?(\d+)(?:\.(\d*))?([a-zA-Z]*|[eE][+-]?\d{1,2})$/;

/** Thousandths, rounded up as the API machinery's `Quantity.MilliValue` does: `1500m`, `1.5` and `15e-1` give 1500. */
export function milliValue(quantity: string | number): number {
  return scaled(quantity, 3);
}

/** Whole units, rounded up as `Quantity.Value` does: `64Mi` gives 67108864. */
export function wholeValue(quantity: string | number): number {
  return scaled(quantity, 0);
}

/** `quantity` × 10^`places`, exact until it is rounded up. */
function scaled(quantity: string | number, places: number): number {
  const text = String(quantity).trim();
  const match = FORM.exec(text);
  const factor = match ? factorOf(match[3] ?? "") : undefined;
  if (!match || !factor) {
    throw new QuantityError(
      `"${text}" is not a quantity; write a number with an optional suffix such as 250m, 2, 1.5, 64Mi or 1G`,
    );
  }
  const fraction = match[2] ?? "";
  const digits = BigInt((match[1] ?? "") + fraction) * factor.times;
  const exponent = factor.exponent + places - fraction.length;
  return Number(
    exponent >= 0 ? digits * 10n ** BigInt(exponent) : dividedUp(digits, 10n ** BigInt(-exponent)),
  );
}

function factorOf(suffix: string): { times: bigint; exponent: number } | undefined {
  const decimal = DECIMAL.get(suffix);
  if (decimal !== undefined) return { times: 1n, exponent: decimal };
  const binary = BINARY.indexOf(suffix);
  if (binary >= 0) return { times: 1024n ** BigInt(binary + 1), exponent: 0 };
  if (/^[eE][+-]?\d+$/.test(suffix)) return { times: 1n, exponent: Number(suffix.slice(1)) };
  return undefined;
}

function dividedUp(value: bigint, by: bigint): bigint {
  return (value + by - 1n) / by;
}
