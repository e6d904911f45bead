import { PulseError } from '../errors.ts';
import type { UnfinishedMigration } from '../ledger/ledger.ts';
import { checksumOf, RunningChecksum } from '../migrations/checksum.ts';
import type { Statement } from '../migrations/migration.ts';
import { rowsOf } from './messages.ts';
import type { Step } from './step.ts';

/** A statement as the journal knows it: with its COPY data, which may be more than memory should hold. */
export function statementChecksum({ file: { text } }: Step, { start, end, copyData }: Statement): string {
  const whole = { start, end: copyData?.end ?? end };
  if (typeof text === 'string') return checksumOf(text.slice(whole.start, whole.end));
  const checksum = new RunningChecksum();
  for (const part of rowsOf(text, whole)) checksum.add(Buffer.from(part));
  return checksum.digest();
}

/**
 * A statement that was finished and is another one now would leave a database that no file describes.
 * @throws {PulseError} `ledger-mismatch`.
 */
export function refuseEdited(step: Step, unfinished: UnfinishedMigration | null): void {
  const edited = unfinished?.finished.findIndex((checksum, index) => {
    const statement = step.file.statements[index];
    return statement === undefined || statementChecksum(step, statement) !== checksum;
  });
  if (edited === undefined || edited < 0) return;
  throw new PulseError(
    'ledger-mismatch',
    `statement ${edited + 1} of ${step.file.path} was changed after it had been executed`,
    {
      hint: `restore the statement and add the correction behind it; or strike the finished part from the record: pulse-migrate repair --forget ${step.version}`,
      location: { file: step.file.path },
    },
  );
}
