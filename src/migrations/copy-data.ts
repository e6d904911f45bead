import type { TextRange } from './migration.ts';
import { type SourceText, standsAt } from './source-text.ts';

/** The data lines of a COPY and where SQL goes on, or what is wrong with them (without an offset: the statement itself). */
export type CopyData =
  | { readonly data: TextRange; readonly next: number }
  | {
      readonly problem: { readonly message: string; readonly hint: string; readonly offset?: number };
      readonly next: number;
    };

function isLineEnd(text: SourceText, offset: number): boolean {
  return standsAt(text, offset, '\n') || standsAt(text, offset, '\r');
}

/** Where the line that holds `offset` ends, before its `\n`, `\r\n` or `\r`. */
export function endOfLine(text: SourceText, offset: number): number {
  let at = offset;
  while (at < text.length && !isLineEnd(text, at)) at++;
  return at;
}

/**
 * Finds the data of a `COPY … FROM stdin` whose semicolon ends before `from`: psql's rules, which pg_dump writes for.
 * Data begin on the next line and end before a line that is `\.` and nothing else. (psql runs what follows the
 * semicolon on its line after the data; that order surprises, so such text is refused.)
 */
export function findCopyData(text: SourceText, from: number): CopyData {
  const lineEnd = endOfLine(text, from);
  const rest = text.slice(from, lineEnd).trim();
  if (rest !== '' && !rest.startsWith('--')) {
    return {
      problem: {
        message: 'there is more after COPY … FROM stdin on its line; the data begin on the next',
        hint: 'put what follows the semicolon below the line \\. that ends the data',
        offset: from,
      },
      next: lineEnd,
    };
  }
  const start = standsAt(text, lineEnd, '\r\n') ? lineEnd + 2 : Math.min(lineEnd + 1, text.length);
  for (let at = text.indexOf('\\.', start); at >= 0; at = text.indexOf('\\.', at + 2)) {
    const alone = at + 2 >= text.length || isLineEnd(text, at + 2);
    const atLineStart = at === start || isLineEnd(text, at - 1);
    if (alone && atLineStart) return { data: { start, end: at }, next: at + 2 };
  }
  return {
    problem: {
      message: 'the data of this COPY … FROM stdin have no end',
      hint: 'end the data by a line that is \\. and nothing else',
    },
    next: text.length,
  };
}
