import { PulseError } from '../errors.ts';
import { guardConstraint } from '../ledger/append.ts';
import type { MigrationFile } from '../migrations/migration.ts';
import { locationAt } from '../migrations/parse-file.ts';
import { offsetOfPosition } from '../migrations/position.ts';
import { type StatementError, serverReport } from '../postgres/errors.ts';
import type { Message } from './messages.ts';

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

/** lock_not_available, deadlock_detected. */
const lockCodes = new Set(['55P03', '40P01']);

/** Whether nothing was wrong but that a lock was not to be had. */
export function isLockFailure(error: StatementError): boolean {
  return lockCodes.has(error.sqlstate);
}

function locationOf(error: StatementError, file: MigrationFile, message: Message) {
  const offset =
    error.position === undefined
      ? statementOffset(error, file, message)
      : message.offset + offsetOfPosition(message.text, error.position);
  return offset === null ? null : locationAt(file.path, file.text, offset);
}

/** Where the statement that failed begins, for errors without a position (a constraint violated by data, say). */
function statementOffset(error: StatementError, file: MigrationFile, message: Message): number | null {
  const sent = file.statements.filter(
    ({ start, end }) =>
      start >= message.offset &&
      end <= message.offset + message.text.length &&
      !file.leftOut.some((part) => start >= part.start && end <= part.end),
  );
  return sent[error.completed]?.start ?? null;
}

function specialCase(error: StatementError): { message: string; hint: string } | null {
  if (error.constraint === guardConstraint) {
    return {
      message: 'the file ends the transaction it runs in (a COMMIT that no keyword at top level shows)',
      hint: 'take the COMMIT out, or run the file without a transaction: put "-- pulse: no-transaction" at its top',
    };
  }
  if (error.sqlstate === '2D000') {
    return {
      message: `the file tries to end the transaction it runs in: ${error.message}`,
      hint: 'take the COMMIT or ROLLBACK out, or run the file without a transaction: put "-- pulse: no-transaction" at its top',
    };
  }
  return null;
}

function hintFor(error: StatementError, file: MigrationFile): string {
  if (lockCodes.has(error.sqlstate))
    return 'see who holds the lock, then run the command again; nothing of the file was applied';
  if (error.sqlstate === '25001') {
    return `this statement cannot run in a transaction: put "-- pulse: no-transaction" at the top of ${file.path}`;
  }
  if (error.sqlstate === '42501')
    return 'grant the right to the migrating role, or connect as another: pulse-migrate doctor';
  return `correct ${file.path} and run the command again`;
}
