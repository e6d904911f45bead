import type { ConnectionText } from './connection-text.ts';

/**
 * `host=localhost dbname='my db'` by libpq's rules: blanks around `=` are allowed, a backslash takes the next
 * character as it is, and quotes are needed for empty values and blanks.
 */
export function parseKeywords(text: string): ConnectionText {
  const values = new Map<string, string>();
  const blank = /\s/;
  let at = 0;
  const failed = (message: string, hint: string): ConnectionText => ({ values, problems: [{ message, hint }] });
  const skipBlanks = () => {
    while (at < text.length && blank.test(text.charAt(at))) at++;
  };
  for (skipBlanks(); at < text.length; skipBlanks()) {
    const start = at;
    while (at < text.length && text[at] !== '=' && !blank.test(text.charAt(at))) at++;
    const name = text.slice(start, at);
    skipBlanks();
    if (text[at] !== '=') {
      return failed(
        'a word in it has no "=" after it',
        'write every part as keyword=value; put a value with blanks in single quotes',
      );
    }
    at++;
    skipBlanks();
    let value = '';
    const quoted = text[at] === "'";
    if (quoted) at++;
    const ends = (character: string) => (quoted ? character === "'" : blank.test(character));
    while (at < text.length && !ends(text.charAt(at))) {
      if (text[at] === '\\') at++;
      value += text.charAt(at);
      at++;
    }
    if (quoted) {
      if (at >= text.length)
        return failed(
          'a quoted value in it is not closed',
          "end the value with a single quote; write a quote inside it as \\'",
        );
      at++;
    }
    values.set(name, value);
  }
  return { values, problems: [] };
}
