import { PulseError } from '../errors.ts';
import { guardConstraint } from '../ledger/append.ts';
import { unlessChanged } from '../migrations/file-text.ts';
import type { MigrationFile } from '../migrations/migration.ts';
import { locationAt } from '../migrations/parse-file.ts';
import { type StatementError, serverReport } from '../postgres/errors.ts';
import { type Message, placeInFile } from './messages.ts';

/** What a person reads when a statement of a file failed: where, why, and what usually helps. */
export function explainFailure(
  error: StatementError,
  file: MigrationFile,
  message: Message | null,
  now: readonly string[],
): PulseError {
  const location = message === null ? null : locationOf(error, file, message);
  const special = specialCase(error);
  return new PulseError(
    lockCodes.has(error.sqlstate) ? 'lock-not-obtained' : 'migration-failed',
    special?.message ?? error.message,
    {
      location: location ?? { file: file.path },
      server: serverReport(error),
      cause: error,
      now,
      hint: special?.hint ?? hintFor(error, file),
    },
  );
}

/** lock_not_available, deadlock_detected, serialization_failure: others were at work, and a later try may succeed. */
export const lockCodes: ReadonlySet<string> = new Set(['55P03', '40P01', '40001']);

/** Whether nothing was wrong but that others were at work. */
export function isLockFailure(error: StatementError): boolean {
  return lockCodes.has(error.sqlstate);
}

/** query_canceled: whether an operator or a time limit ended the statement, and nothing need be wrong with it. */
export function isCancelled(error: StatementError): boolean {
  return error.sqlstate === '57014';
}

function locationOf(error: StatementError, file: MigrationFile, message: Message) {
  const { position } = error;
  const offset =
    position === undefined
      ? statementOffset(error, file, message)
      : unlessChanged(() => placeInFile(file.text, message, position));
  return offset === null ? null : locationAt(file.path, file.text, offset);
}

/** Where the statement that failed begins, for errors without a position (a constraint violated by data, say). */
function statementOffset(error: StatementError, file: MigrationFile, message: Message): number | null {
  const sent = file.statements.filter(
    ({ start, end }) =>
      start >= message.offset &&
      end <= message.end &&
      !file.leftOut.some((part) => start >= part.start && end <= part.end),
  );
  const before = message.kind === 'sql' && message.own !== undefined ? 1 : 0;
  return sent[error.completed - before]?.start ?? null;
}

/** A function that commits fails in a file without a transaction as well: there the journal's mark is in its transaction. */
const withoutEnd =
  'take the COMMIT or ROLLBACK out; work that needs several transactions goes into several migrations, or into several statements of one with "-- pulse: no-transaction" at its top';

function specialCase(error: StatementError): { message: string; hint: string } | null {
  // With a context it comes out of a function, which may give its errors any name it likes.
  if (error.constraint === guardConstraint && error.context === undefined) {
    return {
      message: 'the file ends the transaction it runs in (a COMMIT that no keyword at top level shows)',
      hint: withoutEnd,
    };
  }
  if (error.sqlstate === '2D000') {
    return {
      message: `the file tries to end the transaction it runs in: ${error.message}`,
      hint: withoutEnd,
    };
  }
  return null;
}

/** Duplicate column, schema, relation, object, function. */
const duplicateCodes = new Set(['42701', '42P06', '42P07', '42710', '42723']);

function hintFor(error: StatementError, file: MigrationFile): string {
  if (lockCodes.has(error.sqlstate))
    return 'see who holds the lock, then run the command again; nothing of the file was applied';
  if (error.sqlstate === '25001') {
    return `this statement cannot run in a transaction: put "-- pulse: no-transaction" at the top of ${file.path}`;
  }
  if (isCancelled(error))
    return `if its time was over, give it more: "-- pulse: statement-timeout 10min" at the top of ${file.path}; if somebody cancelled it, run the command again`;
  if (error.sqlstate === '42501')
    return 'grant the right to the migrating role, or connect as another: pulse-migrate doctor';
  if (duplicateCodes.has(error.sqlstate))
    return `if a down forgot to drop it, drop it now and in the down file; if all of ${file.path} is there already: pulse-migrate baseline --plan VERSION; else correct the file, and run the command again`;
  return `correct ${file.path} and run the command again`;
}
