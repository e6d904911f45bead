import { createHash } from 'node:crypto';

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
  return createHash('sha256').update(withoutMark.replace(/\r\n?/g, '\n'), 'utf8').digest('hex');
}

const byteOrderMark = Buffer.from('\uFEFF');

/** The same over text that comes in parts, as bytes of UTF-8; the first has a byte order mark as a whole. */
export class RunningChecksum {
  readonly #hash = createHash('sha256');
  #first = true;
  /** The part before ended in a carriage return: a line feed at the beginning of the next belongs to it. */
  #afterReturn = false;

  add(part: Buffer): void {
    const marked = this.#first && part.subarray(0, byteOrderMark.length).equals(byteOrderMark);
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
