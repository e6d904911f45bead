import { parseSync } from 'libpg-query';
import type { Statement, TextRange } from '../../src/migrations/migration.ts';
import { type SplitText, splitStatements } from '../../src/migrations/splitter.ts';

/** A statement as PostgreSQL's own parser sees it, with UTF-16 offsets and the node of its tree. */
export interface ParserStatement extends TextRange {
  /** `CopyStmt`, `TransactionStmt`, … */
  readonly kind: string;
  readonly node: Readonly<Record<string, unknown>>;
}

interface RawStatement {
  readonly stmt?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly stmt_location?: number;
  readonly stmt_len?: number;
}

/** The statements as the parser cuts them, or null when it refuses the text. Its offsets count bytes of UTF-8. */
function parserStatements(text: string): readonly ParserStatement[] | null {
  let parsed: { readonly stmts?: readonly RawStatement[] };
  try {
    parsed = parseSync(text);
  } catch {
    return null;
  }
  const bytes = Buffer.from(text, 'utf8');
  const offset = (byte: number) => bytes.toString('utf8', 0, byte).length;
  return (parsed.stmts ?? []).map(({ stmt = {}, stmt_location: from = 0, stmt_len: length = 0 }) => {
    const [kind, node] = Object.entries(stmt)[0] ?? ['', {}];
    return { kind, node, start: offset(from), end: length === 0 ? text.length : offset(from + length) };
  });
}

/** Only white space and comments, by means that have nothing in common with the lexer. */
function isBlank(text: string): boolean {
  let rest = text;
  for (;;) {
    const before = rest;
    rest = rest.replace(/^[ \t\n\v\f\r]+/, '').replace(/^--[^\n\r]*/, '');
    if (rest.startsWith('/*')) {
      let depth = 0;
      let at = 0;
      for (const [mark] of rest.matchAll(/\/\*|\*\/|./gs)) {
        if (mark === '/*') depth++;
        if (mark === '*/') depth--;
        at += mark.length;
        if (depth === 0) break;
      }
      rest = rest.slice(at);
    }
    if (rest === '') return true;
    if (rest === before) return false;
  }
}

/** What came of a comparison. */
export interface Comparison {
  /** The parser's statements, or null where it refuses the text and nothing could be compared. */
  readonly theirs: readonly ParserStatement[] | null;
  readonly ours: SplitText;
  /** Where the two disagree. */
  readonly difference: string | null;
}

/**
 * Cuts a text by the splitter and by the parser: whatever the parser accepts, the splitter cuts at the same places and
 * finds nothing wrong with. Data of COPY and the lines of a dump that only psql reads are blanked for the parser.
 */
export function compareWithParser(text: string): Comparison {
  const ours = splitStatements(text);
  const sql = withoutForeignLines(text, ours);
  const theirs = parserStatements(sql);
  return { theirs, ours, difference: theirs === null ? null : differenceOf(sql, ours, theirs) };
}

function withoutForeignLines(text: string, { statements, metaCommands }: SplitText): string {
  const data = statements.flatMap(({ copyData }) =>
    // The line \. that ends them is no SQL either.
    copyData === null ? [] : [{ start: copyData.start, end: copyData.end + 2 }],
  );
  return [...data, ...metaCommands].reduce(
    (rest, { start, end }) => rest.slice(0, start) + ' '.repeat(end - start) + rest.slice(end),
    text,
  );
}

function differenceOf(
  text: string,
  { statements, problems }: SplitText,
  theirs: readonly ParserStatement[],
): string | null {
  const copies = theirs.filter(isCopyFromClient).length;
  // The parser knows nothing of the lines that have to follow.
  if (copies > 0 && problems.length > 0 && problems.every(isOfCopy)) return null;
  if (problems[0] !== undefined) return `a problem where the parser has none: ${problems[0].message}`;
  const ranges = (all: readonly TextRange[]) => all.map(({ start, end }) => `${start}-${end}`).join(' ');
  const alike = statements.length === theirs.length && theirs.every((their, at) => isSame(text, statements[at], their));
  if (!alike) return `cut at ${ranges(statements)}, by the parser at ${ranges(theirs)}`;
  const ourCopies = statements.filter(({ copyData }) => copyData !== null).length;
  return ourCopies === copies ? null : `${ourCopies} COPY with data, ${copies} for the parser`;
}

function isSame(text: string, ours: Statement | undefined, theirs: TextRange): boolean {
  if (ours === undefined || ours.start < theirs.start || ours.end <= ours.start || ours.end > theirs.end) return false;
  return isBlank(text.slice(theirs.start, ours.start)) && isBlank(text.slice(ours.end, theirs.end));
}

function isCopyFromClient({ kind, node }: ParserStatement): boolean {
  return kind === 'CopyStmt' && node['is_from'] === true && !('filename' in node);
}

function isOfCopy({ message }: { readonly message: string }): boolean {
  return message.includes('COPY … FROM stdin');
}
