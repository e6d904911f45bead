import type { Settings } from '../../config/settings.ts';
import { PulseError } from '../../errors.ts';
import type { Instant } from '../../partitions/calendar.ts';
import type { TableName } from '../../partitions/catalog.ts';
import { ident } from '../../postgres/sql.ts';
import type { RunnerDeps } from '../../runner/step.ts';
import { longestLockMs } from './partition-flags.ts';

/** Takes a partition out of its table as `partition detach` does. `now`: partitions that end later are refused. */
export async function detachPartition(
  deps: RunnerDeps,
  { lock }: Settings,
  now: Instant,
  [parent, partition]: readonly [parent: TableName, partition: TableName],
): Promise<void> {
  const { detach } = await import('../../partitions/detach.ts');
  const asked = {
    ...{ table: inSql(parent), partition: inSql(partition), before: null, evenCurrent: false, dryRun: false, now },
    patience: { ...lock, timeoutMs: Math.min(lock.timeoutMs, longestLockMs) },
  };
  await detach(deps, asked).catch((error: unknown) => {
    if (!(error instanceof PulseError && error.code === 'confirmation-needed')) throw error;
    throw new PulseError('not-possible', error.message, {
      hint: 'choose a day up to which all has ended, or name partitions that have; what takes rows today cannot be dropped this way',
      cause: error,
    });
  });
}

/** A name as SQL has it, for what takes names as typed. */
export function inSql({ schema, name }: TableName): string {
  return ident(schema, name).text;
}
