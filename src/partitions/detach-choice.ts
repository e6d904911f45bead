import { PulseError } from '../errors.ts';
import type { Instant } from './calendar.ts';
import type { Detachable, DetachFrom } from './detach-catalog.ts';

/** How a partition leaves its table; `finalized`: the rest of what another command began. */
export type Way = 'concurrently' | 'locked' | 'finalized';

interface Choice {
  readonly before: Instant | null;
  readonly now: Instant;
  readonly evenCurrent: boolean;
}

/**
 * Those that end before the time that was given, or the one that was named.
 * @throws {PulseError} `confirmation-needed` for one that rows of now or later belong to: writers would fail, or fill
 * the DEFAULT partition.
 */
export function chosenOnes(partitions: readonly Detachable[], choice: Choice): readonly Detachable[] {
  const { before, now, evenCurrent } = choice;
  const wanted = partitions.filter((partition) => before === null || endsBy(partition, before));
  const current = wanted.find((partition) => !partition.pending && !endsBy(partition, now));
  if (current !== undefined && !evenCurrent && current.range !== null) {
    throw new PulseError(
      'confirmation-needed',
      `${current.name} is for rows of now or later, which would lose their place`,
      {
        hint: 'choose an earlier one, or add --i-know',
      },
    );
  }
  return wanted;
}

function endsBy({ range }: Detachable, time: Instant): boolean {
  return range !== null && range !== 'default' && range.to !== null && range.to <= time;
}

/** CONCURRENTLY where the server allows it (manual, ALTER TABLE), and why not where it does not. */
export function wayOf(table: DetachFrom, pooled: boolean): { readonly way: Way; readonly because: string | null } {
  const byDefault = table.partitions.find(({ range }) => range === 'default');
  if (byDefault !== undefined) {
    return {
      way: 'locked',
      because: `PostgreSQL refuses CONCURRENTLY where there is a DEFAULT partition (${byDefault.name})`,
    };
  }
  // Its lock timeout has to be set for the session, since it runs outside of a transaction.
  return pooled
    ? { way: 'locked', because: 'behind a pooler no lock timeout holds for CONCURRENTLY' }
    : { way: 'concurrently', because: null };
}
