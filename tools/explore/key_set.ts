/** A set of texts by 52 bits of their hash, in 8 bytes each: among ten million two are taken for one by chance in a hundred. */
export class KeySet {
  #slots = new Float64Array(1 << 16);
  size = 0;

  has(key: string): boolean {
    return this.#slots[this.#find(hashOf(key))] !== 0;
  }

  /** False where it was there. */
  add(key: string): boolean {
    const hash = hashOf(key);
    const at = this.#find(hash);
    if (this.#slots[at] !== 0) return false;
    this.#slots[at] = hash;
    if (++this.size * 2 > this.#slots.length) this.#grow();
    return true;
  }

  #find(hash: number): number {
    const { length } = this.#slots;
    for (let at = hash % length;; at = (at + 1) % length) {
      if (this.#slots[at] === hash || this.#slots[at] === 0) return at;
    }
  }

  #grow(): void {
    const before = this.#slots;
    this.#slots = new Float64Array(before.length * 2);
    for (const hash of before) if (hash !== 0) this.#slots[this.#find(hash)] = hash;
  }
}

/** cyrb53, never 0. */
function hashOf(text: string): number {
  let [a, b] = [0xdeadbeef, 0x41c6ce57];
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    a = Math.imul(a ^ code, 2654435761);
    b = Math.imul(b ^ code, 1597334677);
  }
  a = Math.imul(a ^ (a >>> 16), 2246822507) ^ Math.imul(b ^ (b >>> 13), 3266489909);
  b = Math.imul(b ^ (b >>> 16), 2246822507) ^ Math.imul(a ^ (a >>> 13), 3266489909);
  return (b & 0xfffff) * 2 ** 32 + (a >>> 0) + 1;
}
