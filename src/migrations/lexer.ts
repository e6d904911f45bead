import type { SourceText } from './source-text.ts';

/**
 * PostgreSQL's lexical rules (src/backend/parser/scan.l, with standard_conforming_strings on), as far as they decide
 * where a statement ends. One pass, no recursion, no regular expressions: every character is looked at a bounded
 * number of times, so a single line of many megabytes costs no more than a short file of the same size.
 */

export type TokenKind =
  | 'space'
  | 'line-comment'
  | 'block-comment'
  | 'word'
  | 'quoted-name'
  | 'string'
  | 'dollar-string'
  | 'number'
  | 'parameter'
  | 'semicolon'
  | 'open'
  | 'close'
  | 'backslash'
  | 'symbol';

const tab = 0x09;
const lineFeed = 0x0a;
const carriageReturn = 0x0d;
const space = 0x20;
const doubleQuote = 0x22;
const dollar = 0x24;
const ampersand = 0x26;
const quote = 0x27;
const openParenthesis = 0x28;
const closeParenthesis = 0x29;
const star = 0x2a;
const minus = 0x2d;
const dot = 0x2e;
const slash = 0x2f;
const digitZero = 0x30;
const digitNine = 0x39;
const semicolon = 0x3b;
const backslash = 0x5c;
const underscore = 0x5f;

/** The scanner takes space, \t, \n, \v, \f and \r; any other Unicode space is a character of a name to it. */
function isSpace(code: number): boolean {
  return code === space || (code >= tab && code <= carriageReturn);
}

function isDigit(code: number): boolean {
  return code >= digitZero && code <= digitNine;
}

/** Letters, underscore, and every character beyond ASCII whatever it is. */
function startsWord(code: number): boolean {
  return (code >= 0x61 && code <= 0x7a) || (code >= 0x41 && code <= 0x5a) || code === underscore || code >= 0x80;
}

/** A walk over SQL text, token by token; what was found last is in `kind`, `start`, `end` and `terminated`. */
export class Lexer {
  readonly #text: SourceText;
  readonly #limit: number;
  kind: TokenKind = 'space';
  start = 0;
  end: number;
  /** False when the text ended inside the token: a quote, dollar quote or block comment without its end. */
  terminated = true;

  /** Walks `text` from `from` to `limit`, both offsets of its own. */
  constructor(text: SourceText, from = 0, limit = text.length) {
    this.#text = text;
    this.#limit = limit;
    this.end = from;
  }

  /** Steps to the next token; false at the end of the text. */
  next(): boolean {
    if (this.end >= this.#limit) return false;
    this.start = this.end;
    this.terminated = true;
    this.kind = this.#read(this.#code(this.start));
    return true;
  }

  /** Goes on at `offset`, where a statement's own lines (COPY data) have been stepped over. */
  continueAt(offset: number): void {
    this.end = offset;
  }

  /** The character at `offset`, or NaN behind the limit (all comparisons with it are false). */
  #code(offset: number): number {
    return offset < this.#limit ? this.#text.charCodeAt(offset) : Number.NaN;
  }

