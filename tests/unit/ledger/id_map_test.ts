import assert from "node:assert/strict";
import fc from "fast-check";
import { IdMap } from "../../../src/ledger/id_map.ts";

const id = fc.oneof(fc.constantFrom("a", "b", "c", "d"), fc.string({ maxLength: 8 }));
const step = fc.oneof(
  fc.record({ set: fc.array(fc.tuple(id, fc.nat()), { maxLength: 5 }), atOnce: fc.boolean() }),
  fc.record({ delete: id }),
);

Deno.test("it holds what a Map holds after the same changes, and older ones stay as they were", () => {
  fc.assert(fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
    const history: { map: IdMap<number>; model: Map<string, number> }[] = [];
    let map = IdMap.empty<number>();
    const model = new Map<string, number>();
    for (const each of steps) {
      if ("set" in each) {
        const one = (before: IdMap<number>, [key, value]: [string, number]) => before.set(key, value);
        map = each.atOnce ? map.setAll(each.set) : each.set.reduce(one, map);
        for (const [key, value] of each.set) model.set(key, value);
      } else {
        map = map.delete(each.delete);
        model.delete(each.delete);
      }
      history.push({ map, model: new Map(model) });
    }
    for (const { map, model } of history) {
      assert.equal(map.size, model.size);
      assert.deepEqual(map.values().sort(), [...model.values()].sort());
      assert.deepEqual(map.keys().sort(), [...model.keys()].sort());
      for (const [key, value] of model) assert.equal(map.get(key), value);
      assert(!map.has("never"));
    }
  }));
});

Deno.test("deleting what isn't there changes nothing", () => {
  const map = IdMap.empty<number>().set("a", 1);
  assert.equal(map.delete("b"), map);
});

Deno.test("ids spread over the buckets: a thousand leave no bucket with more than a few", () => {
  const ids = Array.from({ length: 1000 }, (_, i) => `id-${i}`);
  const map = ids.reduce((next, id) => next.set(id, id), IdMap.empty<string>());
  const order = map.keys();
  assert.notDeepEqual(order, ids, "sorted into buckets");
  assert.deepEqual(order.toSorted(), ids.toSorted());
});

Deno.test("every value can be changed at once, its id stays", () => {
  const map = IdMap.empty<number>().set("a", 1).set("b", 2).map((value) => value * 10);
  assert.deepEqual([map.get("a"), map.get("b"), map.get("c"), map.size], [10, 20, undefined, 2]);
});
