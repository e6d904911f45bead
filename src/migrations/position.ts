import { goesOn, type SourceText } from './source-text.ts';

/** From an offset in a text, or a position the server tells, to the place a person looks for. */

/** A place as people count it: line and column from 1, the column in characters (code points). */
export interface TextPosition {
  readonly line: number;
  readonly column: number;
  /** The text of the line, or the part around the place where the line is too long to show. */
  readonly excerpt: string;
  /** The column at which `excerpt` begins: 1 unless the line was cut. */
  readonly excerptColumn: number;
}

const lineFeed = 0x0a;
const carriageReturn = 0x0d;

/** How much of a line is shown on either side of the place, in units of its offsets: dumps have lines of many megabytes. */
const shownAround = 100;
const longestWholeLine = 4 * shownAround;

function isLineEnd(code: number): boolean {
  return code === lineFeed || code === carriageReturn;
}

function countCharacters(text: SourceText, from: number, to: number): number {
  let count = 0;
  for (let at = from; at < to; at++) {
    // What goes on with a character belongs to the one counted at its beginning.
    if (!goesOn(text, text.charCodeAt(at)) || at === from) count++;
  }
  return count;
}

/** Line and column of an offset in the text; `\n`, `\r\n` and a lone `\r` each end a line, as for the server. */
export function locate(text: SourceText, offset: number): TextPosition {
  const place = Math.min(Math.max(offset, 0), text.length);
  let line = 1;
  let lineStart = 0;
  for (let at = 0; at < place; at++) {
    const code = text.charCodeAt(at);
    if (code === lineFeed || (code === carriageReturn && text.charCodeAt(at + 1) !== lineFeed)) {
      line++;
      lineStart = at + 1;
    }
  }
  let lineEnd = place;
  while (lineEnd < text.length && !isLineEnd(text.charCodeAt(lineEnd))) lineEnd++;
  // The \n of a \r\n is at the end of the line before, one column behind its last character.
  if (lineEnd === place && lineEnd > lineStart && text.charCodeAt(lineEnd - 1) === carriageReturn) lineEnd--;
  const column = countCharacters(text, lineStart, Math.min(place, lineEnd)) + 1;
  if (lineEnd - lineStart <= longestWholeLine) {
    return { line, column, excerpt: text.slice(lineStart, lineEnd), excerptColumn: 1 };
  }
  const from = wholeCharacter(text, Math.max(lineStart, place - shownAround));
  const to = wholeCharacter(text, Math.min(lineEnd, place + shownAround));
  return { line, column, excerpt: text.slice(from, to), excerptColumn: column - countCharacters(text, from, place) };
}

/** The offset itself, or the beginning of the character that it would cut. */
function wholeCharacter(text: SourceText, offset: number): number {
  let at = offset;
  while (at > 0 && goesOn(text, text.charCodeAt(at))) at--;
  return at;
}

/** The UTF-16 offset of a position as the server counts it: characters from 1 (field `P` of an error message). */
export function offsetOfPosition(text: string, position: number): number {
  let offset = 0;
  for (let character = 1; character < position && offset < text.length; character++) {
    const code = text.codePointAt(offset) ?? 0;
    offset += code > 0xffff ? 2 : 1;
  }
  return offset;
}
