/** Values as bytes, after "Marshaling (Wire Format)" of the D-Bus specification: each type has its alignment. */
import { ProtocolError } from "../wire/errors.ts";

const encoder = new TextEncoder();

/** The bytes of values, one after the other, in little-endian order. Positions count from its start. */
export class Marshaller {
  readonly #bytes: number[] = [];

  get length(): number {
    return this.#bytes.length;
  }

  bytes(): Uint8Array<ArrayBuffer> {
    return Uint8Array.from(this.#bytes);
  }

  /** Zeros up to a multiple of `to`: 1 for bytes and signatures, 4 for numbers, strings and arrays, 8 for structs. */
  align(to: number): this {
    while (this.length % to !== 0) this.#bytes.push(0);
    return this;
  }

  byte(value: number): this {
    this.#bytes.push(value);
    return this;
  }

  uint32(value: number): this {
    this.align(4).#bytes.push(value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24);
    return this;
  }

  boolean(value: boolean): this {
    return this.uint32(value ? 1 : 0);
  }

  /** A string or an object path: its length without the zero at its end. */
  string(text: string): this {
    const bytes = encoder.encode(text);
    return this.uint32(bytes.length).append(bytes).byte(0);
  }

  signature(text: string): this {
    return this.byte(text.length).append(encoder.encode(text)).byte(0);
  }

  byteArray(bytes: Uint8Array): this {
    return this.uint32(bytes.length).append(bytes);
  }

  /** Values of others, as they are. */
  append(bytes: Uint8Array): this {
    for (const byte of bytes) this.#bytes.push(byte);
    return this;
  }

  /** An array of structs: its length in bytes doesn't count the padding before the first. */
  structs(write: (elements: this) => void): this {
    const at = this.uint32(0).length - 4;
    const start = this.align(8).length;
    write(this);
    const length = new Marshaller().uint32(this.length - start).#bytes;
    this.#bytes.splice(at, 4, ...length);
    return this;
  }
}

/** The basic types by what they take on the wire: alignment and length; strings and signatures have their own. */
const NUMBERS: Readonly<Record<string, number>> = {
  y: 1,
  b: 4,
  n: 2,
  q: 2,
  i: 4,
  u: 4,
  x: 8,
  t: 8,
  d: 8,
  h: 4,
};

/**
 * Reads values out of `bytes`, whose start is at a multiple of 8. Each method throws a ProtocolError "malformed" where
 * the value isn't there or isn't one.
 */
export class Unmarshaller {
  readonly #view: DataView;
  readonly #decoder = new TextDecoder("utf-8", { fatal: true });
  #at = 0;

  constructor(private readonly bytes: Uint8Array, private readonly littleEndian: boolean) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  get position(): number {
    return this.#at;
  }

  align(to: number): void {
    this.#take((to - this.#at % to) % to);
  }

  byte(): number {
    return this.#view.getUint8(this.#take(1));
  }

  uint32(): number {
    this.align(4);
    return this.#view.getUint32(this.#take(4), this.littleEndian);
  }

  string(): string {
    return this.#text(this.uint32());
  }

  signature(): string {
    return this.#text(this.byte());
  }

  /** Valid as long as the bytes that are read. */
  byteArray(): Uint8Array {
    const length = this.uint32();
    return this.bytes.subarray(this.#take(length), this.#at);
  }

  /** Passes by a value of a basic type. */
  skip(type: string): void {
    const length = NUMBERS[type];
    if (type === "s" || type === "o") this.string();
    else if (type === "g") this.signature();
    else if (length === undefined) throw malformed(`a header field of a type that headers don't have`);
    else {
      this.align(length);
      this.#take(length);
    }
  }

  #text(length: number): string {
    const text = this.bytes.subarray(this.#take(length), this.#at);
    if (this.byte() !== 0) throw malformed("a string without a zero at its end");
    try {
      return this.#decoder.decode(text);
    } catch {
      throw malformed("a string that is no UTF-8");
    }
  }

  /** Passes by `count` bytes, and returns where they begin. */
  #take(count: number): number {
    const start = this.#at;
    if (count > this.bytes.length - start) throw malformed("a value that is longer than its message");
    this.#at += count;
    return start;
  }
}

/** The error of a message that isn't what the specification says, and what it has instead. */
export function malformed(what: string): ProtocolError {
  return new ProtocolError("malformed", `a message of the system bus is malformed: it has ${what}`);
}
