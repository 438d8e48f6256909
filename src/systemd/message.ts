/**
 * Messages of D-Bus, as far as a caller needs them: method calls out; returns and errors in, all others passed by.
 *
 *     byte order, type, flags, version | length of the body | serial | array of header fields | padding to 8 | body
 *
 * Source: "Message Format" of the D-Bus specification.
 */
import { type BusInput, MAX_REPLY } from "./bus_input.ts";
import { malformed, Marshaller, Unmarshaller } from "./marshal.ts";
import { ProtocolError } from "../wire/errors.ts";

/** Bytes before the header fields, the length of their array included. */
const FIXED = 16;
/** The most bytes that a message may have by the specification. */
const MAX_MESSAGE = 128 * 1024 * 1024;

const LITTLE_ENDIAN = "l".charCodeAt(0);
const BIG_ENDIAN = "B".charCodeAt(0);
const VERSION = 1;
const TYPE = { CALL: 1, RETURN: 2, ERROR: 3 } as const;
/** Who isn't there isn't started for the call. */
const NO_AUTO_START = 2;

/** Header fields by their code, each with its type. */
const FIELD = {
  PATH: [1, "o"],
  INTERFACE: [2, "s"],
  MEMBER: [3, "s"],
  ERROR_NAME: [4, "s"],
  REPLY_SERIAL: [5, "u"],
  DESTINATION: [6, "s"],
  SIGNATURE: [8, "g"],
} as const;

/** A call of a method. */
export interface MethodCall {
  readonly destination: string;
  /** Of the object. */
  readonly path: string;
  readonly interface: string;
  readonly member: string;
  /** The types of the arguments; empty: there are none. */
  readonly signature: string;
  /** The arguments, marshalled. */
  readonly body: Uint8Array;
}

/** An answer to a call. */
export type BusReply =
  | {
    readonly kind: "return";
    readonly serial: number;
    readonly signature: string;
    readonly body: Unmarshaller;
  }
  | { readonly kind: "error"; readonly serial: number; readonly name: string; readonly text: string };

/** @param serial not zero, and another one for each call of a connection */
export function encodeCall(call: MethodCall, serial: number): Uint8Array<ArrayBuffer> {
  const message = new Marshaller()
    .byte(LITTLE_ENDIAN).byte(TYPE.CALL).byte(NO_AUTO_START).byte(VERSION)
    .uint32(call.body.length)
    .uint32(serial);
  message.structs((fields) => {
    const add = ([code, type]: readonly [number, string], value: string) =>
      fields.align(8).byte(code).signature(type)[type === "g" ? "signature" : "string"](value);
    add(FIELD.PATH, call.path);
    add(FIELD.DESTINATION, call.destination);
    add(FIELD.INTERFACE, call.interface);
    add(FIELD.MEMBER, call.member);
    if (call.signature !== "") add(FIELD.SIGNATURE, call.signature);
  });
  return message.align(8).append(call.body).bytes();
}

/**
 * Reads one message: an answer, valid until the next read; or undefined for another one, however long, which is passed by
 * without being kept: any local user can send a signal to a connection of the system bus.
 * @throws {ProtocolError} when the bytes are no message, or an answer is too long
 */
export function readReply(input: BusInput): BusReply | undefined {
  const { type, littleEndian, fieldsLength, bodyLength } = readFixed(input.take(FIXED));
  const bodyAt = Math.ceil(fieldsLength / 8) * 8;
  const length = FIXED + bodyAt + bodyLength;
  if (length > MAX_MESSAGE) throw malformed(`${length} bytes, and at most ${MAX_MESSAGE} are allowed`);
  if (type !== TYPE.RETURN && type !== TYPE.ERROR) {
    input.drop(length - FIXED);
    return undefined;
  }
  if (length > MAX_REPLY) {
    throw new ProtocolError(
      "oversize-frame",
      `an answer on the system bus has ${length} bytes, over ${MAX_REPLY}`,
    );
  }
  const rest = input.take(length - FIXED);
  const fields = readFields(new Unmarshaller(rest.subarray(0, fieldsLength), littleEndian), fieldsLength);
  const body = new Unmarshaller(rest.subarray(bodyAt), littleEndian);
  return type === TYPE.ERROR ? errorOf(fields, body) : returnOf(fields, body);
}

function readFixed(bytes: Uint8Array) {
  const [order, type = 0, , version] = bytes;
  if (order !== LITTLE_ENDIAN && order !== BIG_ENDIAN) throw malformed("neither byte order at its start");
  if (version !== VERSION) throw malformed(`the version ${version}, and there is only ${VERSION}`);
  if (type === 0) throw malformed("the type 0");
  const numbers = new Unmarshaller(bytes.subarray(4), order === LITTLE_ENDIAN);
  const bodyLength = numbers.uint32();
  numbers.uint32(); // the sender's serial
  return { type, littleEndian: order === LITTLE_ENDIAN, bodyLength, fieldsLength: numbers.uint32() };
}

interface Fields {
  serial?: number;
  errorName?: string;
  signature?: string;
}

/** The header fields that an answer is known by. */
function readFields(reader: Unmarshaller, length: number): Fields {
  const fields: Fields = {};
  while (reader.position < length) {
    reader.align(8);
    const code = reader.byte();
    const type = reader.signature();
    const is = ([known, its]: readonly [number, string]) => {
      if (code === known && type !== its) {
        throw malformed(`a header field ${code} of another type than ${its}`);
      }
      return code === known;
    };
    if (is(FIELD.REPLY_SERIAL)) fields.serial = reader.uint32();
    else if (is(FIELD.ERROR_NAME)) fields.errorName = reader.string();
    else if (is(FIELD.SIGNATURE)) fields.signature = reader.signature();
    else reader.skip(type);
  }
  return fields;
}

function returnOf({ serial, signature = "" }: Fields, body: Unmarshaller): BusReply {
  if (serial === undefined) throw malformed("no call that it answers");
  return { kind: "return", serial, signature, body };
}

function errorOf({ serial, errorName, signature = "" }: Fields, body: Unmarshaller): BusReply {
  if (serial === undefined || errorName === undefined) {
    throw malformed("an error without its call or its name");
  }
  return { kind: "error", serial, name: errorName, text: signature.startsWith("s") ? body.string() : "" };
}
