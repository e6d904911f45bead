import type { MigrationFile, Statement, TextRange } from '../migrations/migration.ts';
import { offsetOfPosition } from '../migrations/position.ts';
import { extentOf, type SourceText } from '../migrations/source-text.ts';

/**
 * One thing to send. `offset` and `end` are where its text stands in the file, so that a position the server names can be
 * shown there. `last` is set where the message ends with a statement whose success says too little, `own` where it
 * begins with a statement that is not of the file.
 */
export type Message = SqlMessage | CopyMessage;

export interface SqlMessage {
  readonly kind: 'sql';
  readonly text: string;
  readonly offset: number;
  readonly end: number;
  readonly last?: Statement;
  readonly own?: { readonly characters: number };
}

interface CopyMessage {
  readonly kind: 'copy';
  readonly text: string;
  readonly offset: number;
  readonly end: number;
  /** Where its data are in the file. */
  readonly data: TextRange;
}

/** What the line behind COPY data holds. */
const endOfData = '\\.';

/**
 * A file that is not kept in memory is sent in messages of about so many bytes: sent at once, 100 MiB of INSERTs cost
 * the backend 600 MiB (measured).
 */
const pieceBytes = 65_536;

/** Data travel in parts of so many bytes. */
const dataBytes = 262_144;

/** Over an INVALID index of that name the server does nothing and reports success (measured). */
function mayBeSkipped(statement: Statement): boolean {
  return /^CREATE (UNIQUE )?INDEX IF NOT EXISTS\b/.test(statement.keywords.join(' '));
}

/**
 * A file as the messages it is sent in: one for the whole file, or, where it holds COPY data, one for each part
 * between, since data travels by a protocol of its own; a CREATE INDEX IF NOT EXISTS ends its message too, and a file
 * that is not kept in memory comes in pieces. BEGIN and COMMIT of the file are blanked, not cut out, so that positions
 * stay what they are.
 */
export function* messagesOf(file: MigrationFile): Generator<Message, void> {
  const { statements, text } = file;
  const most = typeof text === 'string' ? Number.POSITIVE_INFINITY : pieceBytes;
  let from = 0;
  for (const [index, statement] of statements.entries()) {
    if (statement.copyData !== null) {
      yield* sqlMessage(file, from, statement.start);
      const { start, end, copyData } = statement;
      yield { kind: 'copy', text: text.slice(start, end), offset: start, end, data: copyData };
      from = copyData.end + endOfData.length;
    } else if (mayBeSkipped(statement) || statement.end - from >= most) {
      const to = statements[index + 1]?.start ?? text.length;
      yield* sqlMessage(file, from, to, mayBeSkipped(statement) ? statement : undefined);
      from = to;
    }
  }
  yield* sqlMessage(file, from, text.length);
}

function* sqlMessage(file: MigrationFile, from: number, to: number, last?: Statement): Generator<SqlMessage, void> {
  const text = blanked(file, from, to);
  if (text.trim() !== '') yield { kind: 'sql', text, offset: from, end: to, ...(last && { last }) };
}

/** The part of a file with one space for each character that is left out, and line ends kept: characters are what the server counts. */
function blanked({ text, leftOut }: MigrationFile, from: number, to: number): string {
  let part = '';
  let at = from;
  for (const { start, end } of leftOut) {
    if (start < from || end > to) continue;
    part += text.slice(at, start) + text.slice(start, end).replace(/[^\r\n]/gu, ' ');
    at = end;
  }
  return part + text.slice(at, to);
}

/** The rows of a COPY as they are sent. */
export function* rowsOf(text: SourceText, { start, end }: TextRange): Generator<string | Buffer, void> {
  if (typeof text === 'string') {
    yield text.slice(start, end);
    return;
  }
  text.checksum.advance(start);
  for (let at = start; at < end; at += dataBytes) {
    const part = text.bytes(at, Math.min(end, at + dataBytes));
    yield part;
    text.checksum.take(at, part);
  }
}

/** A message with a statement of our own in front. */
export function behindOwn(message: SqlMessage, own: string): SqlMessage {
  const before = `${own};\n`;
  return { ...message, text: before + message.text, own: { characters: [...before].length } };
}

/** Where in the file the server has found something: `position` counts characters of the message from 1. Null in front of the file's own text. */
export function placeInFile(text: SourceText, message: Message, position: number): number | null {
  const own = message.kind === 'sql' ? (message.own?.characters ?? 0) : 0;
  if (position <= own) return null;
  // What is left out of a message has as many characters there as here, though not as many bytes.
  const part = text.slice(message.offset, message.end);
  return message.offset + extentOf(text, part.slice(0, offsetOfPosition(part, position - own)));
}
