import type { Ledger } from "./ledger.ts";

/** The function with each ledger's value computed once: a ledger never changes. */
export function perLedger<T extends NonNullable<unknown>>(
  make: (ledger: Ledger) => T,
): (ledger: Ledger) => T {
  const known = new WeakMap<Ledger, T>();
  return (ledger) => {
    let value = known.get(ledger);
    if (value === undefined) known.set(ledger, value = make(ledger));
    return value;
  };
}