  #read(first: number): TokenKind {
    const second = this.#code(this.start + 1);
    if (isSpace(first)) return this.#spaces();
    if (first === minus && second === minus) return this.#lineComment();
    if (first === slash && second === star) return this.#blockComment();
    if (first === quote) return this.#string(this.start + 1, false);
    if (first === doubleQuote) return this.#quotedName(this.start + 1);
    if (startsWord(first)) return this.#wordOrPrefixedString(first, second);
    if (first === dollar) return this.#dollar(second);
    if (isDigit(first) || (first === dot && isDigit(second))) return this.#number();
    this.end = this.start + 1;
    if (first === semicolon) return 'semicolon';
    if (first === openParenthesis) return 'open';
    if (first === closeParenthesis) return 'close';
    if (first === backslash) return 'backslash';
    // Operators need no longer tokens: the scanner too cuts them where `--` or `/*` begins inside.
    return 'symbol';
  }

  #spaces(): TokenKind {
    let at = this.start + 1;
    while (isSpace(this.#code(at))) at++;
    this.end = at;
    return 'space';
  }

  #lineComment(): TokenKind {
    this.end = this.#endOfLine(this.start + 2);
    return 'line-comment';
  }

  /** Where the line that holds `at` ends: at either character of a line end, as the scanner has it. */
  #endOfLine(at: number): number {
    let end = at;
    for (; end < this.#limit; end++) {
      const code = this.#code(end);
      if (code === lineFeed || code === carriageReturn) break;
    }
    return end;
  }

  /** Block comments nest, unlike those of C. */
  #blockComment(): TokenKind {
    let depth = 1;
    let at = this.start + 2;
    while (depth > 0 && at < this.#limit) {
      const code = this.#code(at);
      const following = this.#code(at + 1);
      if (code === star && following === slash) {
        depth--;
        at += 2;
      } else if (code === slash && following === star) {
        depth++;
        at += 2;
      } else {
        at++;
      }
    }
    this.end = at;
    this.terminated = depth === 0;
    return 'block-comment';
  }

  /** A prefix (E, B, X, N, U&) counts only as a whole word directly before the quote: `note'x'` is a name and a string. */
  #wordOrPrefixedString(first: number, second: number): TokenKind {
    const letter = first | 0x20;
    if (second === quote && (letter === 0x65 || letter === 0x62 || letter === 0x78 || letter === 0x6e)) {
      return this.#string(this.start + 2, letter === 0x65);
    }
    if (second === ampersand && letter === 0x75) {
      const third = this.#code(this.start + 2);
      if (third === quote) return this.#string(this.start + 3, false);
      if (third === doubleQuote) return this.#quotedName(this.start + 3);
    }
    let at = this.start + 1;
    for (let code = this.#code(at); startsWord(code) || isDigit(code) || code === dollar; code = this.#code(at)) at++;
    this.end = at;
    return 'word';
  }

  /**
   * From the first character inside the quotes. Literals with only white space that holds a line end between them are
   * one literal, and all parts have the rules of the first: after E'a' a part on the next line takes backslashes too.
   */
  #string(from: number, backslashes: boolean): TokenKind {
    let at = from;
    for (;;) {
      const closing = this.#closingQuote(at, quote, backslashes);
      if (closing < 0) {
        this.end = this.#limit;
        this.terminated = false;
        return 'string';
      }
      this.end = closing + 1;
      const continued = this.#continuation(this.end);
      if (continued < 0) return 'string';
      at = continued;
    }
  }

  #quotedName(from: number): TokenKind {
    const closing = this.#closingQuote(from, doubleQuote, false);
    this.terminated = closing >= 0;
    this.end = this.terminated ? closing + 1 : this.#limit;
    return 'quoted-name';
  }

  /** The quote that ends what began before `from`; a doubled one is a character. -1 when the text ends first. */
  #closingQuote(from: number, mark: number, backslashes: boolean): number {
    // Most of a large file is strings, which are searched faster than they are walked through.
    if (!backslashes) return this.#closingMark(from, mark === quote ? "'" : '"');
    for (let at = from; at < this.#limit; at++) {
      const code = this.#code(at);
      if (code === mark) {
        if (this.#code(at + 1) !== mark) return at;
        at++;
      } else if (code === backslash) {
        at++;
      }
    }
    return -1;
  }

  #closingMark(from: number, mark: string): number {
    for (let at = from; ; at += 2) {
      at = this.#text.indexOf(mark, at);
      if (at < 0 || at >= this.#limit) return -1;
      if (this.#code(at + 1) !== mark.charCodeAt(0)) return at;
    }
  }

  /** The first character inside the next part of a literal, or -1. Line comments count as white space here, block comments do not. */
  #continuation(from: number): number {
    let newLine = false;
    for (let at = from; at < this.#limit; ) {
      const code = this.#code(at);
      if (code === quote) return newLine ? at + 1 : -1;
      if (code === minus && this.#code(at + 1) === minus) {
        at = this.#endOfLine(at + 2);
      } else if (isSpace(code)) {
        newLine ||= code === lineFeed || code === carriageReturn;
        at++;
      } else {
        return -1;
      }
    }
    return -1;
  }

  /** `$1` is a parameter, `$$` and `$tag$` open a dollar quote, any other dollar is a character of its own. */
  #dollar(second: number): TokenKind {
    let at = this.start + 1;
    if (isDigit(second)) {
      while (isDigit(this.#code(at))) at++;
      this.end = at;
      return 'parameter';
    }
    if (startsWord(second)) {
      for (let code = second; startsWord(code) || isDigit(code); code = this.#code(at)) at++;
    }
    if (this.#code(at) !== dollar) {
      this.end = this.start + 1;
      return 'symbol';
    }
    const tag = this.#text.slice(this.start, at + 1);
    const closing = this.#text.indexOf(tag, at + 1);
    this.terminated = closing >= 0 && closing + tag.length <= this.#limit;
    this.end = this.terminated ? closing + tag.length : this.#limit;
    return 'dollar-string';
  }

  /** Letters that follow belong to it (`0x1F`, `1e5`, and junk the server refuses); `1..2` is two numbers as in PL/pgSQL. */
  #number(): TokenKind {
    let at = this.start + 1;
    for (let code = this.#code(at); ; code = this.#code(at)) {
      if (isDigit(code) || startsWord(code)) at++;
      else if (code === dot && this.#code(at + 1) !== dot && this.#code(at - 1) !== dot) at++;
      else break;
    }
    this.end = at;
    return 'number';
  }
}
