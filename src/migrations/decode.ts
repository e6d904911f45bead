/** From the bytes of a file to its text, strictly: what is not UTF-8 is refused, never replaced by U+FFFD. */
import { constants } from 'node:buffer';

export type Decoded =
  | { readonly text: string }
  | { readonly problem: { readonly message: string; readonly hint: string; readonly line?: number } };

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

function lineOf(bytes: Uint8Array, offset: number): number {
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

/** Decodes a file's bytes; a byte order mark of UTF-8 is dropped, since the server takes it for part of the first word. */
export function decode(bytes: Uint8Array): Decoded {
  const encoding = foreignEncoding(bytes);
  if (encoding !== null) {
    return {
      problem: {
        message: `the file is encoded in ${encoding}`,
        hint: `save it as UTF-8, for example: iconv -f ${encoding} -t UTF-8`,
      },
    };
  }
  const zero = bytes.indexOf(0);
  if (zero >= 0) {
    return {
      problem: {
        message: 'the file holds a NUL byte, which PostgreSQL takes in no text',
        hint: 'remove it; if the file is meant to hold binary values, write them as hexadecimal bytea',
        line: lineOf(bytes, zero),
      },
    };
  }
  if (bytes.length > constants.MAX_STRING_LENGTH) {
    return {
      problem: {
        message: `the file is larger than ${Math.floor(constants.MAX_STRING_LENGTH / 1_048_576)} MiB`,
        hint: 'divide it into several migrations',
      },
    };
  }
  try {
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(bytes) };
  } catch {
    return {
      problem: {
        message: 'the file is not UTF-8 here',
        hint: 'save it as UTF-8; if it is Latin-1: iconv -f ISO-8859-1 -t UTF-8',
        line: firstBadLine(bytes),
      },
    };
  }
}
