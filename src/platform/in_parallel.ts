/**
 * Maps each item by `work`, at most `limit` at a time. The results are in the order of the items, without the
 * undefined ones. When one fails, no more are started, and its error is thrown.
 */
export async function inParallel<T, R>(
  items: readonly T[],
  limit: number,
  work: (item: T) => Promise<R | undefined>,
): Promise<R[]> {
  const results: (R | undefined)[] = new Array(items.length);
  const left = items.entries();
  let failed = false;
  const worker = async () => {
    for (const [index, item] of left) {
      if (failed) return;
      results[index] = await work(item);
    }
  };
  const fail = (error: unknown) => {
    failed = true;
    throw error;
  };
  await Promise.all(Array.from({ length: limit }, () => worker().catch(fail)));
  return results.filter((result) => result !== undefined);
}
