import { type ErrorCode, PulseError } from '../errors.ts';

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
 * A failure of one of the tool's own statements as a PulseError: a missing right, a standby, a lock.
 * Anything else is passed on as it is, and ends as a bug report.
 */
export function explainOwnStatement(error: unknown, doing: string): unknown {
  if (!(error instanceof StatementError)) return error;
  const code = codeOfSqlstate(error.sqlstate);
  if (code === null) return error;
  return new PulseError(code, `${doing}: ${error.message}`, {
    server: serverReport(error),
    cause: error,
  });
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
