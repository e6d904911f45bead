import { FileText } from './file-text.ts';

/**
 * The text of a file: a string, or, where it is too large to keep, read from the disk piece by piece. Offsets are
 * UTF-16 units in the one and bytes in the other; both mean the same text, and PostgreSQL's lexical rules see no
 * difference, since every character beyond ASCII is a letter to them.
 */
export type SourceText = string | FileText;

/** How much of `text` such a part of it is: the same unit as its offsets. */
export function extentOf(text: SourceText, part: string): number {
  return text instanceof FileText ? Buffer.byteLength(part) : part.length;
}

/** Whether the unit `code` goes on with a character that began before it. */
export function goesOn(text: SourceText, code: number): boolean {
  return text instanceof FileText ? code >= 0x80 && code <= 0xbf : code >= 0xdc00 && code <= 0xdfff;
}

/** Whether `word`, which is ASCII, stands at `offset`. */
export function standsAt(text: SourceText, offset: number, word: string): boolean {
  for (let at = 0; at < word.length; at++) {
    if (text.charCodeAt(offset + at) !== word.charCodeAt(at)) return false;
  }
  return true;
}
