import { PulseError } from '../errors.ts';
import { guardConstraint } from '../ledger/append.ts';
import { numberTaken } from '../ledger/explain.ts';
import { hasTouched } from '../ledger/touched.ts';
import { unlessChanged } from '../migrations/file-text.ts';
import { StatementError } from '../postgres/errors.ts';
import { leaseLost } from './lease-lost.ts';
import type { Message } from './messages.ts';
import type { Step } from './step.ts';

const callsIn = /\bset\s+constraints\s[^;]*\b(?:all|guard_promises_a_ledger_row)\b/i;

/**
 * Whether a file would call the guard's promise in before it can be kept, by what its text shows. A large one is looked
 * at by its own SET CONSTRAINTS alone: where a function turns out to call it in, the file is run again without it.
 */
export function callsPromiseIn({ file: { text, statements } }: Step): boolean {
  if (typeof text === 'string') return callsIn.test(text);
  return statements.some(
    ({ start, end, keywords: [first, second] }) =>
      first === 'SET' && second === 'CONSTRAINTS' && callsIn.test(text.slice(start, end)),
  );
}

/** The guard's promise was checked by a SET CONSTRAINTS within a function, and not by a COMMIT. */
export function isPromiseCalledIn(error: unknown): boolean {
  const cause = error instanceof PulseError ? error.cause : null;
  return (
    cause instanceof StatementError &&
    cause.constraint === guardConstraint &&
    /\bset\s+constraints\b/i.test(cause.context ?? '')
  );
}

/** Another transaction than the one that was begun: what the file did in between may be there for good. */
export function endedItself({ file }: Step): PulseError {
  return new PulseError(
    'migration-partial',
    `${file.path} ended its transaction itself; statements behind that point may have been committed one by one, and none of it is recorded`,
    {
      hint: 'compare the database with the file, then take the transaction control out of it',
      location: { file: file.path },
    },
  );
}

/**
 * What a refusal of one of the run's own statements says of guard and ledger; null where it says something else. The
 * NOT NULL columns are there to fail in exactly these cases. An error with a context comes out of a function, which
 * may give its errors any name it likes.
 */
export function guardFailure(error: StatementError, schema: string, step: Step): PulseError | null {
  if (error.context !== undefined || error.schema !== schema) return null;
  if (error.sqlstate === '23502' && error.table === 'guard') return leaseLost();
  if (error.sqlstate === '23502' && error.table === 'ledger') return hasTouched(step.file.path, schema, error);
  if (error.sqlstate === '23505') return numberTaken(error, schema);
  if (error.constraint === guardConstraint) return rowNotTaken(schema, step.file.path, error);
  return null;
}

/** A trigger of somebody's has kept our row away, and the server calls that a success. */
export function rowNotTaken(schema: string, path: string, cause?: unknown): PulseError {
  return new PulseError('migration-failed', `the ledger in schema ${schema} did not take the row of ${path}`, {
    hint: `see which trigger keeps rows away, and drop it: psql -c '\\d ${schema}.ledger'`,
    location: { file: path },
    ...(cause !== undefined && { cause }),
  });
}

/**
 * The duration in a ledger row that was written, milliseconds.
 * @throws {PulseError} `migration-failed` when there is no row: to be asked before the COMMIT.
 */
export function durationIn(
  rows: ReadonlyArray<{ readonly duration_ms: number }>,
  schema: string,
  path: string,
): number {
  const [row] = rows;
  if (row === undefined) throw rowNotTaken(schema, path);
  return row.duration_ms;
}

/** A file that would drop or alter the guard is stopped by the server, since the guard's promise is still open. */
export function touchesGuard(
  error: StatementError,
  schema: string,
  { file }: Step,
  { offset, end }: Message,
): PulseError | null {
  const { text } = file;
  const said = typeof text === 'string' ? text : unlessChanged(() => text.slice(offset, end));
  const told = `${error.context ?? ''} ${said ?? ''}`;
  const meant = told.includes(schema) || /\bowned\b/i.test(told);
  return error.sqlstate === '55006' && /\bguard\b/.test(error.message) && meant
    ? hasTouched(file.path, schema, error)
    : null;
}
