import { endOfLine, findCopyData } from './copy-data.ts';
import { Lexer, type TokenKind } from './lexer.ts';
import { metaCommandProblem, metaCommandWord } from './meta-commands.ts';
import type { Statement, TextProblem, TextRange } from './migration.ts';
import { type SourceText, standsAt } from './source-text.ts';

/** A text taken apart. When `problems` is not empty the statements are only some of the file's. */
export interface SplitText {
  readonly statements: readonly Statement[];
  readonly problems: readonly TextProblem[];
  /** Lines `\restrict` and `\unrestrict` of a dump, which no server understands: they are never sent. */
  readonly metaCommands: readonly TextRange[];
  /** Comments that begin with `pulse:`, wherever they stand. */
  readonly directiveComments: readonly TextRange[];
}

const mostKeywords = 8;

/** A file for psql can have thousands of its commands: the first few say all there is to say. */
const mostProblems = 20;

const unterminated: Partial<Record<TokenKind, readonly [message: string, hint: string]>> = {
  string: ['the string that begins here has no end', "add the closing ' (a quote inside a string is written twice)"],
  'quoted-name': ['the quoted name that begins here has no end', 'add the closing "'],
  'dollar-string': ['the dollar quote that begins here has no end', 'close it with the same tag, letter by letter'],
  'block-comment': ['the comment that begins here has no end', 'add */ (comments nest: each /* inside needs its own)'],
};

/** What is known of the statement being read. */
interface Reading {
  start: number;
  end: number;
  keywords: string[];
  /** True until the first token that is not an unquoted word. */
  leading: boolean;
  /** Parentheses open: a semicolon inside them belongs to CREATE RULE … DO (a; b). */
  depth: number;
  /** How many BEGIN ATOMIC … END this is inside of: the grammar, though not the server, lets one hold another. */
  bodies: number;
  /** The first words at the beginning of the present statement of a body. */
  inner: string[];
  /** The last token: a word in upper case, `;`, or empty for anything else. */
  previous: string;
  copiesFromClient: boolean;
}

function nothingRead(): Reading {
  return {
    start: -1,
    end: -1,
    keywords: [],
    leading: true,
    depth: 0,
    bodies: 0,
    inner: [],
    previous: '',
    copiesFromClient: false,
  };
}

/** Only ASCII letters change: the server folds keywords so, and `ı` or `ß` must not turn one name into another. */
export function foldKeyword(word: string): string {
  for (let at = 0; at < word.length; at++) {
    if (word.charCodeAt(at) >= 0x80) return word.replace(/[a-z]+/g, (letters) => letters.toUpperCase());
  }
  return word.toUpperCase();
}

function createsRoutine(keywords: readonly string[]): boolean {
  if (keywords[0] !== 'CREATE') return false;
  const kind = keywords[1] === 'OR' && keywords[2] === 'REPLACE' ? keywords[3] : keywords[1];
  return kind === 'FUNCTION' || kind === 'PROCEDURE';
}

/** The list before it, where both say the same: a file of a million INSERTs keeps one list. */
function shared(before: readonly string[] | undefined, keywords: readonly string[]): readonly string[] {
  const same = before?.length === keywords.length && keywords.every((word, at) => word === before[at]);
  return same ? before : keywords;
}

function isDirectiveComment(text: SourceText, start: number): boolean {
  let at = start + 2;
  while (standsAt(text, at, ' ') || standsAt(text, at, '\t')) at++;
  return standsAt(text, at, 'pulse:');
}

/** Takes note of one significant token, which is not a semicolon that ends the statement. */
function readToken(reading: Reading, text: SourceText, lexer: Lexer): void {
  if (reading.start < 0) reading.start = lexer.start;
  reading.end = lexer.end;
  const { kind } = lexer;
  if (kind === 'open') reading.depth++;
  else if (kind === 'close') reading.depth = Math.max(0, reading.depth - 1);
  if (kind !== 'word') {
    reading.leading = false;
    reading.previous = kind === 'semicolon' ? ';' : '';
    return;
  }
  const isCopy = reading.keywords[0] === 'COPY';
  if (!reading.leading && !isCopy && !createsRoutine(reading.keywords)) return;
  const word = foldKeyword(text.slice(lexer.start, lexer.end));
  if (reading.leading && reading.keywords.length < mostKeywords) reading.keywords.push(word);
  reading.previous = reading.depth === 0 && readStructure(reading, word, isCopy) ? ';' : word;
}

