/** From the bytes of a file to its text, strictly: what is not UTF-8 is refused, never replaced by U+FFFD. */
import { isUtf8 } from 'node:buffer';

export interface DecodeProblem {
  readonly message: string;
  readonly hint: string;
  readonly line?: number;
}

const lineFeed = 0x0a;

/** UTF-32 comes first: its little-endian mark begins with that of UTF-16. */
const foreignMarks: readonly (readonly [encoding: string, mark: readonly number[]])[] = [
  ['UTF-32LE', [0xff, 0xfe, 0, 0]],
  ['UTF-32BE', [0, 0, 0xfe, 0xff]],
  ['UTF-16LE', [0xff, 0xfe]],
  ['UTF-16BE', [0xfe, 0xff]],
];

/** The encoding that is not UTF-8, told by its mark or by every second byte of the beginning being zero; else null. */
function foreignEncoding(bytes: Uint8Array): string | null {
  const marked = foreignMarks.find(([, mark]) => mark.every((byte, at) => bytes[at] === byte));
  if (marked) return marked[0];
  const beginning = bytes.subarray(0, 64);
  if (beginning.length < 4) return null;
  const zerosAt = (parity: number) => beginning.every((byte, at) => (at % 2 === parity) === (byte === 0));
  if (zerosAt(1)) return 'UTF-16LE';
  return zerosAt(0) ? 'UTF-16BE' : null;
}

function foreign(encoding: string): { readonly message: string; readonly hint: string } {
  return {
    message: `the file is encoded in ${encoding}`,
    hint: `save it as UTF-8, for example: iconv -f ${encoding} -t UTF-8`,
  };
}

const holdsZero = {
  message: 'the file holds a NUL byte, which PostgreSQL takes in no text',
  hint: 'remove it; if the file is meant to hold binary values, write them as hexadecimal bytea',
} as const;

const notUtf8 = {
  message: 'the file is not UTF-8 here',
  hint: 'save it as UTF-8; if it is Latin-1: iconv -f ISO-8859-1 -t UTF-8',
} as const;

export function lineOf(bytes: Uint8Array, offset: number): number {
  let line = 1;
  for (let at = bytes.indexOf(lineFeed); at >= 0 && at < offset; at = bytes.indexOf(lineFeed, at + 1)) line++;
  return line;
}

/** The first line that is not UTF-8: a line feed is never part of a longer character, so lines can be tried one by one. */
function firstBadLine(bytes: Uint8Array): number {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let line = 1;
  for (let from = 0; ; line++) {
    const at = bytes.indexOf(lineFeed, from);
    try {
      decoder.decode(bytes.subarray(from, at < 0 ? bytes.length : at));
    } catch {
      return line;
    }
    if (at < 0) return line;
    from = at + 1;
  }
}

/** Why bytes are no text, or null. */
export function decodeProblem(bytes: Uint8Array): DecodeProblem | null {
  const zero = bytes.indexOf(0);
  // The mark of another encoding is not UTF-8 or holds a NUL byte, as text without its mark does.
  if (zero < 0 && isUtf8(bytes)) return null;
  const encoding = foreignEncoding(bytes);
  if (encoding !== null) return foreign(encoding);
  return zero >= 0 ? { ...holdsZero, line: lineOf(bytes, zero) } : { ...notUtf8, line: firstBadLine(bytes) };
}

/** The text of bytes that have no problem; a byte order mark of UTF-8 is dropped, since the server takes it for part of the first word. */
export function textOf(bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
}

/** As `decodeProblem`, of a file that comes in parts: what is wrong with the bytes so far, or null. Lines count from the part that was added last. */
export class RunningDecode {
  /** The beginning of a character whose end is in the next part. */
  #cut: Buffer = Buffer.alloc(0);
  #first = true;

  add(part: Buffer): DecodeProblem | null {
    const encoding = this.#first ? foreignEncoding(part) : null;
    this.#first = false;
    if (encoding !== null) return foreign(encoding);
    const bytes = this.#cut.length === 0 ? part : Buffer.concat([this.#cut, part]);
    const zero = bytes.indexOf(0);
    if (zero >= 0) return { ...holdsZero, line: lineOf(bytes, zero) };
    const whole = bytes.subarray(0, lastCharacter(bytes));
    if (!isUtf8(whole)) return { ...notUtf8, line: firstBadLine(whole) };
    this.#cut = Buffer.from(bytes.subarray(whole.length));
    return null;
  }

  /** To be asked behind the last part. */
  end(): DecodeProblem | null {
    return this.#cut.length === 0 || isUtf8(this.#cut) ? null : { ...notUtf8, line: 1 };
  }
}

/** Where the last character begins, if it may go on behind these bytes; else their end. */
function lastCharacter(bytes: Uint8Array): number {
  for (let at = bytes.length - 1; at >= Math.max(0, bytes.length - longestCharacter); at--) {
    const byte = bytes[at] ?? 0;
    if (byte < 0x80) return bytes.length;
    if (byte >= 0xc0) return at;
  }
  return bytes.length;
}

/** Bytes of UTF-8. */
const longestCharacter = 4;
