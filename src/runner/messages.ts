import type { MigrationFile, Statement } from '../migrations/migration.ts';

/**
 * One thing to send. `offset` is where its text begins in the file (UTF-16), so that a position the server names can
 * be shown in the file. `last` is set where the message ends with a statement whose success says too little, `before`
 * where it begins with so many statements that are not of the file: its offset is less than zero then.
 */
export type Message = SqlMessage | CopyMessage;

export interface SqlMessage {
  readonly kind: 'sql';
  readonly text: string;
  readonly offset: number;
  readonly last?: Statement;
  readonly before?: number;
}

interface CopyMessage {
  readonly kind: 'copy';
  readonly text: string;
  readonly offset: number;
  readonly rows: string;
}

/** What the line behind COPY data holds. */
const endOfData = '\\.';

/** Over an INVALID index of that name the server does nothing and reports success (measured). */
function mayBeSkipped(statement: Statement): boolean {
  return /^CREATE (UNIQUE )?INDEX IF NOT EXISTS\b/.test(statement.keywords.join(' '));
}

/**
 * A file as the messages it is sent in: one for the whole file, or, where it holds COPY data, one for each part
 * between, since data travels by a protocol of its own; a CREATE INDEX IF NOT EXISTS ends its message too. BEGIN and
 * COMMIT of the file are blanked, not cut out, so that positions stay what they are.
 */
export function messagesOf(file: MigrationFile): Message[] {
  const text = blank(file);
  const messages: Message[] = [];
  let from = 0;
  const addSql = (to: number, last?: Statement) => {
    const part = text.slice(from, to);
    if (part.trim() !== '') messages.push({ kind: 'sql', text: part, offset: from, ...(last && { last }) });
  };
  for (const [index, statement] of file.statements.entries()) {
    if (mayBeSkipped(statement)) {
      const end = file.statements[index + 1]?.start ?? text.length;
      addSql(end, statement);
      from = end;
    }
    if (statement.copyData === null) continue;
    addSql(statement.start);
    const { start, end } = statement.copyData;
    messages.push({
      kind: 'copy',
      text: file.text.slice(statement.start, statement.end),
      offset: statement.start,
      rows: file.text.slice(start, end),
    });
    from = end + endOfData.length;
  }
  addSql(text.length);
  return messages;
}

/** One space for each character that is left out, and line ends kept: characters are what the server counts. */
function blank(file: MigrationFile): string {
  let text = '';
  let from = 0;
  for (const { start, end } of file.leftOut) {
    text += file.text.slice(from, start) + file.text.slice(start, end).replace(/[^\r\n]/gu, ' ');
    from = end;
  }
  return text + file.text.slice(from);
}
