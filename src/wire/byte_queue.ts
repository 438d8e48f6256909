// Bytes that have arrived and aren't yet understood: in at the tail, out at the head.
//
// One contiguous buffer, not a list of chunks: a peer that sends one byte at a time must not cost an object a
// byte, and a decoder may look at a header without minding where the chunks met. The buffer doubles when it is
// full, halves when less than a quarter is used, and moves its bytes back to the start when that frees half of
// it: each byte is copied a constant number of times on average, and an empty queue holds IDLE_CAPACITY at
// most. What goes in or out is copied: the caller may reuse its chunk, and what it took never changes.

import { assert } from "../assert.ts";
import { ProtocolError } from "./errors.ts";

/** Bytes that an empty queue may hold on to: usual NRI requests fit without growing. */
const IDLE_CAPACITY = 16 * 1024;

/** A bounded first-in, first-out queue of bytes. */
export class ByteQueue {
  readonly #limit: number;
  #buffer: Uint8Array;
  #view: DataView;
  #head = 0;
  #length = 0;

  /** @param limit the most bytes that may wait here */
  constructor(limit: number) {
    this.#limit = limit;
    this.#buffer = new Uint8Array(Math.min(limit, IDLE_CAPACITY));
    this.#view = new DataView(this.#buffer.buffer);
  }

  /** Bytes waiting. */
  get length(): number {
    return this.#length;
  }

  /** Bytes of memory held, used or not: never more than the limit. */
  get capacity(): number {
    return this.#buffer.length;
  }

  /** Appends a copy of `chunk`; throws a ProtocolError "overflow", and takes nothing, beyond the limit. */
  push(chunk: Uint8Array): void {
    const needed = this.#length + chunk.length;
    if (needed > this.#limit) {
      throw new ProtocolError("overflow", `${needed} received bytes would wait, at most ${this.#limit} may`);
    }
    if (this.#head + needed > this.capacity) this.#makeRoom(needed);
    this.#buffer.set(chunk, this.#head + this.#length);
    this.#length = needed;
  }

  /** The byte at `offset` from the head. */
  peek(offset: number): number {
    this.#assertWaiting(offset, 1);
    return this.#view.getUint8(this.#head + offset);
  }

  /** The big-endian 32-bit number at `offset` from the head. */
  readUint32(offset: number): number {
    this.#assertWaiting(offset, 4);
    return this.#view.getUint32(this.#head + offset);
  }

  /** Removes the first `count` bytes and returns a copy of them. */
  take(count: number): Uint8Array {
    this.#assertWaiting(0, count);
    const taken = this.#buffer.slice(this.#head, this.#head + count);
    this.drop(count);
    return taken;
  }

  /** Removes the first `count` bytes. */
  drop(count: number): void {
    this.#assertWaiting(0, count);
    this.#length -= count;
    this.#head = this.#length === 0 ? 0 : this.#head + count;
    let capacity = this.capacity;
    while (capacity > IDLE_CAPACITY && this.#length < capacity / 4) {
      capacity = Math.max(IDLE_CAPACITY, Math.floor(capacity / 2));
    }
    if (capacity < this.capacity) this.#moveTo(new Uint8Array(capacity));
  }

  /** Lets `needed` bytes fit behind the start of the buffer, and moves what waits there. */
  #makeRoom(needed: number): void {
    let capacity = this.capacity;
    if (needed > capacity / 2) {
      do capacity *= 2; while (capacity < needed);
    }
    capacity = Math.min(capacity, this.#limit);
    this.#moveTo(capacity > this.capacity ? new Uint8Array(capacity) : this.#buffer);
  }

  /** Moves the waiting bytes to the start of `buffer`, which may be the present one. */
  #moveTo(buffer: Uint8Array): void {
    buffer.set(this.#buffer.subarray(this.#head, this.#head + this.#length));
    this.#head = 0;
    this.#buffer = buffer;
    this.#view = new DataView(buffer.buffer);
  }

  #assertWaiting(offset: number, count: number): void {
    assert(
      offset >= 0 && count >= 0 && offset + count <= this.#length,
      `${count} bytes at ${offset} asked for, ${this.#length} are waiting`,
    );
  }
}
