import { type Location, type Problem, PulseError } from '../errors.ts';
import type { Direction } from '../events.ts';
import { checksumOf } from './checksum.ts';
import { readDirectives } from './directives.ts';
import { unlessChanged } from './file-text.ts';
import type {
  Directives,
  FolderOptions,
  FolderWarning,
  MigrationFile,
  Statement,
  TextProblem,
  TextRange,
} from './migration.ts';
import { locate } from './position.ts';
import { refusedStatements } from './refused-statements.ts';
import type { SourceText } from './source-text.ts';
import { splitStatements } from './splitter.ts';
import { controlInNoTransactionFile, readTransactionControl } from './transaction-control.ts';
import { type TransactionConflict, transactionConflicts } from './transaction-rules.ts';

/** Which file a text is, and how strictly to take it. */
export interface FileSource extends Pick<FolderOptions, 'allowEmpty' | 'transaction'> {
  /** As shown to people. */
  readonly path: string;
  readonly direction: Direction;
}

/** A file taken apart. Only when `problems` is empty may `file` be run. */
export interface ParsedFile {
  readonly file: MigrationFile;
  readonly problems: readonly Problem[];
  readonly warnings: readonly FolderWarning[];
}

/** How many problems of one file are told at once. */
const mostProblems = 20;

/** A place in a text as errors show it; of a file that was changed since, the file alone. */
export function locationAt(path: string, text: SourceText, offset: number): Location {
  const place = unlessChanged(() => locate(text, offset));
  if (place === null) return { file: path };
  const { line, column, excerpt, excerptColumn } = place;
  return { file: path, line, column, excerpt, ...(excerptColumn > 1 && { excerptColumn }) };
}

/**
 * Takes apart the SQL that the ledger keeps of a migration whose file is gone or was changed. It was accepted once, so
 * nothing is refused for being empty or for lacking a directive.
 * @throws {PulseError} `ledger-mismatch` when the text cannot be read, which takes a damaged record.
 */
export function parseRecordedFile(path: string, text: string): MigrationFile {
  const parsed = parseMigrationText(text, { path, direction: 'down', allowEmpty: true, transaction: 'auto' });
  if (parsed.problems.length === 0) return parsed.file;
  throw new PulseError('ledger-mismatch', `the SQL that the ledger recorded as ${path} cannot be read`, {
    problems: parsed.problems,
  });
}

/** Takes apart the text of one file. */
export function parseMigrationText(text: string, source: FileSource, checksum = checksumOf(text)): ParsedFile {
  const mixesLineEnds = /\r\n/.test(text) && /(?<!\r)\n/.test(text);
  return parseHashedText({ text, checksum: () => checksum, mixesLineEnds }, source);
}

/** The text of a file, with what is known of all of it. */
interface WholeText {
  readonly text: SourceText;
  /** Of a large file it is counted when it is asked for first. */
  readonly checksum: () => string;
  readonly mixesLineEnds: boolean;
}

/** As `parseMigrationText`, of a text of which this is known. */
export function parseHashedText({ text, checksum, mixesLineEnds }: WholeText, source: FileSource): ParsedFile {
  const split = splitStatements(text);
  const { statements } = split;
  const { directives, problems } = readDirectives(text, split.directiveComments, statements[0]?.start ?? text.length);
  // A text that could not be cut to its end has no last statement, so nothing is said about its transaction.
  const transaction =
    split.problems.length === 0
      ? readTransaction(text, statements, directives.noTransaction, source)
      : { mode: 'transaction' as const, modes: null, ownTransaction: [], problems: [] };
  const found = [split.problems, problems, transaction.problems, refusedStatements(text, statements)].flat();
  // Each one shown costs a walk through the text to count its lines.
  const shown = found.sort((a, b) => a.offset - b.offset).slice(0, mostProblems);
  return {
    file: {
      path: source.path,
      text,
      get checksum() {
        return checksum();
      },
      directives,
      statements,
      mode: transaction.mode,
      transactionModes: transaction.modes,
      leftOut: leftOut(transaction.ownTransaction, split.metaCommands),
    },
    problems: [
      ...contentProblems(text, statements.length, directives, source),
      ...shown.map(({ offset, message, hint }) => ({ message, hint, location: locationAt(source.path, text, offset) })),
    ],
    warnings: fileWarnings(
      { isEmpty: text.length === 0, mixesLineEnds, metaCommandCount: split.metaCommands.length },
      statements.length,
      directives,
      source,
    ).map((warning) => ({ path: source.path, ...warning })),
  };
}

