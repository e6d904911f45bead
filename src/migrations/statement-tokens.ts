import { Lexer } from './lexer.ts';
import type { SourceText } from './source-text.ts';
import { foldKeyword } from './splitter.ts';

/** The tokens of one statement's text without white space and comments; unquoted words in upper case, all else as written. */
export function statementTokens(sql: string): readonly string[] {
  return [...tokensBetween(sql, 0, sql.length)];
}

/** The same for a statement within a file, one by one, so that a long one need not be read to its end. */
export function* tokensBetween(text: SourceText, start: number, end: number): Generator<string, void> {
  const lexer = new Lexer(text, start, end);
  while (lexer.next()) {
    if (lexer.kind === 'space' || lexer.kind === 'line-comment' || lexer.kind === 'block-comment') continue;
    const token = text.slice(lexer.start, lexer.end);
    yield lexer.kind === 'word' ? foldKeyword(token) : token;
  }
}

/** The options of the first parenthesised list at or after `from`: `WITH (connect = false, x)` gives connect → FALSE, x → ''. */
export function parenthesisedOptions(tokens: readonly string[], from: number): ReadonlyMap<string, string> {
  const options = new Map<string, string>();
  const open = tokens.indexOf('(', from);
  if (open < 0) return options;
  let option: string[] = [];
  for (const token of tokens.slice(open + 1)) {
    if (token !== ',' && token !== ')') {
      option.push(token);
      continue;
    }
    const [name, ...value] = option.filter((part) => part !== '=');
    if (name !== undefined) options.set(foldKeyword(unquoted(name)), foldKeyword(unquoted(value.join(' '))));
    if (token === ')') break;
    option = [];
  }
  return options;
}

function unquoted(token: string): string {
  return /^(['"]).*\1$/s.test(token) ? token.slice(1, -1) : token;
}

/** A boolean option as the server reads it: absent takes `otherwise`, a bare name is on. */
export function isOn(options: ReadonlyMap<string, string>, name: string, otherwise: boolean): boolean {
  const value = options.get(name);
  if (value === undefined) return otherwise;
  return !['FALSE', 'OFF', '0'].includes(value);
}
