// Messages of D-Bus as a bus sends and reads them, for tests of the client.
import { Marshaller, Unmarshaller } from "../../src/systemd/marshal.ts";

export const RETURN = 2;
export const ERROR = 3;
export const SIGNAL = 4;

/** A header field: its code, its type and its value. */
export type Field = readonly [code: number, type: string, value: string | number];

/** A message of any type, with any fields and body; `length` is what it says of its body. */
export function busMessage(
  type: number,
  fields: readonly Field[],
  body: Uint8Array = new Uint8Array(),
  length: number = body.length,
): Uint8Array<ArrayBuffer> {
  const message = new Marshaller().byte("l".charCodeAt(0)).byte(type).byte(1).byte(1).uint32(length).uint32(
    77,
  );
  message.structs((array) => {
    for (const [code, its, value] of fields) {
      array.align(8).byte(code).signature(its);
      if (typeof value === "number") array.uint32(value);
      else if (its === "g") array.signature(value);
      else array.string(value);
    }
  });
  return message.align(8).append(body).bytes();
}

/** The answer to the call `serial`. */
export function returnMessage(serial: number, signature = "", body?: Uint8Array): Uint8Array<ArrayBuffer> {
  const fields: Field[] = [[5, "u", serial], [7, "s", ":1.0"]];
  return busMessage(RETURN, signature === "" ? fields : [...fields, [8, "g", signature]], body);
}

/** The answer of Properties.Get for AllowedCPUs. */
export function maskMessage(serial: number, mask: Uint8Array): Uint8Array<ArrayBuffer> {
  return returnMessage(serial, "v", new Marshaller().signature("ay").byteArray(mask).bytes());
}

export function errorMessage(serial: number, name: string, text: string): Uint8Array<ArrayBuffer> {
  const body = new Marshaller().string(text).bytes();
  return busMessage(ERROR, [[4, "s", name], [5, "u", serial], [8, "g", "s"]], body);
}

export function signalMessage(body: Uint8Array = new Uint8Array()): Uint8Array<ArrayBuffer> {
  const fields: Field[] = [[1, "o", "/a"], [2, "s", "a.b"], [3, "s", "C"], [8, "g", "ay"]];
  return busMessage(SIGNAL, fields, new Marshaller().byteArray(body).bytes());
}

export interface ReadCall {
  readonly serial: number;
  readonly path: string;
  readonly member: string;
  readonly body: Unmarshaller;
  /** Bytes of the message. */
  readonly length: number;
}

/** The method call at the start of `bytes`; undefined while it isn't whole. */
export function readCall(bytes: Uint8Array): ReadCall | undefined {
  if (bytes.length < 16) return undefined;
  const fixed = new Unmarshaller(bytes.subarray(4), true);
  const [bodyLength, serial, fieldsLength] = [fixed.uint32(), fixed.uint32(), fixed.uint32()];
  const bodyAt = 16 + Math.ceil(fieldsLength / 8) * 8;
  if (bytes.length < bodyAt + bodyLength) return undefined;
  const fields = new Unmarshaller(bytes.subarray(16, 16 + fieldsLength), true);
  const values = new Map<number, string>();
  while (fields.position < fieldsLength) {
    fields.align(8);
    const code = fields.byte();
    values.set(code, fields.signature() === "g" ? fields.signature() : fields.string());
  }
  const body = new Unmarshaller(bytes.subarray(bodyAt, bodyAt + bodyLength), true);
  const [path = "", member = ""] = [values.get(1), values.get(3)];
  return { serial, path, member, body, length: bodyAt + bodyLength };
}
