import { PulseError } from '../../errors.ts';
import { StatementError } from '../../postgres/errors.ts';
import { typedName } from '../shown-name.ts';
import type { Conversion } from './conversion.ts';

/** Somebody else works on the same conversion. */
export function lostTrack({ name }: Conversion): PulseError {
  return new PulseError('lock-not-obtained', `${name}: another run has gone on with the conversion`, {
    hint: 'see how far it is: pulse-migrate partition status',
  });
}

/** What the server says where the way back does not fit, in words that say what to do; anything else as it is. */
export function explainMisfit(error: unknown, conversion: Conversion): unknown {
  const { name } = conversion;
  if (!(error instanceof StatementError)) return error;
  if (/^42(703|804|P01)$/.test(error.sqlstate)) {
    return new PulseError(
      'not-possible',
      `${name} was altered since the exchange, and what was written to it does not fit the old table: ${error.message}`,
      {
        hint: `make it again what it was (columns and types), then run the command again; or keep the partitions: pulse-migrate partition finish ${typedName(conversion)} --i-know`,
        cause: error,
      },
    );
  }
  if (error.sqlstate !== '23505') return error;
  return new PulseError(
    'not-possible',
    `${name}: rows that were written since the swap break the unique key ${error.constraint} of the old table: ${error.detail ?? error.message}`,
    {
      hint: 'delete or correct one of these rows, then run the command again; nothing was changed',
      cause: error,
    },
  );
}