function leftOut(...parts: readonly (readonly TextRange[])[]): readonly TextRange[] {
  return parts
    .flat()
    .map(({ start, end }) => ({ start, end }))
    .sort((a, b) => a.start - b.start);
}

interface TransactionOfFile {
  readonly mode: MigrationFile['mode'];
  readonly ownTransaction: readonly Statement[];
  readonly modes: string | null;
  readonly problems: readonly TextProblem[];
}

function readTransaction(
  text: SourceText,
  statements: readonly Statement[],
  noTransaction: boolean,
  source: FileSource,
): TransactionOfFile {
  const conflicts = noTransaction ? [] : transactionConflicts(text, statements);
  if (noTransaction || (conflicts.length > 0 && source.transaction === 'auto')) {
    const problems = controlInNoTransactionFile(text, statements);
    return { mode: 'no-transaction', modes: null, ownTransaction: [], problems };
  }
  const control = readTransactionControl(text, statements);
  const problems = [...control.problems, ...conflictProblem(conflicts)];
  return { mode: 'transaction', modes: control.modes, ownTransaction: control.ownTransaction, problems };
}

/** One problem for all conflicts of a file: one line is the cure of them all. */
function conflictProblem([first, ...others]: readonly TransactionConflict[]): TextProblem[] {
  if (!first) return [];
  const more =
    others.length > 0 ? ` (and ${others.length} more statement${others.length > 1 ? 's' : ''} of this file)` : '';
  return [
    {
      offset: first.statement.start,
      message: `${first.rule} cannot run in the transaction of its file${more}`,
      hint: 'add this line at the top of the file: -- pulse: no-transaction',
    },
  ];
}

/** What is wrong with the file as a whole, at no line of it. */
function contentProblems(
  text: SourceText,
  statementCount: number,
  directives: Directives,
  source: FileSource,
): readonly Problem[] {
  const problems: Problem[] = [];
  const location = { file: source.path };
  if (directives.irreversible !== null && source.direction === 'up') {
    problems.push({
      location,
      message: 'the directive irreversible stands in the file that applies the migration',
      hint: `move the line to ${source.path.replace(/\.up\.sql$/, '.down.sql')}`,
    });
  }
  if (statementCount > 0 || source.allowEmpty) return problems;
  if (text.length === 0) {
    problems.push({
      location,
      message: 'the file is empty',
      hint: 'write its SQL, or a comment that says why there is none, or set allowEmpty: true in the configuration',
    });
  } else if (source.direction === 'down' && directives.irreversible === null) {
    problems.push({
      location,
      message: 'the file holds comments only, so nothing would be undone',
      hint:
        'write the SQL that undoes the migration, or this line with the reason: -- pulse: irreversible REASON ' +
        '(allowEmpty: true in the configuration accepts a folder that has many of them)',
    });
  }
  return problems;
}

function fileWarnings(
  seen: { readonly isEmpty: boolean; readonly mixesLineEnds: boolean; readonly metaCommandCount: number },
  statementCount: number,
  directives: Directives,
  source: FileSource,
): readonly Omit<FolderWarning, 'path'>[] {
  const warnings: Omit<FolderWarning, 'path'>[] = [];
  if (statementCount === 0 && directives.irreversible === null) {
    const what = seen.isEmpty ? 'is empty' : 'holds comments only';
    warnings.push({ message: `the file ${what}: it is recorded, and nothing runs` });
  }
  if (statementCount > 0 && directives.irreversible !== null && source.direction === 'down') {
    warnings.push({
      message: 'the file says that it is irreversible, so its statements never run',
      hint: 'remove the statements, or the directive',
    });
  }
  if (seen.metaCommandCount > 0) {
    warnings.push({
      message: '\\restrict and \\unrestrict are commands of psql and are skipped',
      hint: 'pg_dump writes them; the lines can be deleted',
    });
  }
  if (seen.mixesLineEnds) {
    warnings.push({
      message: 'the file mixes line ends (CRLF and LF), which a string over several lines would keep',
      hint: 'save it with LF line ends; its checksum does not change',
    });
  }
  return warnings;
}
