import * as crypto from 'node:crypto';

const lineFeed = 0x0a;
const carriageReturn = 0x0d;

/** The name stored beside every checksum. What it means is fixed for ever; another way of counting gets another name. */
export const checksumAlgorithm = 'sha256-lf';

/**
 * SHA-256 in hex over the text in UTF-8 without a byte order mark and with LF line ends, so that a checkout on another
 * system, or an editor that rewrites line ends, never looks like a changed migration.
 */
export function checksumOf(text: string): string {
  const withoutMark = text.startsWith('\uFEFF') ? text.slice(1) : text;
  return crypto.createHash('sha256').update(withoutMark.replace(/\r\n?/g, '\n'), 'utf8').digest('hex');
}

/** As `checksumOf`, of the bytes of a file. */
export function checksumOfBytes(bytes: Uint8Array): string {
  if (!bytes.includes(carriageReturn) && !isMarked(bytes)) return sha256(bytes);
  const checksum = new RunningChecksum();
  checksum.add(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  return checksum.digest();
}

// Node has `hash` since 20.12; it takes half the time for something small.
const sha256: (bytes: Uint8Array) => string =
  crypto.hash === undefined
    ? (bytes) => crypto.createHash('sha256').update(bytes).digest('hex')
    : (bytes) => crypto.hash('sha256', bytes, 'hex');

const byteOrderMark = Buffer.from('\uFEFF');

function isMarked(bytes: Uint8Array): boolean {
  return byteOrderMark.every((byte, at) => bytes[at] === byte);
}

/** The same over text that comes in parts, as bytes of UTF-8; the first has a byte order mark as a whole. */
export class RunningChecksum {
  readonly #hash = crypto.createHash('sha256');
  #first = true;
  /** The part before ended in a carriage return: a line feed at the beginning of the next belongs to it. */
  #afterReturn = false;

  add(part: Buffer): void {
    const marked = this.#first && isMarked(part);
    this.#first = false;
    const skipped = marked ? byteOrderMark.length : Number(this.#afterReturn && part[0] === lineFeed);
    const rest = part.subarray(skipped);
    if (part.length > 0) this.#afterReturn = part.at(-1) === carriageReturn;
    this.#hash.update(rest.includes(carriageReturn) ? withLineFeeds(rest) : rest);
  }

  digest(): string {
    return this.#hash.digest('hex');
  }
}

function withLineFeeds(part: Buffer): Buffer {
  const text = Buffer.allocUnsafe(part.length);
  let length = 0;
  for (let at = 0; at < part.length; at++) {
    const isReturn = part[at] === carriageReturn;
    text[length++] = isReturn ? lineFeed : (part[at] ?? 0);
    if (isReturn && part[at + 1] === lineFeed) at++;
  }
  return text.subarray(0, length);
}
