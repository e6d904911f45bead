import { isUtf8 } from 'node:buffer';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { PulseError } from '../../../src/errors.ts';
import type { MigrationFile, TextRange } from '../../../src/migrations/migration.ts';
import { type FileSource, type ParsedFile, parseRecordedFile } from '../../../src/migrations/parse-file.ts';
import { compareWithParser, type ParserStatement } from '../../support/against-parser.ts';
import { parseLargeFile, parseMigrationBytes } from '../../support/parse-bytes.ts';
import { FuzzFault } from './batches.ts';

/** How many files came how far. */
export interface FileCounts {
  files: number;
  /** Text that the server would take as bytes of UTF-8. */
  decoded: number;
  /** Understood by PostgreSQL's own parser as a whole. */
  compared: number;
  /** Ready to run. */
  accepted: number;
}

const strict: FileSource = { path: 'm/1_x.up.sql', direction: 'up', allowEmpty: false, transaction: 'strict' };
const lenient: FileSource = { path: 'm/1_x.down.sql', direction: 'down', allowEmpty: true, transaction: 'auto' };

/**
 * Reads a file as `up` would and holds the answer against what others say of it: Node of its bytes, the parser of
 * PostgreSQL of its statements.
 * @throws {FuzzFault} for whatever disagrees.
 */
export function checkFile(bytes: Uint8Array, counts: FileCounts): void {
  counts.files++;
  const parsed = parseMigrationBytes(bytes, strict);
  parseMigrationBytes(bytes, lenient);
  const readable = isUtf8(bytes) && !bytes.includes(0);
  if (readable === 'problem' in parsed)
    untrue(`${readable ? 'readable bytes are refused' : 'bytes that are no text are taken'}`);
  checkOnDisk(bytes, parsed);
  if ('problem' in parsed) return;
  counts.decoded++;
  const { text } = parsed.file;
  if (
    text !==
    Buffer.from(bytes)
      .toString('utf8')
      .replace(/^\ufeff/, '')
  )
    untrue('the text is not what the bytes say');
  checkPlaces(parsed);
  checkRecorded(text);
  const { theirs, difference } = compareWithParser(text);
  if (difference !== null) untrue(difference);
  if (parsed.problems.length === 0) counts.accepted++;
  if (theirs === null) return;
  counts.compared++;
  if (parsed.problems.length === 0 && parsed.file.mode === 'transaction') checkTransaction(parsed.file, theirs);
}

function untrue(detail: string): never {
  throw new FuzzFault('untrue', detail);
}

/** As few as the marks of encodings need: what is cut between two blocks is what is to be found. */
const blockBytes = 64;
const onDisk = join(mkdtempSync(join(tmpdir(), 'pulse-fuzz-')), '1_x.up.sql');
process.once('exit', () => rmSync(dirname(onDisk), { recursive: true, force: true }));

/** A file that is read from the disk in blocks is the same as one that is kept in memory, in bytes and not in UTF-16. */
function checkOnDisk(bytes: Uint8Array, inMemory: ReturnType<typeof parseMigrationBytes>): void {
  writeFileSync(onDisk, bytes);
  const large = parseLargeFile(onDisk, strict, blockBytes);
  if ('problem' in large || 'problem' in inMemory) {
    if ('problem' in large !== 'problem' in inMemory) untrue('the bytes are refused in memory or on the disk alone');
    return;
  }
  const text = inMemory.file.text.slice(0);
  let [units, counted] = [0, 0];
  const inBytes = (offset: number) => {
    counted =
      offset < units
        ? Buffer.byteLength(text.slice(0, offset))
        : counted + Buffer.byteLength(text.slice(units, offset));
    units = offset;
    return counted;
  };
  const range = ({ start, end }: TextRange) => ({ start: inBytes(start), end: inBytes(end) });
  const facts = ({ file, problems }: ParsedFile, at: typeof range) => ({
    statements: file.statements.map((statement) => ({
      ...at(statement),
      keywords: statement.keywords,
      copyData: statement.copyData && at(statement.copyData),
    })),
    leftOut: file.leftOut.map(at),
    checksum: file.checksum,
    mode: file.mode,
    modes: file.transactionModes,
    directives: file.directives,
    problems: problems.map(({ message, location }) => [message, location?.line, location?.column]),
  });
  const [ours, theirs] = [facts(large, (part) => ({ start: part.start, end: part.end })), facts(inMemory, range)].map(
    (all) => JSON.stringify(all),
  );
  if (ours !== theirs) untrue(`on the disk ${ours}, in memory ${theirs}`);
  if (large.file.text.slice(0) !== text) untrue('the text on the disk is not what is kept in memory');
}

/** Statements and left out parts lie in the text, one behind the other; each problem has a line that exists. */
function checkPlaces({ file, problems }: ParsedFile): void {
  for (const ranges of [file.statements, file.leftOut]) {
    ranges.reduce((from: number, { start, end }: TextRange) => {
      if (start < from || end < start || end > file.text.length)
        untrue(`a part at ${start}-${end}, the one before it ends at ${from}`);
      return end;
    }, 0);
  }
  const lines = file.text.slice(0).split(/\r\n|\n|\r/).length;
  for (const { location } of problems) {
    const { line = 1, column = 1 } = location ?? {};
    if (line < 1 || line > lines || column < 1) untrue(`a problem at ${line}:${column} of ${lines} lines`);
  }
}

/** What the ledger keeps may be damaged: then it is refused, and nothing worse. */
function checkRecorded(text: string): void {
  try {
    parseRecordedFile('m/1_x.down.sql', text);
  } catch (error) {
    if (!(error instanceof PulseError)) throw error;
  }
}

const endsTransaction = new Set([
  'TRANS_STMT_BEGIN',
  'TRANS_STMT_START',
  'TRANS_STMT_COMMIT',
  'TRANS_STMT_ROLLBACK',
  'TRANS_STMT_PREPARE',
]);

/** Nothing that ends our transaction, or cannot run in one, gets past us. */
function checkTransaction(file: MigrationFile, theirs: readonly ParserStatement[]): void {
  for (const { kind, node, start, end } of theirs) {
    const control = kind === 'TransactionStmt' && endsTransaction.has(String(node['kind']));
    const leftOut = file.leftOut.some((part) => part.start >= start && part.end <= end && part.end > part.start);
    if (control && !leftOut) untrue(`${String(node['kind'])} at ${start} was let through`);
    if (cannotRunInTransaction(kind, node)) untrue(`${kind} at ${start} was let into a transaction`);
  }
}

function cannotRunInTransaction(kind: string, node: ParserStatement['node']): boolean {
  switch (kind) {
    case 'IndexStmt':
      return node['concurrent'] === true;
    case 'DropStmt':
      return node['concurrent'] === true && node['removeType'] === 'OBJECT_INDEX';
    case 'VacuumStmt':
      return node['is_vacuumcmd'] === true;
    default:
      return ['CreatedbStmt', 'DropdbStmt', 'AlterSystemStmt', 'CreateTableSpaceStmt', 'DropTableSpaceStmt'].includes(
        kind,
      );
  }
}
