/** A connection as people write it, URL or keywords, taken apart by libpq's rules. Pure: nothing here prints or looks anything up. */
import type { Problem } from '../../errors.ts';
import { parseKeywords } from './keywords.ts';
import { parseUrl } from './url.ts';

/** What a connection string says, by libpq's keyword. Problems never quote the string: a password may stand anywhere in a malformed one. */
export interface ConnectionText {
  readonly values: ReadonlyMap<string, string>;
  readonly problems: readonly Problem[];
}

const forms = 'write postgresql://user@host:5432/name or "host=… dbname=… user=…"';

function neither(text: string): Problem {
  if (/^["'`]/.test(text)) return { message: 'it begins with a quote', hint: 'remove the quotes around the value' };
  const scheme = /^([a-z][a-z0-9+:.-]{0,30}):\/\//i.exec(text)?.[1];
  if (scheme !== undefined) {
    return {
      message: `the scheme "${scheme}" is not one of PostgreSQL`,
      hint: 'begin the URL with postgresql:// (in lower case)',
    };
  }
  return { message: 'it is neither a URL nor keywords', hint: `${forms}; a name alone is written dbname=…` };
}

/** Reads a URL or a keyword string; the empty string says nothing and is fine. White space around it is dropped, since files with secrets end in a line feed. */
export function parseConnectionText(given: string): ConnectionText {
  const text = given.trim();
  if (text === '') return { values: new Map(), problems: [] };
  if (/^postgres(ql)?:\/\//.test(text)) return parseUrl(text);
  if (/^[a-z][a-z0-9+:.-]*:\/\//i.test(text) || !text.includes('=') || /^["'`]/.test(text)) {
    return { values: new Map(), problems: [neither(text)] };
  }
  return parseKeywords(text);
}
