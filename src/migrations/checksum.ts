import { createHash } from 'node:crypto';

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
