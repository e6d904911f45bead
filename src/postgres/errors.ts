import { type ErrorCode, PulseError } from '../errors.ts';
import type { Session } from './session.ts';
import type { Sql } from './sql.ts';

/** A statement the server refused, with all it said. Thrown by sessions; callers turn it into a PulseError where they know the file. */
export class StatementError extends Error {
  readonly sqlstate: string;
  readonly detail: string | undefined;
  readonly serverHint: string | undefined;
  readonly context: string | undefined;
  /** Character (code point) in the message sent, from 1. */
  readonly position: number | undefined;
  readonly constraint: string | undefined;
  readonly schema: string | undefined;
  readonly table: string | undefined;
  /** How many statements of the same message were done before this one failed. */
  readonly completed: number;

  readonly #fields: Readonly<Record<string, unknown>>;

  constructor(fields: Readonly<Record<string, unknown>>, completed = 0) {
    super(text(fields['message']) ?? 'the server refused the statement');
    this.name = 'StatementError';
    this.sqlstate = text(fields['code']) ?? 'XX000';
    this.detail = text(fields['detail']);
    this.serverHint = text(fields['hint']);
    this.context = text(fields['where']);
    const position = Number(fields['position']);
    this.position = Number.isInteger(position) && position > 0 ? position : undefined;
    this.constraint = text(fields['constraint_name']);
    this.schema = text(fields['schema_name']);
    this.table = text(fields['table_name']);
    this.completed = completed;
    this.#fields = fields;
  }

  /** The same refusal with its position counted from another place, for text that was sent with something in front. */
  movedBy(characters: number): StatementError {
    const position = this.position === undefined ? undefined : this.position + characters;
    return new StatementError({ ...this.#fields, message: this.message, position }, this.completed);
  }
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** True for an error object of the driver that carries the server's ErrorResponse. */
export function isServerError(error: unknown): error is Record<string, unknown> {
  return error instanceof Error && error.name === 'PostgresError';
}

const refusals: ReadonlyArray<readonly [test: RegExp, code: ErrorCode]> = [
  [/^28/, 'authentication-failed'],
  [/^3D000$/, 'database-missing'],
  [/^42501$/, 'permission-denied'],
  [/^25006$/, 'read-only-server'],
  [/^(55P03|40P01)$/, 'lock-not-obtained'],
];

/** The code of the catalogue for an SQLSTATE of a statement of our own; `null` where there is no better name than the server's. */
export function codeOfSqlstate(sqlstate: string): ErrorCode | null {
  return refusals.find(([test]) => test.test(sqlstate))?.[1] ?? null;
}

/**
 * A failure of one of the tool's own statements as a PulseError, in the server's words: what a server refuses is a
 * fact about its state, its settings or its rights, and never a bug that a user should report. Everything that is not
 * a refusal of the server is given back as it is.
 */
export function explainOwnStatement(error: unknown, doing: string): unknown {
  if (!(error instanceof StatementError)) return error;
  const told = ownRefusals.find(([test]) => test.test(error.sqlstate))?.[1];
  return new PulseError(told?.code ?? codeOfSqlstate(error.sqlstate) ?? 'not-possible', `${doing}: ${error.message}`, {
    ...(told !== undefined && { hint: told.hint }),
    server: serverReport(error),
    cause: error,
  });
}

/** Classes of SQLSTATE (manual, Appendix A) that say something else of a statement of ours than of a user's. */
const ownRefusals: ReadonlyArray<readonly [test: RegExp, told: { readonly code: ErrorCode; readonly hint: string }]> = [
  [
    /^57014$/,
    {
      code: 'lock-not-obtained',
      hint: 'something was locked for longer than the statement_timeout of the role or database allows (ALTER ROLE … SET statement_timeout), or somebody cancelled the statement: see pg_locks, then run the command again',
    },
  ],
  [
    /^53/,
    {
      code: 'connection-failed',
      hint: 'the server is out of memory, disk space, connections or locks: see its log, free some, then run the command again',
    },
  ],
];

/** The rows of a statement of ours. Throws as `Session.rows` does, with what the server refuses explained. */
export async function ownRows<Row extends object = Record<string, unknown>>(
  session: Pick<Session, 'rows'>,
  doing: string,
  statement: Sql,
): Promise<Row[]> {
  try {
    return await session.rows<Row>(statement);
  } catch (error) {
    throw explainOwnStatement(error, doing);
  }
}

/** What the server said, as data for messages and JSON. */
export function serverReport(error: StatementError): NonNullable<PulseError['server']> {
  return {
    sqlstate: error.sqlstate,
    ...(error.detail !== undefined && { detail: error.detail }),
    ...(error.serverHint !== undefined && { hint: error.serverHint }),
    ...(error.context !== undefined && { context: error.context }),
  };
}