/** The words that change where a statement ends; true where a statement of a body begins next, as after a semicolon. */
function readStructure(reading: Reading, word: string, isCopy: boolean): boolean {
  if (isCopy) {
    // The grammar takes STDOUT here as well, and means the same by it.
    if (reading.previous === 'FROM' && (word === 'STDIN' || word === 'STDOUT')) reading.copiesFromClient = true;
  } else if (reading.bodies > 0) {
    if (reading.previous === ';') reading.inner = [];
    if (reading.inner.length < mostKeywords) reading.inner.push(word);
    // Each statement of a body ends in a semicolon, so the END of the body follows one (or the body is empty); that of
    // a CASE, and a column called "end", never do. COMMIT's other name END is not allowed inside.
    if (word === 'END' && reading.previous === ';') reading.bodies--;
    else return beginsBody(reading, word, reading.inner);
  } else {
    return beginsBody(reading, word, reading.keywords);
  }
  return false;
}

function beginsBody(reading: Reading, word: string, keywords: readonly string[]): boolean {
  if (word !== 'ATOMIC' || reading.previous !== 'BEGIN' || !createsRoutine(keywords)) return false;
  reading.bodies++;
  return true;
}

/** Cuts SQL text into its top-level statements by the server's lexical rules. Time is linear in the text's length. */
export function splitStatements(text: SourceText): SplitText {
  const statements: Statement[] = [];
  const problems: TextProblem[] = [];
  const metaCommands: TextRange[] = [];
  const directiveComments: TextRange[] = [];
  const lexer = new Lexer(text);
  let reading = nothingRead();

  const finish = (copyData: Statement['copyData']) => {
    if (reading.start >= 0) {
      const { start, end } = reading;
      statements.push({ start, end, keywords: shared(statements.at(-1)?.keywords, reading.keywords), copyData });
    }
    reading = nothingRead();
  };

  const finishCopy = (semicolonEnd: number) => {
    const found = findCopyData(text, semicolonEnd);
    if ('problem' in found) {
      problems.push({ ...found.problem, offset: found.problem.offset ?? reading.start });
      lexer.continueAt(found.next);
      finish(null);
    } else {
      lexer.continueAt(found.next);
      finish(found.data);
    }
  };

  const readBackslash = () => {
    const word = metaCommandWord(text, lexer.start);
    const lineEnd = endOfLine(text, lexer.start);
    if (reading.start < 0 && (word === '\\restrict' || word === '\\unrestrict')) {
      metaCommands.push({ start: lexer.start, end: lineEnd });
    } else {
      problems.push(metaCommandProblem(word, lexer.start));
    }
    // psql reads its commands to the end of the line, so what follows there is not SQL and its quotes do not count.
    lexer.continueAt(lineEnd);
  };

  while (problems.length < mostProblems && lexer.next()) {
    const { kind } = lexer;
    if (!lexer.terminated) {
      const [message, hint] = unterminated[kind] ?? ['this has no end', 'close it'];
      problems.push({ offset: lexer.start, message, hint });
      return { statements, problems, metaCommands, directiveComments };
    }
    if (kind === 'space') continue;
    if (kind === 'line-comment' || kind === 'block-comment') {
      if (isDirectiveComment(text, lexer.start)) directiveComments.push({ start: lexer.start, end: lexer.end });
    } else if (kind === 'backslash') {
      readBackslash();
    } else if (kind !== 'semicolon' || reading.depth > 0 || reading.bodies > 0) {
      readToken(reading, text, lexer);
    } else if (reading.copiesFromClient) {
      finishCopy(lexer.end);
    } else {
      finish(null);
    }
  }
  if (reading.copiesFromClient) finishCopy(text.length);
  finish(null);
  return { statements, problems, metaCommands, directiveComments };
}
